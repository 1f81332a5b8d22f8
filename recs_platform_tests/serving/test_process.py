"""One real server: it answers, closes on who dawdles, and stops in time with everything in landing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from recs_platform.cli.house import make_home
from recs_platform.contracts.home import Home
from recs_platform_tests.serving.served import release_into
from recs_platform_tests.unit.stages.releases.bundles import content

EVENT = {"user_id": "u1", "item_id": "d", "event_type": "click", "event_id": "e1"}


def test_a_server_process(tmp_path: Path):
    home = Home(tmp_path)
    make_home(home)
    release_into(home, content())
    port = _free_port()
    environment = {**os.environ, "RECS_HOME": str(tmp_path), "RECS_SERVING__REQUEST_SECONDS_MAX": "0.5"}
    command = [sys.executable, "-c", "from recs_platform.cli import main; main()", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as server:
        try:
            with closing(_connected(port)) as connection:
                connection.request("GET", "/v1/users/u1/recommendations")
                assert [item["item_id"] for item in json.load(connection.getresponse())["items"]] == ["a", "b"]
            with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
                slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
                assert slow.recv(100) == b""
            with socket.create_connection(("127.0.0.1", port), timeout=10) as long:
                long.sendall(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 40_000)
                assert long.recv(100).startswith(b"HTTP/1.1 400")
            with closing(_connected(port)) as connection:
                connection.request("POST", "/v1/events", json.dumps(EVENT))
                assert connection.getresponse().status == 202
        finally:
            server.send_signal(signal.SIGTERM)
            _, said = server.communicate(timeout=10)
    assert server.returncode in (0, -signal.SIGTERM), said.decode()
    assert "u1" not in said.decode()
    landed = list((home.landing / "http").iterdir())
    assert [json.loads(path.read_text())["event_id"] for path in landed] == ["e1"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _connected(port: int) -> HTTPConnection:
    for _ in range(400):
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.connect()
        except OSError:
            connection.close()
            time.sleep(0.05)
        else:
            return connection
    raise AssertionError("the server did not start")
