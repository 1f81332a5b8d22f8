"""The client against the running application in one process, and against servers that fail."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from recs_platform.client import AsyncClient, Client, Event, Problem, Unreachable
from recs_platform.client.calls import events_call
from recs_platform.client.clients import Retries
from recs_platform_tests.serving.served import Served

QUICK = Retries(attempts=3, pause_max=0.001)


def use(served: Served, test: Callable[[AsyncClient], Awaitable[None]]) -> None:
    """Run `test` with a client of the running application."""

    async def inside() -> None:
        transport = httpx.ASGITransport(served.application)
        async with (
            served.application.running(),
            AsyncClient("http://recs", transport=transport, retries=QUICK) as client,
        ):
            await test(client)

    asyncio.run(inside())


def test_a_list_its_pages_and_what_was_seen_of_it(tmp_path: Path) -> None:
    served = Served(tmp_path)

    async def test(client: AsyncClient) -> None:
        first = await client.recommendations("u1", k=2, session_id="s", exclude=["zz"])
        assert first.release_id == (await client.release()).release_id == served.release_id
        assert [item.rank for item in first.items] == [1, 2]
        assert first.next_cursor is not None
        second = await client.recommendations("u1", cursor=first.next_cursor, k=2)
        assert not {item.item_id for item in first.items} & {item.item_id for item in second.items}
        seen = await client.saw(first)
        assert seen.accepted == len(first.items) + len(second.items)
        assert (await client.saw(first)).accepted == 0
        clicked = await client.report(Event(user_id="u1", item_id=first.items[0].item_id, event_type="click"))
        assert (clicked.accepted, clicked.errors) == (1, [])
        after = await client.recommendations("u1")
        assert first.items[0].item_id not in {item.item_id for item in after.items}

    use(served, test)


def test_neighbours_popular_items_and_strangers(tmp_path: Path) -> None:
    async def test(client: AsyncClient) -> None:
        popular = await client.popular(k=3)
        assert len(popular.items) == 3
        found = await client.similar(popular.items[0].item_id, k=2)
        assert found.item_id == popular.items[0].item_id
        await client.forget("u1")
        with pytest.raises(Problem) as raised:
            await client.similar("no/such item?")
        assert (raised.value.status, raised.value.code) == (404, "unknown_item")
        with pytest.raises(Problem) as raised:
            await client.recommendations("u1", k=0)
        assert raised.value.more["parameter"] == "k"

    use(Served(tmp_path), test)


def answering(*answers: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    """A server that gives these answers in turn, and what it was asked."""
    asked: list[httpx.Request] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return httpx.MockTransport(answer), asked


TAKEN = httpx.Response(202, json={"accepted": 1, "duplicates": 0, "event_ids": ["e"], "errors": []})


@pytest.mark.parametrize(
    "first",
    [
        httpx.Response(503, json={"code": "overloaded", "detail": "wait"}, headers={"Retry-After": "0"}),
        httpx.Response(429, json={"code": "rate_limited", "detail": "wait"}, headers={"Retry-After": "0"}),
        httpx.ReadTimeout(""),
    ],
)
def test_the_same_events_are_sent_again_under_the_same_ids(first: httpx.Response | Exception) -> None:
    transport, asked = answering(first, TAKEN)
    with Client(transport=transport, retries=Retries(pause_max=0.2), key="k") as client:
        assert client.report(Event(user_id="u", item_id="i", event_type="click")).accepted == 1
    assert asked[0].content == asked[1].content
    assert b'"event_id":"' in asked[0].content
    assert {request.headers["Authorization"] for request in asked} == {"Bearer k"}


def test_what_cannot_help_is_not_tried_again() -> None:
    refused = httpx.Response(422, json={"code": "invalid_id", "detail": "no"})
    late = httpx.Response(503, json={"code": "not_ready", "detail": "no"}, headers={"Retry-After": "60"})
    for answer, code in ((refused, "invalid_id"), (late, "not_ready")):
        transport, asked = answering(answer)
        with Client(transport=transport) as client, pytest.raises(Problem) as raised:
            client.popular()
        assert (raised.value.code, len(asked)) == (code, 1)


def test_a_server_that_stays_away_is_given_up() -> None:
    transport, asked = answering(*[httpx.ConnectError("nobody listens")] * 3)
    with (
        Client(transport=transport, retries=Retries(pause_max=0.3)) as client,
        pytest.raises(Unreachable, match="nobody"),
    ):
        client.release()
    assert len(asked) == 3


def test_an_answer_of_something_between_is_a_problem_too() -> None:
    transport, _ = answering(httpx.Response(502, text="<html>bad gateway</html>"))
    with Client(transport=transport) as client, pytest.raises(Problem, match="unexpected: an answer of status 502"):
        client.release()


def test_impressions_of_a_list_are_named_by_the_server() -> None:
    shown = Event(user_id="u", event_type="impression", request_id="r")
    (sent,) = msgspec.json.decode(events_call([shown]).body or b"", type=list[Event])
    assert sent.event_id is None


def test_both_clients_have_the_same_methods() -> None:
    def methods(client: type) -> dict[str, list[str]]:
        named = {name: member for name, member in vars(client).items() if not name.startswith("__")}
        return {name: list(inspect.signature(member).parameters) for name, member in named.items()}

    assert methods(Client) == methods(AsyncClient)
