"""Events are durable before they are acknowledged, counted once, and followed by the next list."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from recs_platform.contracts.home import Home
from recs_platform.contracts.http_documents import Event
from recs_platform.contracts.tables import EVENTS
from recs_platform.lake.processes import process_name
from recs_platform.serving.spool_file import recover
from recs_platform_tests.contracts.sources.landed import Landed
from recs_platform_tests.serving.served import Ask, Served, item_ids

LIST = "/v1/users/{}/recommendations"


def event(user="u1", item="d", kind="click", **more):
    return {"user_id": user, "item_id": item, "event_type": kind, **more}


def test_what_was_consumed_or_dismissed_leaves_at_once_and_the_session_moves_the_rest(tmp_path: Path):
    async def test(ask: Ask) -> None:
        path = LIST.format("u1")
        assert item_ids(await ask("GET", path, params={"k": 4})) == "abde"
        assert (await ask("POST", "/v1/events", json=event(item="a", kind="dismiss"))).status_code == 202
        assert item_ids(await ask("GET", path, params={"k": 4})) == "bde"
        await ask("POST", "/v1/events", json=event(item="b"))
        answer = await ask("GET", path, params={"k": 4})
        assert sorted(item_ids(answer)) == ["d", "e"]
        assert all("session" in item["sources"] for item in answer.json()["items"])
        assert answer.json()["items"][0]["reason"] == "after 'Title b' in this session"

    Served(tmp_path).run(test)


def test_an_unknown_user_is_followed_after_one_click_and_one_who_opted_out_is_not(tmp_path: Path):
    async def test(ask: Ask) -> None:
        for user, source in (("stranger", "session"), ("gone", "fallback")):
            await ask("POST", "/v1/events", json=event(user, "a"))
            answer = await ask("GET", LIST.format(user), params={"k": 2})
            assert "a" not in item_ids(answer)
            assert source in answer.json()["items"][0]["sources"]

    Served(tmp_path).run(test)


def test_a_session_ends(tmp_path: Path):
    served = Served(tmp_path)

    async def test(ask: Ask) -> None:
        await ask("POST", "/v1/events", json=event(item="a"))
        served.clock.now += 31 * 60
        assert item_ids(await ask("GET", LIST.format("u1"))) == "ab"

    served.run(test)


def test_duplicates_change_nothing_and_each_faulty_row_is_named(tmp_path: Path):
    served = Served(tmp_path)

    async def test(ask: Ask) -> None:
        rows = [event(event_id="e1"), event(event_id="e1"), {"user_id": "u1"}, event(colour="red"), event(kind="gaze")]
        rows += [event(occurred_at="2999-01-01T00:00:00Z"), event(item=None), event(item="a\nb"), event(position=0), 7]
        first = await ask("POST", "/v1/events", json=rows)
        assert first.status_code == 202
        assert (first.json()["accepted"], first.json()["duplicates"]) == (1, 1)
        assert [error["index"] for error in first.json()["errors"]] == list(range(2, 10))
        again = await ask("POST", "/v1/events", json=[event(event_id="e1")])
        assert (again.status_code, again.json()["accepted"]) == (200, 0)
        refused = await ask("POST", "/v1/events", json=[{"user_id": "u1"}])
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_events")

    served.run(test)
    assert [json.loads(line)["event_id"] for line in served.landed().splitlines()] == ["e1"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "malformed_json"),
        (b"", "malformed_json"),
        (b"[" * 100_000, "malformed_json"),
        (b"\xff", "malformed_json"),
        (b"[]", "invalid_events"),
        (b"1" * 1_000_001, "body_too_large"),
    ],
)
def test_a_body_that_cannot_be_read(tmp_path: Path, body: bytes, code: str):
    async def test(ask: Ask) -> None:
        assert (await ask("POST", "/v1/events", content=body)).json()["code"] == code

    Served(tmp_path).run(test)


def test_impressions_of_a_list_are_counted_once_whoever_reports_them(tmp_path: Path):
    served = Served(tmp_path)

    async def test(ask: Ask) -> None:
        shown = (await ask("GET", LIST.format("u1"))).json()["recommendation_id"]
        whole = {"user_id": "u1", "event_type": "impression", "request_id": shown}
        assert (await ask("POST", "/v1/events", json=whole)).json()["accepted"] >= 2
        again = await ask("POST", "/v1/events", json=event(item="a", kind="impression", request_id=shown))
        assert again.status_code == 200
        other = {**whole, "user_id": "u2"}
        assert (await ask("POST", "/v1/events", json=other)).json()["errors"][0]["code"] == "unknown_recommendation"

    served.run(test)
    rows = [json.loads(line) for line in served.landed().splitlines()]
    assert [(row["item_id"], row["position"]) for row in rows][:2] == [("a", 1), ("b", 2)]


def test_a_full_disk_refuses_and_loses_nothing_that_was_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    served = Served(tmp_path, seal_seconds=60.0)

    async def test(ask: Ask) -> None:
        await ask("POST", "/v1/events", json=event(event_id="before"))

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            refused = await ask("POST", "/v1/events", json=event(event_id="during"))
            assert (refused.status_code, refused.json()["code"]) == (503, "spool_unavailable")
            assert (await ask("GET", "/readyz")).status_code == 503
        assert (await ask("POST", "/v1/events", json=event(event_id="during"))).status_code == 202
        assert (await ask("GET", "/readyz")).status_code == 200

    served.run(test)
    assert sorted(json.loads(line)["event_id"] for line in served.landed().splitlines()) == ["before", "during"]


def test_more_than_the_queue_holds_is_refused_at_once(tmp_path: Path):
    async def test(ask: Ask) -> None:
        answer = await ask("POST", "/v1/events", json=[event(), event(), event()])
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")

    Served(tmp_path, queued_events_max=2).run(test)


WRITER = """
import asyncio, sys
from pathlib import Path
from recs_platform.contracts.home import Home
from recs_platform.serving.spool import Spool

