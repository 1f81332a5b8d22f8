"""What docs/serving.md tells an application to send is answered: its curl lines, and its lines of Python."""

import re
import shlex
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import uvicorn

from recs_platform.serving.protocol import bounded_protocol
from recs_platform.stages.releases.bundle import BundleContent
from recs_platform_tests.serving.served import Served
from recs_platform_tests.unit.stages.releases.bundles import content

TEXT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
ADDRESS = "http://127.0.0.1:8080"
NAMES = {letter: f"i{number:05d}" for number, letter in enumerate("abcde", 5)}


def block(language: str, word: str) -> str:
    """The first example in a language that holds a word."""
    found = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return next(each for each in found if word in each)


def named(made: BundleContent) -> BundleContent:
    """The same with the ids of the document."""

    def renamed(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col("^(item|neighbour)_id$").replace(NAMES))

    frames = {name: renamed(getattr(made, name)) for name in ("lists", "ranked", "consumed", "items", "neighbours")}
    fallbacks = {name: [NAMES[item] for item in items] for name, items in made.fallbacks.items()}
    return replace(made, **frames, fallbacks=fallbacks, vector_ids=list(NAMES.values()))


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The address of a server of a home that knows who the document speaks of."""
    served = Served(folder, named(content({"u00042": "abc", "u1": "cab"}, {})))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        protocol = bounded_protocol(10.0, served.application.door.at_once)
        config = uvicorn.Config(served.application, http=protocol, lifespan="on", log_config=None)
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()
        try:
            while not running.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            running.should_exit = True
            thread.join()


def sent(line: str) -> tuple[str, str, dict[str, Any]]:
    """Method, address and the rest of what a curl line sends."""
    words, method, headers, body = iter(shlex.split(line)[1:]), "", dict[str, str](), None
    address = ""
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(":")
                headers[name] = value.strip()
            case "-d":
                body = next(words)
            case _:
                address = word
    return method or ("GET" if body is None else "POST"), address, {"headers": headers, "content": body}


def test_every_example_of_the_document_is_answered(tmp_path: Path, capsys) -> None:
    lines = block("sh", "curl").splitlines()
    with server(tmp_path) as address, httpx.Client(base_url=address) as client:
        exec(compile(block("python", "Client").replace(ADDRESS, address), "docs/serving.md", "exec"), {})  # noqa: S102
        (shown,) = capsys.readouterr().out.splitlines()
        assert shown.startswith("['i0000")
        answers = list[tuple[str, int]]()
        for line in lines:
            assert ADDRESS in line
            method, target, more = sent(line.replace(ADDRESS, address))
            answers.append((method, client.request(method, target, **more).status_code))
        assert answers == [("GET", 200), ("POST", 202), ("GET", 200), ("GET", 200), ("DELETE", 202)]
