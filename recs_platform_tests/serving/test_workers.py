"""Several processes on one port: they serve as one, a dead one is replaced, and all stop with everything in landing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from recs_platform.cli.house import make_home
from recs_platform.contracts.errors import RecsError, UsageError
from recs_platform.contracts.home import Home
from recs_platform.serving.workers import Supervisor, require_shareable
from recs_platform.settings import Settings
from recs_platform_tests.serving.served import release_into
from recs_platform_tests.serving.valkeys import valkey
from recs_platform_tests.unit.stages.releases.bundles import content

LIST = "/v1/users/u2/recommendations?k=9&session_id=visit"


def test_two_workers_serve_as_one_and_a_killed_one_is_replaced(tmp_path: Path) -> None:
    home = Home(tmp_path)
    make_home(home)
    release_into(home, content())
    port = _free_port()
    with valkey() as store:
        environment = {
            **os.environ,
            "RECS_HOME": str(tmp_path),
            "RECS_SERVING__REDIS_URL": store.url,
            "RECS_SERVING__REDIS_SECONDS_MAX": "10",
        }
        arguments = ["serve", "--port", str(port), "--workers", "2"]
        command = [sys.executable, "-c", "from recs_platform.cli import main; main()", *arguments]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as server:
            try:
                _until(lambda: len(_workers(server.pid)) == 2)
                event = {"user_id": "u2", "item_id": "b", "event_type": "click", "session_id": "visit"}
                assert _ask(port, "POST", "/v1/events", json.dumps(event | {"event_id": "e1"}))[0] == 202
                for _ in range(6):  # whoever is asked
                    assert "b" not in [item["item_id"] for item in _ask(port, "GET", LIST)[1]["items"]]
                os.kill(_workers(server.pid)[0], signal.SIGKILL)
                for n in range(20):
                    assert _ask(port, "POST", "/v1/events", json.dumps(event | {"event_id": f"f{n}"}))[0] == 202
            finally:
                server.send_signal(signal.SIGTERM)
                _, said = server.communicate(timeout=20)
    assert server.returncode in (0, -signal.SIGTERM), said.decode()
    assert "u2" not in said.decode()
    landed = [json.loads(line) for path in _files(home) for line in path.read_text().splitlines()]
    assert {row["event_id"] for row in landed} == {"e1", *(f"f{n}" for n in range(20))}


def test_settings_that_keep_processes_from_serving_as_one_are_refused() -> None:
    with pytest.raises(UsageError, match=r"set serving\.redis_url"):
        require_shareable(Settings())
    with pytest.raises(UsageError, match=r"set canary\.share = 0"):
        require_shareable(Settings(serving={"redis_url": "redis://x"}, canary={"share": 0.1}))
    with pytest.raises(UsageError, match=r"set serving\.demo = false"):
        require_shareable(Settings(serving={"redis_url": "redis://x", "demo": True}))


def test_workers_that_die_at_once_end_the_server() -> None:
    class Dead:
        sentinel, pid, exitcode = 0, 1, 3

        def is_alive(self) -> bool:
            return False

    with socket.socket() as unused:
        supervisor = Supervisor(lambda *_: None, "", unused, 5)
        supervisor._workers = [(Dead(), time.monotonic()) for _ in range(5)]
        with pytest.raises(RecsError, match="5 workers ended as soon as they had started"):
            supervisor._collect()


def _workers(parent: int) -> list[int]:
    """Children that serve; the one that tracks what they share is none."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _files(home: Home) -> list[Path]:
    """What went to landing, and what the killed worker left in its spool for the next start."""
    return [*(home.landing / "http").glob("*"), *home.spool.glob("*/*")]


def _ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """A connection a request: a killed worker's are gone, and the next one goes to another."""
    found: list[tuple[int, dict[str, list[dict[str, str]]]]] = []

    def ask() -> bool:
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            try:
                connection.request(method, path, body)
                answer = connection.getresponse()
                found.append((answer.status, json.load(answer)))
            except (OSError, ValueError, EOFError):
                return False
            return True

    _until(ask)
    return found[-1]


def _until(is_so: Callable[[], bool]) -> None:
    for _ in range(400):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