async def main():
    spool = Spool(Home(Path(sys.argv[1])), queued_events_max=1000, seal_seconds=0.05)
    await spool.start()
    async def write(lane):
        for n in range(100_000):
            key = f"{lane}-{n}"
            row = '{"event_id":"%s","user_id":"u","item_id":"i","event_type":"view","occurred_at":"2024-01-01"}'
            await spool.append((row % key + chr(10)).encode(), 1)
            print(key, flush=True)
    await asyncio.gather(*map(write, range(8)))
asyncio.run(main())
"""


def test_whenever_it_is_killed_all_that_was_acknowledged_is_ingested_once(tmp_path: Path):
    acknowledged = list[str]()
    home = Home(tmp_path)
    for after in (1, 40, 300):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as writer:
            assert writer.stdout is not None
            said = [writer.stdout.readline() for _ in range(after)]
            writer.send_signal(signal.SIGKILL)
            said += writer.stdout.readlines()
        acknowledged += [f"{line.strip()}" for line in said if line.endswith("\n")]
        recover(home)
    landed = Landed(tmp_path, "http")
    landed.ingest()
    landed.ingest()
    stored = [event_id for (event_id,) in landed.rows("events", "event_id")]
    assert set(acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))
    assert landed.rejected() == []
    assert not list(home.spool.iterdir())


def test_half_a_last_line_is_cut_off_and_a_living_process_is_left_alone(tmp_path: Path):
    home = Home(tmp_path)
    for name, content in (("999999999-0dead", "whole\nhal"), (process_name(), "whole\nhal")):
        (home.spool / name).mkdir(parents=True)
        (home.spool / name / "a.jsonl").write_text(content)
    assert recover(home) == 1
    assert (home.landing / "http" / "events-a.jsonl").read_text() == "whole\n"
    assert (home.spool / process_name() / "a.jsonl").read_text() == "whole\nhal"


REFUSED = (
    {"user": " "}, {"user": "\u200b"}, {"user": "Guest"}, {"user": "-1"}, {"user": "00000000-0000"},
    {"item": "\u00a0"}, {"item": "undefined"}, {"item": " NaN "}, {"item": "{{ id }}"}, {"item": "[object Object]"},
    {"item": "1e+05"}, {"item": '["a"]'}, {"item": '{"id": 7}'},
    {"occurred_at": "1989-12-31T23:59:59Z"}, {"occurred_at": "0001-01-01T00:00:00+01:00"},
    {"value": 1e13}, {"value": -1e13}, {"dwell_seconds": 1e10},
)  # fmt: skip
TAKEN = (
    {"user": " u1 "}, {"user": "\u202eu1"}, {"user": "0000000"}, {"item": "guest"}, {"item": "[draft"}, {"item": "1.0"},
    {"item": "{}x"}, {"occurred_at": "1990-01-01T00:00:00Z"}, {"occurred_at": "2024-02-09T00:00:00+14:00"},
    {"value": -1e12}, {"value": 1e12}, {"dwell_seconds": 1e9}, {"propensity": 1e-320}, {"session_id": "null"},
)  # fmt: skip


def test_what_ingestion_would_reject_is_refused_and_what_is_taken_in_it_accepts(tmp_path: Path):
    served = Served(tmp_path)
    at = {"occurred_at": "2024-02-09T00:00:00Z"}
    rows = [event(**at | odd, event_id=f"e{place}") for place, odd in enumerate((*REFUSED, *TAKEN))]

    async def test(ask: Ask) -> None:
        answer = (await ask("POST", "/v1/events", json=rows)).json()
        assert [error["index"] for error in answer["errors"]] == list(range(len(REFUSED)))
        assert all(error["detail"] for error in answer["errors"])

    served.run(test)
    refused = rows[: len(REFUSED)]
    (tmp_path / "landing" / "http" / "events-refused.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in refused)
    )
    landed = Landed(tmp_path, "http")
    landed.ingest()
    taken = [f"e{place}" for place in range(len(REFUSED), len(rows))]
    assert landed.rows("events", "event_id", order="length(event_id), event_id") == [(name,) for name in taken]
    assert len(landed.rejected()) == len(REFUSED)


def test_numbers_of_events_have_the_ranges_of_the_contract():
    given = {field.name: field.type for field in msgspec.inspect.type_info(Event).fields}
    for column in EVENTS.columns:
        if column.within is not None:
            number = next(each for each in given[column.name].types if not isinstance(each, msgspec.inspect.NoneType))
            lowest = number.gt if column.within.is_above else number.ge
            assert (lowest, number.le) == (column.within.lowest, column.within.highest), column.name


def test_an_id_that_says_nothing_is_none_so_events_that_carry_it_are_not_taken_for_one(tmp_path: Path):
    served = Served(tmp_path)

    async def test(ask: Ask) -> None:
        for _ in range(2):
            answer = await ask(
                "POST", "/v1/events", json=event(event_id="undefined", session_id="null", request_id=" ")
            )
            assert (answer.status_code, answer.json()["accepted"]) == (202, 1)

    served.run(test)
    rows = [json.loads(line) for line in served.landed().splitlines()]
    assert len({row["event_id"] for row in rows} - {"undefined"}) == 2
    assert not any({"session_id", "request_id"} & set(row) for row in rows)


def test_one_flush_covers_all_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    served, flushes, flush = Served(tmp_path, seal_seconds=60.0), list[int](), os.fsync

    async def test(ask: Ask) -> None:
        await ask("POST", "/v1/events", json=event())

        def counted(descriptor: int) -> None:
            flushes.append(descriptor)
            flush(descriptor)

        monkeypatch.setattr(os, "fsync", counted)
        await asyncio.gather(*(ask("POST", "/v1/events", json=event()) for _ in range(20)))
        assert len(flushes) < 20
        monkeypatch.undo()

    served.run(test)
