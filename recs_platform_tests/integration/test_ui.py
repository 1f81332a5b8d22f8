"""`recs ui`: one UI and one daemon a home, told at once what keeps it from starting; no newsletter window in it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from recs_platform.contracts.home import Home, Lock
from recs_platform.defs.instance import open_instance, write_instance_settings
from recs_platform.lake.locks import holder
from recs_platform_tests.homes import CommandLine, platform_at
from recs_platform_tests.integration.test_cli import COULD_NOT, _one_line

HELD_BY_A_CHILD = """
import subprocess, sys
from recs_platform.contracts.home import Lock
from recs_platform.lake.locks import at_work, exclusive
from recs_platform.settings import read_settings

with at_work("recs ui"), exclusive(read_settings().paths.lock(Lock.UI)) as lock:
    with subprocess.Popen(["sleep", "60"], pass_fds=[lock]):
        print("child started", file=sys.stderr, flush=True)
"""
ASKED = "{ shouldShowNux workspaceOrError { ... on Workspace { locationEntries { name } } } }"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _ui(home: Home, port: int) -> "AbstractContextManager[subprocess.Popen[str]]":
    return _process(home, "-c", "from recs_platform.cli import main; main()", "ui", "--port", str(port))


@contextmanager
def _process(home: Home, *arguments: str) -> "Generator[subprocess.Popen[str]]":
    """Python with the arguments; at the end all that it started is killed."""
    # As a shell without job control starts what stands before `&`.
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, *arguments]
    process = subprocess.Popen(
        ignoring,
        env={**os.environ, "RECS_HOME": str(home.root)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _wait_until_said(process: "subprocess.Popen[str]", words: str) -> None:
    assert process.stderr is not None
    assert words in process.stderr.readline()


def _holders(lock: Path) -> set[str]:
    """Processes that have the file open."""
    found: set[str] = set()
    for held in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if held.readlink() == lock:
                found.add(held.parts[2])
    return found


def _end(process: "subprocess.Popen[str]", name: signal.Signals, home: Home) -> None:
    """Send the signal twice, as impatient people do."""
    for _ in range(2):
        process.send_signal(name)
    process.wait(timeout=30)
    assert holder(home.lock(Lock.UI)) is None


def _answer(port: int) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", json.dumps({"query": ASKED}).encode(), {"content-type": "application/json"}
    )
    end = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.load(answer)["data"]
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.2)


def test_a_taken_port_is_said_at_once_and_starts_nothing(recs: CommandLine, tmp_path: Path, taken: int) -> None:
    code, out, err = recs(tmp_path / "home", "ui", "--port", str(taken))
    assert (code, out) == (COULD_NOT, "")
    assert f"port {taken} on 127.0.0.1" in _one_line(err)
    assert f"recs ui --port {taken + 1}" in err
    # Opening the instance is what takes seconds.
    assert not (tmp_path / "home" / "dagster").exists()
    assert holder(tmp_path / "home" / "locks" / "ui") is None


def test_a_home_has_one_ui_and_one_daemon_and_a_signal_ends_all_that_it_started(
    recs: CommandLine, tmp_path: Path
) -> None:
    home, port = platform_at(tmp_path / "home").home, _free_port()
    with _ui(home, port) as process:
        answer = _answer(port)
        assert answer["shouldShowNux"] is False
        names = [entry["name"] for entry in answer["workspaceOrError"]["locationEntries"]]
        assert names == ["recs_platform.definitions"]
        code, _, err = recs(home.root, "ui", "--port", str(_free_port()))
        assert code == COULD_NOT
        assert f"process {process.pid} (recs ui on http://127.0.0.1:{port})" in _one_line(err)
        assert len(_holders(home.lock(Lock.UI))) > 2, "the webserver and the daemon hold it too"
        _end(process, signal.SIGINT, home)
        said = process.communicate(timeout=30)[1]
    assert "superseded" not in said
    assert "Traceback" not in said


def test_a_ui_that_starts_is_ended_by_a_signal(tmp_path: Path) -> None:
    home = platform_at(tmp_path / "home").home
    with _ui(home, _free_port()) as process:
        _wait_until_said(process, "opens on")
        _end(process, signal.SIGTERM, home)


def test_what_a_killed_ui_left_running_is_named(recs: CommandLine, tmp_path: Path) -> None:
    home = platform_at(tmp_path / "home").home
    with _process(home, "-c", HELD_BY_A_CHILD) as process:
        _wait_until_said(process, "child started")
        process.kill()
        process.wait()
        code, _, err = recs(home.root, "ui", "--port", str(_free_port()))
        assert code == COULD_NOT
        assert "killed" in _one_line(err)


def test_a_home_of_before_shows_no_newsletter_window_either(tmp_path: Path) -> None:
    home = platform_at(tmp_path / "home").home
    path = write_instance_settings(home)
    path.write_text(path.read_text().replace("nux:\n  enabled: false\n", ""))
    with open_instance(home):
        assert (home.dagster / ".nux" / "nux.yaml").exists()
