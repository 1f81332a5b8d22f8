"""Stored lists on a connection: answered before a task is made where they can be, as the application does else."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from recs_platform.lake.forget_requests import add_request
from recs_platform.serving.keys import Scope, create_api_key
from recs_platform.serving.protocol import AT_ONCE_MAX
from recs_platform_tests.serving.served import Ask, Served
from recs_platform_tests.serving.wires import LIST, Connection, parts, request


def run(served: Served, test: Callable[[Connection], Awaitable[None]]) -> None:
    async def inside(_: Ask) -> None:
        connection = Connection(served)
        try:
            await test(connection)
        finally:
            connection.close()

    served.run(inside)


def test_the_shorter_way_says_what_the_longer_one_says(tmp_path: Path) -> None:
    async def test(connection: Connection) -> None:
        for path in (LIST, f"{LIST}?k=1", f"{LIST}?k=1&device=mobile", LIST.replace("u1", "%75%31")):
            at_once, later = await connection.send(request(path))
            assert later == b""
            # A body that may come is none of the shorter way's business.
            nothing, whole = await connection.send(request(path, "Content-Length: 0"))
            assert nothing == b""
            quick, slow = parts(at_once), parts(whole)
            assert quick[0] == slow[0] == "HTTP/1.1 200 OK"
            own = ("request_id", "recommendation_id", "expires_at", "next_cursor")
            assert {k: v for k, v in quick[2].items() if k not in own} == {
                k: v for k, v in slow[2].items() if k not in own
            }
            assert set(quick[1]) == set(slow[1])
            assert quick[1]["x-request-id"] == quick[2]["request_id"]
            same = set(quick[1]) - {"x-request-id", "content-length"}
            assert {k: quick[1][k] for k in same} == {k: slow[1][k] for k in same}

    run(Served(tmp_path), test)


def test_what_is_not_simple_goes_the_longer_way(tmp_path: Path) -> None:
    served = Served(tmp_path, cors_origins=("https://shop.example",))

    async def test(connection: Connection) -> None:
        for sent, status in (
            (request(f"{LIST}?k=0"), 422),
            (request(f"{LIST}?x=1"), 422),
            (request(f"{LIST}?explain=true"), 200),
            (request(LIST.replace("u1", "nobody")), 200),
            (request(LIST, "Origin: https://shop.example"), 200),
            (request(LIST, "Expect: 100-continue"), 200),
            (request("/healthz"), 200),
            (request(method="POST", path=LIST), 405),
        ):
            at_once, later = await connection.send(sent)
            assert at_once == b"", sent
            assert later.startswith(b"HTTP/1.1 %d" % status), sent
        assert not connection.wire.is_closed
        assert (await connection.send(request()))[0].startswith(b"HTTP/1.1 200")
        add_request(served.home, "u1")
        served.application._look()
        await served.application._look_beside()
        assert (await connection.send(request()))[0] == b""
        at_once, later = await connection.send(request(LIST.replace("u1", "u2"), "Connection: close"))
        assert (at_once, later[:12], connection.wire.is_closed) == (b"", b"HTTP/1.1 200", True)

    run(served, test)


def test_requests_that_come_together_are_answered_in_their_order(tmp_path: Path) -> None:
    async def test(connection: Connection) -> None:
        paths = [LIST, "/healthz", LIST.replace("u1", "u2"), *[LIST] * (2 * AT_ONCE_MAX)]
        at_once, later = await connection.send("".join(request(path) for path in paths))
        assert at_once.count(b"HTTP/1.1 200") == 1
        bodies = (at_once + later).split(b"HTTP/1.1 200 OK")[1:]
        assert [b'"user_id":"u2"' in body for body in bodies] == [path != LIST and "u2" in path for path in paths]
        assert b"user_id" not in bodies[1]
        at_once, later = await connection.send(request() * (2 * AT_ONCE_MAX))
        assert at_once.count(b"HTTP/1.1 200") == AT_ONCE_MAX
        assert later.count(b"HTTP/1.1 200") == AT_ONCE_MAX

    run(Served(tmp_path), test)


def test_each_request_is_counted_once_whichever_way_it_goes(tmp_path: Path) -> None:
    served = Served(tmp_path, rate_per_second=0.5, rate_burst=4)

    async def test(connection: Connection) -> None:
        answers = [
            (await connection.send(request(path)))
            for path in (LIST, f"{LIST}?explain=true", LIST, f"{LIST}?k=0", LIST, LIST)
        ]
        statuses = [int((at_once + later)[9:12]) for at_once, later in answers]
        assert statuses == [200, 200, 200, 422, 429, 429]
        text = served.application.metrics_text()
        assert 'recs_requests_total{endpoint="/v1/users/{user_id}/recommendations",status="200"} 3' in text
        assert 'recs_requests_total{endpoint="/v1/users/{user_id}/recommendations",status="429"} 2' in text

    run(served, test)


def test_the_shorter_way_asks_for_a_key_too(tmp_path: Path) -> None:
    served = Served(tmp_path, needs_keys=True)
    reading, writing = (create_api_key(served.home, "shop", [scope])[1] for scope in (Scope.READ, Scope.WRITE))
    served.restart()

    async def test(connection: Connection) -> None:
        assert (await connection.send(request(LIST, f"Authorization: Bearer {reading}")))[0] != b""
        for header, status in (
            (f"Authorization: Bearer {writing}", 403),
            ("Authorization: Bearer x", 401),
            ("X: x", 401),
        ):
            at_once, later = await connection.send(request(LIST, header))
            assert (at_once, later[9:12]) == (b"", str(status).encode())

    run(served, test)


def test_a_head_that_dawdles_after_an_answer_has_no_longer_than_the_first(tmp_path: Path) -> None:
    async def test(connection: Connection) -> None:
        await connection.send(request())
        assert connection.protocol.deadline is None  # nothing has begun: the connection may wait
        await connection.send(request() + "GET /heal")
        assert connection.protocol.deadline is not None
        await connection.send("thz HTTP/1.1\nHost: x\n\n")
        assert connection.protocol.deadline is None
        await connection.send("\n")
        assert connection.protocol.deadline is not None

    run(Served(tmp_path), test)
