"""Two server processes of one home serve as one through a real Valkey, and go on without it when it is gone."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import httpx
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.serving.application import Application
from recs_platform.serving.wire import Store
from recs_platform.stages.events.forgotten import add_tombstones
from recs_platform_tests.serving.served import Ask, Served, item_ids
from recs_platform_tests.serving.valkeys import Valkey, valkey
from recs_platform_tests.unit.stages.releases.bundles import AS_OF

LIST = "/v1/users/{}/recommendations"
PATIENT = 10.0  # a busy machine is no slow store
Two = Callable[[Ask, Ask, list[Application]], Awaitable[None]]


@pytest.fixture(scope="module")
def store() -> Iterator[Valkey]:
    with valkey() as server:
        yield server


def run_two(served: Served, test: Two) -> None:
    """Run `test` with two applications of one home, as two workers are."""

    async def inside() -> None:
        async with AsyncExitStack() as stack:
            asks, applications = list[Ask](), list[Application]()
            for _ in range(2):
                served.restart()
                await stack.enter_async_context(served.application.running())
                transport = httpx.ASGITransport(served.application)
                client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://recs"))
                asks.append(client.request)
                applications.append(served.application)
            await test(asks[0], asks[1], applications)

    asyncio.run(inside())


def event(user: str, item: str, kind: str = "click", **more: str) -> dict[str, str]:
    return {"user_id": user, "item_id": item, "event_type": kind, "session_id": "visit", **more}


def test_what_one_process_is_told_the_other_knows(tmp_path: Path, store: Valkey) -> None:
    served = Served(tmp_path, redis_url=store.url, redis_seconds_max=PATIENT)

    async def test(one: Ask, two: Ask, _: list[Application]) -> None:
        assert item_ids(await two("GET", LIST.format("u2"))) == "bc"
        assert (await one("POST", "/v1/events", json=event("u2", "b"))).status_code == 202
        followed = (await two("GET", LIST.format("u2"), params={"session_id": "visit"})).json()["items"]
        assert "b" not in [item["item_id"] for item in followed]
        assert followed[0]["reason"] == "after 'Title b' in this session"
        assert (await two("POST", "/v1/events", json=event("u2", "c", "dismiss"))).status_code == 202
        left = (await one("GET", LIST.format("u2"), params={"k": 9})).json()["items"]
        assert not {"b", "c"} & {item["item_id"] for item in left}

    run_two(served, test)


def test_pages_and_impressions_go_on_in_another_process(tmp_path: Path, store: Valkey) -> None:
    served = Served(tmp_path, redis_url=store.url, redis_seconds_max=PATIENT)

    async def test(one: Ask, two: Ask, _: list[Application]) -> None:
        first = (await one("GET", LIST.format("u2"), params={"k": 1, "exclude": "d"})).json()
        pages = [first]
        for ask in (two, one, two):
            cursor = pages[-1]["next_cursor"]
            if cursor is not None:
                pages.append((await ask("GET", LIST.format("u2"), params={"cursor": cursor, "k": 1})).json())
        shown = [item["item_id"] for page in pages for item in page["items"]]
        assert shown == list("bcea")
        assert [item["rank"] for page in pages for item in page["items"]] == [1, 2, 3, 4]
        seen = {"user_id": "u2", "event_type": "impression", "request_id": first["recommendation_id"]}
        for ask in (one, two):
            assert (await ask("POST", "/v1/events", json=seen)).status_code == 202
        stranger = await two("POST", "/v1/events", json=seen | {"user_id": "u1"})
        assert stranger.json()["errors"][0]["code"] == "unknown_recommendation"
        cursor = first["next_cursor"]
        assert (await two("GET", LIST.format("u1"), params={"cursor": cursor})).json()["code"] in (
            "invalid_parameter",
            "cursor_expired",
        )

    run_two(served, test)
    rows = {json.loads(line)["event_id"]: json.loads(line) for line in served.landed().splitlines()}
    assert sorted(row["item_id"] for row in rows.values()) == list("abce")


def test_a_key_has_one_rate_and_the_store_holds_no_id_of_a_user(tmp_path: Path, store: Valkey) -> None:
    store.ask(b"FLUSHALL\r\n")
    served = Served(tmp_path, redis_url=store.url, redis_seconds_max=PATIENT, rate_per_second=0.001, rate_burst=3)

    async def test(one: Ask, two: Ask, _: list[Application]) -> None:
        answers = [await ask("GET", LIST.format("u2")) for ask in (one, two, one, two, one)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert int(answers[-1].headers["retry-after"]) > 900

    run_two(served, test)
    names = store.ask(b"KEYS *\r\n")
    assert b"recs:" in names
    assert b"u2" not in names
    for name in names.split(b"\r\n"):
        if b":list:" in name:
            assert b"u2" not in store.ask(b"GET " + name + b"\r\n")


def test_without_the_store_each_serves_from_its_own_memory_and_says_so(tmp_path: Path) -> None:
    with valkey() as store:
        served = Served(tmp_path, redis_url=store.url, redis_seconds_max=0.5)

        async def test(one: Ask, two: Ask, applications: list[Application]) -> None:
            assert (await one("POST", "/v1/events", json=event("u2", "b"))).status_code == 202
            assert item_ids(await two("GET", LIST.format("u2"), params={"k": 9})) == "cdea"
            for stop, come_back, left in ((store.pause, store.go_on, "cdea"), (store.kill, store.start, "dea")):
                stop()
                assert item_ids(await two("GET", LIST.format("u2"), params={"k": 9})) == left
                assert (await two("POST", "/v1/events", json=event("u2", "c"))).status_code == 202
                state = await two("GET", "/readyz")
                assert (state.status_code, state.json()["shared_store"]["is_used"]) == (200, False)
                assert "recs_shared_store_up 0\n" in (await two("GET", "/metrics")).text
                come_back()
                for application in applications:
                    while not application.state()["shared_store"]["is_used"]:
                        await application._look_beside()
                assert (await two("GET", "/readyz")).json()["shared_store"] == {"is_used": True, "fault": None}
            assert "c" not in item_ids(await two("GET", LIST.format("u2"), params={"k": 9}))
            assert (await one("POST", "/v1/events", json=event("u2", "d"))).status_code == 202
            assert item_ids(await two("GET", LIST.format("u2"), params={"k": 9})) == "ea"

        run_two(served, test)


def test_whom_one_process_was_asked_to_forget_the_other_forgets(tmp_path: Path, store: Valkey) -> None:
    served = Served(tmp_path, redis_url=store.url, redis_seconds_max=PATIENT)

    async def test(one: Ask, two: Ask, applications: list[Application]) -> None:
        assert (await one("POST", "/v1/events", json=event("u2", "b"))).status_code == 202
        page = (await two("GET", LIST.format("u2"))).json()
        assert (await one("DELETE", "/v1/users/u2")).status_code == 202
        applications[1]._look()
        await applications[1]._look_beside()
        assert item_ids(await two("GET", LIST.format("u2"))) == "ab"
        gone = await two("GET", LIST.format("u2"), params={"cursor": page["next_cursor"]})
        assert gone.json()["code"] == "cursor_expired"

    run_two(served, test)


def test_whom_a_command_forgets_leaves_the_store_though_no_process_remembers_them(tmp_path: Path) -> None:
    with valkey() as store:
        served = Served(tmp_path, redis_url=store.url, redis_seconds_max=PATIENT)

        async def write(one: Ask, two: Ask, _: list[Application]) -> None:
            for user in ("u1", "u2"):
                assert (await one("POST", "/v1/events", json=event(user, "d"))).status_code == 202
                assert (await two("GET", LIST.format(user))).status_code == 200

        async def forget(_one: Ask, _two: Ask, applications: list[Application]) -> None:
            assert applications[0].serving.users() == set()
            assert [kind_of(name) for name in names_in(store)].count(b"session") == 2
            add_tombstones(served.home, ["u1", "somebody"], AS_OF)
            await applications[0]._look_beside()
            left = [name for name in names_in(store) if kind_of(name) != b"rate"]
            assert sorted(map(kind_of, left)) == [b"list", b"lists", b"session"]
            assert not any(served.hashed("u1").encode() in name for name in left)

        run_two(served, write)
        run_two(served, forget)


def test_the_names_of_the_store_cannot_be_guessed_without_the_home(tmp_path: Path, store: Valkey) -> None:
    found = list[set[bytes]]()
    for root in (tmp_path / "a", tmp_path / "b"):
        store.ask(b"FLUSHALL\r\n")
        served = Served(root, redis_url=store.url, redis_seconds_max=PATIENT)

        async def test(one: Ask, _two: Ask, _: list[Application]) -> None:
            assert (await one("POST", "/v1/events", json=event("u2", "d"))).status_code == 202

        run_two(served, test)
        found.append({name.rpartition(b":")[2] for name in names_in(store) if kind_of(name) == b"session"})
    assert [len(each) for each in found] == [1, 1]
    assert found[0] != found[1]


def test_the_store_forgets_what_any_process_wrote_also_where_it_was_away(tmp_path: Path) -> None:
    with valkey() as store:
        served = Served(tmp_path, redis_url=store.url, redis_seconds_max=0.5)

        async def test(one: Ask, two: Ask, applications: list[Application]) -> None:
            assert (await one("POST", "/v1/events", json=event("u2", "b"))).status_code == 202
            for ask in (one, two):
                assert (await ask("GET", LIST.format("u2"))).status_code == 200
            store.pause()
            assert (await one("DELETE", "/v1/users/u2")).status_code == 202
            store.go_on()
            while not applications[0].state()["shared_store"]["is_used"]:
                await applications[0]._look_beside()
            assert {kind_of(name) for name in names_in(store)} == {b"rate"}
            # The other one does not know yet, and writes again.
            assert (await two("POST", "/v1/events", json=event("u2", "b"))).status_code == 202
            page = (await two("GET", LIST.format("u2"), params={"k": 1})).json()
            assert {kind_of(name) for name in names_in(store)} == {b"rate", b"session", b"lists", b"list"}
            applications[1]._look()
            await applications[1]._look_beside()
            assert (await two("GET", LIST.format("u2"))).status_code == 200
            assert {kind_of(name) for name in names_in(store)} == {b"rate"}
            assert not applications[1].serving.lists.find_kept(page["recommendation_id"])

        run_two(served, test)


def names_in(store: Valkey) -> list[bytes]:
    names = store.ask(b"KEYS *\r\n").split(b"\r\n")
    return [name for name in names if name.startswith(b"recs:") and kind_of(name) != b"looked"]


def kind_of(name: bytes) -> bytes:
    return name.split(b":")[-2]


def test_what_nobody_of_this_version_wrote_is_passed_over(tmp_path: Path, store: Valkey) -> None:
    store.ask(b"FLUSHALL\r\n")
    served = Served(tmp_path, redis_url=store.url, redis_seconds_max=PATIENT)

    async def test(one: Ask, two: Ask, _: list[Application]) -> None:
        assert (await one("POST", "/v1/events", json=event("u2", "b"))).status_code == 202
        page = (await one("GET", LIST.format("u2"), params={"k": 1})).json()
        for name in names_in(store):
            for wrong in (b"junk", b"\x93\xa1\xff\xa1a\xc0", b"\x9b\xa1\xff", b"\x92\xa1a\xa1b"):
                sent = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in (name, wrong))
                if kind_of(name) == b"session":
                    store.ask(b"*3\r\n$5\r\nRPUSH\r\n" + sent)
                elif kind_of(name) == b"list":
                    store.ask(b"*3\r\n$3\r\nSET\r\n" + sent)
                    answer = await two("GET", LIST.format("u2"), params={"cursor": page["next_cursor"]})
                    assert answer.json()["code"] == "cursor_expired"
        assert "b" not in item_ids(await two("GET", LIST.format("u2"), params={"k": 9}))

    run_two(served, test)


def test_chance_and_drafts_go_on_in_another_process(tmp_path: Path, store: Valkey) -> None:
    explored = {"variants": {name: {"weight": 0.5, "exploration": 1.0} for name in ("control", "b")}}
    drafted = {
        "kind": "interleaving",
        "variants": {"control": {"weight": 0.5}, "b": {"weight": 0.5, "popularity": True}},
    }
    fourth = list[str]()
    for name, experiment in (("explored", explored), ("drafted", drafted)):
        served = Served(tmp_path / name, redis_url=store.url, redis_seconds_max=PATIENT, experiments={"x": experiment})

        async def test(one: Ask, two: Ask, _: list[Application], name: str = name) -> None:
            for _n in range(16):
                first = (await one("GET", LIST.format("u2"), params={"k": 2})).json()
                onward = {"cursor": first["next_cursor"], "k": 2}
                items = first["items"] + (await two("GET", LIST.format("u2"), params=onward)).json()["items"]
                assert len({item["item_id"] for item in items}) == 4
                seen = {"user_id": "u2", "event_type": "impression", "request_id": first["recommendation_id"]}
                assert (await one("POST", "/v1/events", json=seen)).status_code == 202
                if name == "explored":
                    # All that is left is drawn alike.
                    assert [item["propensity"] for item in items] == pytest.approx([1 / 5, 1 / 4, 1 / 3, 1 / 2])
                    fourth.append(items[3]["item_id"])

        run_two(served, test)
    assert len(set(fourth)) > 1
    rows = [json.loads(line) for line in served.landed().splitlines()]
    teams = [row["request_id"].partition("~x=")[2] for row in rows]
    assert (len(teams), set(teams)) == (64, {"control", "b"})


def test_every_name_ends_by_itself_and_reading_does_not_lengthen_a_session(tmp_path: Path, store: Valkey) -> None:
    store.ask(b"FLUSHALL\r\n")
    served = Served(tmp_path, redis_url=store.url, redis_seconds_max=PATIENT, session_minutes=1)

    async def test(one: Ask, two: Ask, _: list[Application]) -> None:
        assert (await one("POST", "/v1/events", json=event("u2", "b"))).status_code == 202
        assert item_ids(await one("GET", LIST.format("u2"), params={"k": 9})) == "cdea"
        for name in names_in(store):
            assert not store.ask(b"TTL " + name + b"\r\n").startswith(b":-")
            if kind_of(name) == b"session":
                store.ask(b"EXPIRE " + name + b" 20\r\n")  # as if 40 s had gone by since the event
        assert item_ids(await two("GET", LIST.format("u2"), params={"k": 9})) == "cdea"
        for name in names_in(store):
            if kind_of(name) == b"session":
                store.ask(b"DEL " + name + b"\r\n")  # 20 s later
        served.clock.now += 25
        assert item_ids(await two("GET", LIST.format("u2"))) == "bc"

    run_two(served, test)


def test_an_address_that_is_none_is_refused_without_showing_it() -> None:
    for wrong in ("http://:secret@x", "redis://", "unix://", "redis://:secret@x:y", "redis://:secret@x/one"):
        with pytest.raises(UsageError, match=r"no address of a store") as refused:
            Store(wrong, 1.0)
        assert "secret" not in str(refused.value)
    for right in ("redis://u:p@x:1/2", "rediss://x", "valkey://[::1]:7", "unix:///a/b?db=3"):
        Store(right, 1.0)


def test_a_store_that_refuses_is_one_that_does_not_answer(tmp_path: Path, store: Valkey) -> None:
    served = Served(tmp_path, redis_url=f"{store.url}?db=999", redis_seconds_max=PATIENT)

    async def test(one: Ask, _two: Ask, _: list[Application]) -> None:
        assert item_ids(await one("GET", LIST.format("u2"))) == "bc"
        assert "refuses" in (await one("GET", "/readyz")).json()["shared_store"]["fault"]

    run_two(served, test)


def test_a_store_that_is_full_is_no_store_until_it_has_room(tmp_path: Path, store: Valkey) -> None:
    served = Served(tmp_path, redis_url=store.url, redis_seconds_max=PATIENT)

    async def test(one: Ask, _two: Ask, applications: list[Application]) -> None:
        for room, is_used in ((b"1", False), (b"0", True)):
            store.ask(b"CONFIG SET maxmemory " + room + b"\r\n")
            assert item_ids(await one("GET", LIST.format("u2"))) == "bc"
            await applications[0]._look_beside()
            assert applications[0].state()["shared_store"]["is_used"] is is_used

    run_two(served, test)


def test_a_store_that_is_silent_when_greeted_keeps_no_connection(tmp_path: Path) -> None:
    async def inside() -> None:
        closed = asyncio.Event()

        async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while await reader.read(100):
                    pass
            closed.set()
            writer.close()

        path = tmp_path / "s"
        async with await asyncio.start_unix_server(be_silent, path):
            silent = Store(f"unix://:secret@/{path}?db=1", 0.05)
            with pytest.raises(TimeoutError):
                await silent.ask([("PING",)])
            await asyncio.wait_for(closed.wait(), PATIENT)

    asyncio.run(inside())
