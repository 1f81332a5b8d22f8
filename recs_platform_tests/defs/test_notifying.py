"""A failed run is told of, and a webhook that hangs or is gone holds nobody up."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest
from pydantic import ValidationError

from recs_platform.contracts.setting_groups import NotifySettings
from recs_platform.defs.logs import LOG_FILE
from recs_platform.defs.notifying import failure_sensor, notify
from recs_platform.pipeline.current import CurrentPlatform
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.homes import platform_at


@dg.op
def fail() -> None:
    raise RuntimeError("no disk")


@dg.job
def failing() -> None:
    fail()


@dg.job
def forget_user() -> None:
    fail()


@pytest.fixture
def told() -> Iterator[tuple[str, list[bytes]]]:
    """A webhook, and what it was told."""
    bodies: list[bytes] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Webhook) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()
        thread.join()


def notifying(folder: Path, url: str | None, timeout: float = 5.0) -> Platform:
    return platform_at(folder, notify=NotifySettings(webhook_url=url, timeout_seconds=timeout))


def fail_and_tell(job: dg.JobDefinition, platform: Platform) -> str:
    """Run what fails, and the sensor on it; the id of the run."""
    instance = dg.DagsterInstance.ephemeral()
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    event = result.get_run_failure_event()
    context = dg.build_run_status_sensor_context("failure_sensor", event, instance, result.dagster_run)
    failure_sensor(CurrentPlatform(platform))(context.for_run_failure())
    return result.run_id


def test_a_failed_run_is_in_the_log_and_told_to_the_webhook(tmp_path: Path, told: tuple[str, list[bytes]]) -> None:
    url, bodies = told
    platform = notifying(tmp_path, url)
    run_id = fail_and_tell(failing, platform)
    (body,) = bodies
    text = json.loads(body)["text"]
    assert text == f"run {run_id[:8]} of failing failed: fail: no disk"
    (line,) = (platform.home.logs / LOG_FILE).read_text().splitlines()
    assert json.loads(line) == {**json.loads(line), "level": "ERROR", "message": text}


def test_of_a_run_that_forgets_somebody_no_error_is_told(tmp_path: Path) -> None:
    platform = notifying(tmp_path, None)
    fail_and_tell(forget_user, platform)
    text = (platform.home.logs / LOG_FILE).read_text()
    assert "of forget_user failed" in text
    assert "no disk" not in text


def test_without_a_webhook_nothing_is_sent(tmp_path: Path) -> None:
    assert notify(notifying(tmp_path, None), "lost") is None


def test_a_webhook_that_hangs_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fault = notify(notifying(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", 0.1), "lost")
    assert fault is not None
    assert "timed out" in fault


def test_a_webhook_that_answers_a_byte_at_a_time_is_given_up_too(tmp_path: Path) -> None:
    over = threading.Event()

    def trickle(server: socket.socket) -> None:
        with server.accept()[0] as connection, suppress(OSError):
            while not over.wait(0.02):
                connection.sendall(b"H")  # each within the timeout, and no end to them

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle, args=(server,))
        thread.start()
        started = time.monotonic()
        fault = notify(notifying(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}", 0.2), "lost")
        took = time.monotonic() - started
        over.set()
        thread.join()
    assert "timed out" in str(fault)
    assert took < 2.0


def test_a_webhook_that_is_gone_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert "refused" in str(notify(notifying(tmp_path, f"http://127.0.0.1:{port}"), "lost"))


def test_only_the_web_is_told() -> None:
    with pytest.raises(ValidationError, match="webhook_url"):
        NotifySettings(webhook_url="file:///etc/passwd")
