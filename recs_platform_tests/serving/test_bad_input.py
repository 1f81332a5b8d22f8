"""What would wear a server out: crowds, endless bodies, disks that are full, clocks that jump, a second server."""

import asyncio
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from uvicorn.server import ServerState

from recs_platform.contracts.home import Home
from recs_platform.lake import forget_requests
from recs_platform.serving import server, spool_file
from recs_platform.serving.asgi import Message, read_body
from recs_platform.serving.problems import Problem
from recs_platform.serving.spool_file import SpoolFile
from recs_platform_tests.serving.served import Ask, Served, item_ids
from recs_platform_tests.serving.wires import LIST, Connection, parts, request

DAYS = 400


def full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_crowd_is_told_to_come_again_and_twice_as_many_are_not_let_in(tmp_path: Path) -> None:
    served, state = Served(tmp_path), ServerState()

    def connect() -> Connection:
        return Connection(served, state=state, connections_max=2)

    async def test(_: Ask) -> None:
        first, second = connect(), connect()
        assert parts((await first.send(request()))[0])[0] == "HTTP/1.1 200 OK"
        third = connect()
        for path in (LIST, "/v1/popular"):
            at_once, later = await third.send(request(path))
            status, headers, document = parts(later)
            assert (at_once, status.split()[1], document["code"]) == (b"", "503", "overloaded")
            assert (headers["connection"], headers["retry-after"]) == ("close", "1")
            assert third.wire.is_closed
            third = connect()
        assert b"200 OK" in b"".join(await third.send(request("/healthz")))  # whoever watches is told all the same
        connect()
        assert connect().wire.is_closed
        for connection in list(state.connections):
            if connection not in (first.protocol, second.protocol):
                connection.connection_lost(None)
        assert parts((await second.send(request()))[0])[0] == "HTTP/1.1 200 OK"
        counted = await second.send(request("/metrics"))
        assert b'endpoint="/v1/popular",status="503"} 1' in b"".join(counted)
        first.close()
        second.close()

    served.run(test)


@pytest.mark.parametrize(
    ("allowed", "most", "asked", "left"),
    [(1_024, 20_000, 4_500, 2_000), (1_024, 1_024, 1_024, 262), (9_000, 9_000, None, 2_000), (300, 300, 300, 1)],
)
def test_as_many_connections_are_open_as_the_system_has_files(
    monkeypatch: pytest.MonkeyPatch, allowed: int, most: int, asked: int | None, left: int
) -> None:
    said = list[int]()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, most))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: said.append(limits[0]))
    assert server.connections_max_of_process() == left
    assert said == ([] if asked is None else [asked])


def test_a_body_without_an_end_is_not_read_to_it(tmp_path: Path) -> None:
    served = Served(tmp_path, body_bytes_max=5_000)

    async def test(_: Ask) -> None:
        for head in ("Content-Length: 100000000", "Transfer-Encoding: chunked"):
            connection = Connection(served)
            sent = request("/v1/events", "Content-Type: application/json", head, method="POST")
            answers = [await connection.send(sent)]
            while not connection.wire.is_closed and len(answers) < 10:
                answers.append(await connection.send("400\n" + "x" * 0x400 + "\n"))
            status, headers, document = parts(b"".join(late for _, late in answers))
            assert (status.split()[1], document["code"], headers["connection"]) == ("413", "body_too_large", "close")
            assert len(answers) < 10
            assert connection.wire.is_closed
            connection.close()

    served.run(test)


def test_a_body_that_never_comes_is_not_waited_for() -> None:
    async def nothing() -> Message:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(Problem) as raised:
        asyncio.run(read_body({"headers": []}, nothing, bytes_max=10, seconds_max=0.0))
    assert raised.value.code == "request_timeout"


def test_a_full_disk_forgets_nobody_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served(tmp_path)

    async def test(ask: Ask) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(forget_requests.os, "fsync", full)
            refused = await ask("DELETE", "/v1/users/u2")
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
        assert "No space left" in refused.json()["detail"]
        assert item_ids(await ask("GET", "/v1/users/u2/recommendations")) == "bc"
        assert not list((served.home.forgets / "requests").iterdir())
        assert (await ask("DELETE", "/v1/users/u2")).status_code == 202
        assert item_ids(await ask("GET", "/v1/users/u2/recommendations")) == "ab"

    served.run(test)


def test_a_disk_that_refuses_for_long_costs_no_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr(spool_file, "flush", full)
        for _ in range(5):
            with pytest.raises(OSError, match="No space"):
                SpoolFile(tmp_path / "spool", tmp_path / "landing")
    assert open_files() == before
    assert not list((tmp_path / "spool").iterdir())


@pytest.mark.parametrize("days", [-DAYS, DAYS])
def test_a_clock_that_jumps_ends_no_session_and_brings_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    served, jumped = Served(tmp_path, rate_burst=20), datetime.now(UTC) + timedelta(days=days)

    class Jumped:
        @staticmethod
        def now(_: Any) -> datetime:
            return jumped

    async def test(ask: Ask) -> None:
        page = (await ask("GET", LIST, params={"k": 1})).json()
        seen = {"user_id": "u1", "item_id": "b", "event_type": "click", "session_id": "visit"}
        assert (await ask("POST", "/v1/events", json=seen)).status_code == 202
        for module in ("events", "state", "status", "application"):
            monkeypatch.setattr(f"recs_platform.serving.{module}.datetime", Jumped)
        monkeypatch.setattr("recs_platform.serving.events.time.time", jumped.timestamp)
        next_page = await ask("GET", LIST, params={"cursor": page["next_cursor"], "k": 1})
        assert item_ids(next_page) == "b"  # of the list as it was
        assert "b" not in item_ids(await ask("GET", LIST, params={"k": 9}))
        gone = {"user_id": "u2", "item_id": "b", "event_type": "dismiss"}
        assert (await ask("POST", "/v1/events", json=gone)).status_code == 202
        served.clock.now += 3 * 3600  # the session is over: the dismissal alone keeps it away
        assert item_ids(await ask("GET", "/v1/users/u2/recommendations", params={"k": 9})) == "cdea"
        assert (await ask("GET", "/readyz")).status_code == 200
        assert (await ask("GET", "/metrics")).status_code == 200

    served.run(test)


def test_two_servers_on_one_home_take_in_what_each_is_told_and_forget_together(tmp_path: Path) -> None:
    served = Served(tmp_path)
    one = served.application
    served.restart()
    two, event = served.application, {"user_id": "u1", "event_type": "click"}

    async def test(ask: Ask) -> None:
        assert (await ask("POST", "/v1/events", json=event | {"item_id": "d", "event_id": "of two"})).status_code == 202
        served.application = one
        await asyncio.to_thread(served.run, told)
        assert item_ids(await ask("GET", "/v1/users/u2/recommendations")) == "bc"
        two._look()
        await two._look_beside()
        assert item_ids(await ask("GET", "/v1/users/u2/recommendations")) == "ab"

    async def told(ask: Ask) -> None:
        assert (await ask("POST", "/v1/events", json=event | {"item_id": "e", "event_id": "of one"})).status_code == 202
        assert (await ask("DELETE", "/v1/users/u2")).status_code == 202

    served.run(test)
    landed = served.landed()
    assert landed.count('"of one"') == landed.count('"of two"') == 1
    assert not list(Home(tmp_path).spool.rglob("*.jsonl"))
