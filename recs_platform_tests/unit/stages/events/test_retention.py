"""What is older than the retention is gone for good, the rest stays, the ledger adds up, whatever is killed."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts.home import Lock
from recs_platform.contracts.tables import EVENT_FLAGS, EVENTS, INGESTIONS, QUARANTINE, REMOVALS
from recs_platform.lake.locks import exclusive
from recs_platform.stages.events.removals import republished, settle_removals
from recs_platform_tests.connections import shared_connection
from recs_platform_tests.unit.stages.events.retaining import NOW, RetainedHome, day, frame

# Midnight of 1 February less 22 days: what happened before 10 January goes.
DAYS, FIRST_KEPT = 22, day(10)


@pytest.fixture
def house(tmp_path) -> RetainedHome:
    return RetainedHome(tmp_path / "home of mine")


def is_adding_up(house):
    """Accepted = there + removed, and the same for rejected rows, for every file of the ledger."""
    ledger, removed = house.rows(INGESTIONS), house.removals()
    for contract, column, table in (
        (EVENTS, "rows_accepted", "events"),
        (QUARANTINE, "rows_quarantined", "quarantine"),
    ):
        there = dict(house.rows(contract).group_by("file_hash").len().iter_rows())
        for digest, rows in ledger.group_by("file_hash").agg(pl.col(column).sum()).iter_rows():
            assert rows == there.get(digest, 0) + removed.get((digest, table), 0)


def test_events_before_midnight_less_the_days_go_to_the_microsecond(house):
    just_before = (FIRST_KEPT - timedelta(microseconds=1) - day(1)) / timedelta(days=1) + 1
    digest = house.take_in("s/a.jsonl", [("old", 1), ("last", just_before), ("first", 10), ("young", 20)])
    report = house.retain(DAYS)
    assert house.ids() == ["first", "young"]
    assert (report.removed_before, report.events_removed, report.postponed) == (FIRST_KEPT, 2, None)
    assert house.removals() == {(digest, "events"): 2}
    row = house.rows(REMOVALS).row(0, named=True)
    assert (row["reason_code"], row["removed_before"], row["removed_at"]) == ("retention", FIRST_KEPT, NOW)
    is_adding_up(house)


def test_days_are_counted_in_utc(house):
    house.take_in("s/a.jsonl", [("old", 9), ("young", 10)])
    late = datetime(2020, 2, 2, 3, tzinfo=timezone(timedelta(hours=9)))
    assert late.astimezone(UTC).date() == NOW.date()
    assert house.retain(DAYS, late).removed_before == FIRST_KEPT


def test_no_version_of_the_lake_brings_them_back(house):
    house.take_in("s/a.jsonl", [("old-1", 1), ("young-1", 20)], quarantined=1, ingested=day(5))
    house.take_in("s/b.jsonl", [("old-2", 2)])
    house.flag("old-1", "young-1")
    before = house.stored_files()
    report = house.retain(DAYS)
    now = house.stored_files()
    emptied = before["raw.events"] | before["raw.quarantine"] | before["raw.event_flags"]
    assert report.lake_files_deleted == len(emptied - set().union(*now.values()))
    for table in (EVENTS, QUARANTINE, EVENT_FLAGS):
        assert now[table.name] == set(house.lake.files(table.name))
        for version in range(house.lake.version(table.name)):
            for file in house.lake.files(table.name, version):
                assert file in now[table.name] or not Path(file).exists()
    stored = b"".join(path.read_bytes() for path in house.home.root.rglob("*.parquet"))
    assert b"young-1" in stored
    assert b"old-1" not in stored
    assert b"old-2" not in stored


def test_flags_go_with_their_events(house):
    house.take_in("s/a.jsonl", [("old", 1), ("young", 20)])
    house.flag("old", "young")
    house.flag("old")
    report = house.retain(DAYS)
    assert report.flags_removed == 2
    assert house.ids(EVENT_FLAGS) == ["young"]


def test_refused_rows_go_by_when_they_came(house):
    old = house.take_in("s/a.jsonl", [("a", 20)], quarantined=3, ingested=day(9))
    house.take_in("s/b.jsonl", [("b", 20)], quarantined=2, ingested=day(10))
    report = house.retain(DAYS)
    assert (report.events_removed, report.quarantined_removed) == (0, 3)
    assert house.removals() == {(old, "quarantine"): 3}
    assert house.rows(QUARANTINE).height == 2
    is_adding_up(house)


def test_only_files_without_anything_left_leave_landing(house):
    house.take_in("s/old.jsonl", [("a", 1), ("b", 9)])
    house.take_in("s/mixed.jsonl", [("c", 1), ("d", 10)])
    house.take_in("s/young.jsonl", [("e", 20)])
    house.take_in("s/both.jsonl", [("f", 1)], tables=("events", "users"))
    house.take_in("s/users.jsonl", [], tables=("users",), ingested=day(1))
    house.take_in("s/known.jsonl", [], duplicates=2)
    house.take_in("s/known long ago.jsonl", [], duplicates=2, ingested=day(2))
    shutil.copy(house.home.landing / "s/old.jsonl", house.home.landing / "s/again.jsonl")
    (house.home.landing / "other").mkdir()
    shutil.copy(house.home.landing / "s/old.jsonl", house.home.landing / "other/its.jsonl")
    (house.home.landing / "s/link.jsonl").symlink_to(house.home.landing / "s/young.jsonl")
    shutil.copy(house.home.landing / "s/old.jsonl", house.home.landing / "s/.coming.jsonl.part")
    house.land("s/waiting.jsonl", "not ingested")
    report = house.retain(DAYS)
    assert report.landing_files == ("s/again.jsonl", "s/known long ago.jsonl", "s/old.jsonl")
    assert house.landed() == [
        "other/its.jsonl", "s/.coming.jsonl.part", "s/both.jsonl", "s/known.jsonl", "s/link.jsonl", "s/mixed.jsonl",
        "s/users.jsonl", "s/waiting.jsonl", "s/young.jsonl",
    ]  # fmt: skip
    is_adding_up(house)


def test_a_file_that_cannot_be_deleted_is_named_and_the_rest_goes_on(house, monkeypatch):
    house.take_in("s/a.jsonl", [("a", 1)])
    house.take_in("s/b.jsonl", [("b", 1)])
    unlink = Path.unlink

    def refuse(path, *, missing_ok=False):
        if path.name == "a.jsonl":
            raise PermissionError(path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    report = house.retain(DAYS)
    assert (report.landing_files, report.undeletable_files) == (("s/b.jsonl",), ("s/a.jsonl",))
    assert house.ids() == []


def test_a_second_time_nothing_is_due_and_nothing_is_written(house):
    house.take_in("s/a.jsonl", [("old", 1), ("young", 20)], quarantined=1, ingested=day(3))
    house.flag("old")
    assert not house.retain(DAYS).is_nothing_due
    versions, removals, files = house.versions(), house.rows(REMOVALS), house.stored_files()
    for later in (NOW, NOW + timedelta(days=2)):
        assert house.retain(DAYS, later).is_nothing_due
        assert house.versions() == versions
        assert house.rows(REMOVALS).equals(removals)
        assert house.stored_files() == files


def test_what_is_removed_later_is_added_and_other_files_keep_their_instants(house):
    first = house.take_in("s/a.jsonl", [("a", 1)])
    second = house.take_in("s/b.jsonl", [("b", 8), ("c", 12), ("d", 20)])
    house.retain(25)
    later = NOW + timedelta(days=10)
    house.retain(25, later)
    assert house.removals() == {(first, "events"): 1, (second, "events"): 2}
    at = dict(house.rows(REMOVALS).select("file_hash", "removed_at").iter_rows())
    assert at == {first: NOW, second: later}


def test_rows_that_another_reason_removed_are_not_counted_twice(house):
    digest = house.take_in("s/a.jsonl", [("forgotten", 20), ("old", 1), ("young", 20)])
    other = {"file_hash": digest, "contract_table": "events", "reason_code": "forgotten", "rows_removed": 1}
    house.lake.append(REMOVALS.name, frame(REMOVALS, [other]))
    house.lake.delete(EVENTS.name, "event_id = 'forgotten'")
    house.retain(DAYS)
    rows = dict(house.rows(REMOVALS).select("reason_code", "rows_removed").iter_rows())
    assert rows == {"forgotten": 1, "retention": 1}


def test_everything_can_be_too_old(house):
    house.take_in("s/a.jsonl", [("a", 1), ("b", 2)], quarantined=1, ingested=day(2))
    house.flag("a", "b")
    report = house.retain(1)
    assert (report.events_removed, report.flags_removed, report.quarantined_removed) == (2, 2, 1)
    assert house.ids() == house.ids(EVENT_FLAGS) == []
    assert house.rows(QUARANTINE).is_empty()
    assert house.landed() == []
    is_adding_up(house)
    assert house.retain(1).is_nothing_due
    house.take_in("s/b.jsonl", [("c", 31.5)])
    assert house.ids() == ["c"]
    is_adding_up(house)


def test_an_event_that_comes_again_in_another_file_goes_again(house):
    first = house.take_in("s/a.jsonl", [("a", 1)])
    house.retain(DAYS)
    second = house.take_in("s/b.jsonl", [("a", 1), ("b", 20)])
    house.retain(DAYS)
    assert house.ids() == ["b"]
    assert house.removals() == {(first, "events"): 1, (second, "events"): 1}


def test_without_any_table_there_is_nothing_to_do(house):
    assert house.retain(DAYS).is_nothing_due
    assert house.lake.names() == []


def test_without_events_or_quarantine_there_is_nothing_to_do(house):
    house.lake.append(INGESTIONS.name, frame(INGESTIONS, []))
    assert house.retain(DAYS).is_nothing_due
    assert house.lake.names() == [INGESTIONS.name]


def test_it_waits_for_a_build_without_holding_ingestion_up(house):
    house.take_in("s/a.jsonl", [("old", 1)])
    before = house.versions()
    with exclusive(house.home.lock(Lock.AS_OF)):
        report = house.retain(DAYS)
        assert report.postponed
        assert "as_of is held by process" in report.postponed
        assert house.versions() == before
        assert house.landed() == ["s/a.jsonl"]
    assert house.retain(DAYS).events_removed == 1


def test_publishing_is_asked_for_until_it_was_done(house):
    house.take_in("s/a.jsonl", [("old", 1), ("young", 20)])
    house.home.published.mkdir(parents=True)
    house.home.analytics.touch()
    assert house.retain(DAYS).is_republish_due
    assert house.retain(DAYS).is_republish_due
    republished(house.home)
    assert not house.retain(DAYS).is_republish_due
    republished(house.home)


def test_without_an_analysts_file_none_is_asked_for(house):
    house.take_in("s/a.jsonl", [("old", 1)])
    assert not house.retain(DAYS).is_republish_due


def test_files_of_killed_writers_go_too(house):
    house.take_in("s/a.jsonl", [("young", 20)])
    stray = house.lake.path(EVENTS.name) / "part-of-a-killed-delete.parquet"
    frame(EVENTS, [{"event_id": "old"}]).write_parquet(stray)
    assert house.retain(DAYS).lake_files_deleted == 1
    assert not stray.exists()
    assert house.ids() == ["young"]


def settle(house):
    settle_removals(house.home, house.lake, shared_connection(), now=NOW, progress=lambda _: None)


def test_what_is_lost_is_not_taken_for_removed(house):
    house.take_in("s/a.jsonl", [("old", 1), ("young", 20), ("lost", 21)])
    removed = house.take_in("s/b.jsonl", [("gone", 2)])
    house.retain(DAYS)
    before = house.rows(REMOVALS)
    house.lake.delete(EVENTS.name, "event_id = 'lost'")
    house.lake.vacuum(EVENTS.name, retention_hours=0)
    settle(house)
    assert house.rows(REMOVALS).equals(before)
    assert (removed, "events") in house.removals()
    house.retain(DAYS)
    assert house.rows(REMOVALS).equals(before)


def test_a_file_whose_events_are_lost_stays_in_landing(house):
    house.take_in("s/a.jsonl", [("lost", 20)])
    house.lake.delete(EVENTS.name, "event_id = 'lost'")
    house.lake.vacuum(EVENTS.name, retention_hours=0)
    assert house.retain(DAYS).landing_files == ()
    assert house.landed() == ["s/a.jsonl"]


def test_rows_that_are_there_again_are_no_longer_counted_as_removed(house):
    digest = house.take_in("s/a.jsonl", [("old-1", 1), ("old-2", 2), ("young", 20)])
    rows = house.rows(EVENTS)
    house.retain(DAYS)
    house.lake.append(EVENTS.name, rows.filter(pl.col("event_id") == "old-1"))
    settle(house)
    assert house.removals() == {(digest, "events"): 1}
    is_adding_up(house)
    house.lake.append(EVENTS.name, rows.filter(pl.col("event_id") == "old-2"))
    settle(house)
    assert house.removals() == {}
    is_adding_up(house)
    house.retain(DAYS)
    assert house.removals() == {(digest, "events"): 2}


def test_settling_writes_nothing_where_nothing_was_ever_removed(house):
    settle(house)
    house.take_in("s/a.jsonl", [("young", 20)])
    settle(house)
    assert REMOVALS.name not in house.lake.names()


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.lists(st.floats(1, 31), max_size=5), st.integers(0, 2), st.integers(1, 31)), min_size=1, max_size=4
    ),
    st.lists(st.integers(1, 40), min_size=1, max_size=3),
)
def test_whatever_comes_in_the_ledger_adds_up(tmp_path_factory, files, retentions):
    house = RetainedHome(tmp_path_factory.mktemp("any") / "home")
    for number, (days, quarantined, ingested) in enumerate(files):
        events = [(f"{number}-{place}", at) for place, at in enumerate(days)]
        house.take_in(f"s/{number}.jsonl", events, quarantined=quarantined, ingested=day(ingested))
    everything = dict(house.rows(EVENTS).select("event_id", "occurred_at").iter_rows())
    shortest = min(retentions)
    for retention in retentions:
        house.retain(retention)
        is_adding_up(house)
    midnight = NOW.replace(hour=0, minute=0)
    assert house.ids() == sorted(event for event, at in everything.items() if at >= midnight - timedelta(days=shortest))


@pytest.fixture(scope="module")
def program() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "recs_platform_tests.unit.stages.events.retaining"]
    root = Path(__file__).parents[4]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
        child.stdin.close()
        child.wait(timeout=20)


@pytest.mark.trial
def test_killed_at_any_change_of_the_disk_it_is_finished_the_next_time(tmp_path, program):
    whole = RetainedHome(tmp_path / "whole")
    mixed = whole.take_in("s/a.jsonl", [("old-1", 1), ("young-1", 20)], quarantined=2, ingested=day(5))
    gone = whole.take_in("s/b.jsonl", [("old-2", 2), ("old-3", 9)])
    whole.flag("old-1", "young-1", "old-3")
    whole.home.published.mkdir()
    whole.home.analytics.touch()
    kills = 0
    for step in range(1, 200, 2):
        house = RetainedHome(tmp_path / f"killed at {step}")
        shutil.copytree(whole.home.root, house.home.root)
        program.stdin.write(f"{step} {DAYS} {house.home.root}\n")
        program.stdin.flush()
        ended = int(program.stdout.readline())
        if step % 4 == 1:
            settle(house)
            is_adding_up(house)
        report = house.retain(DAYS)
        assert report.is_republish_due, step
        assert house.ids() == ["young-1"], step
        assert house.ids(EVENT_FLAGS) == ["young-1"], step
        assert house.rows(QUARANTINE).is_empty(), step
        assert house.removals() == {(mixed, "events"): 1, (mixed, "quarantine"): 2, (gone, "events"): 2}, step
        assert house.landed() == ["s/a.jsonl"], step
        for table in (EVENTS, QUARANTINE, EVENT_FLAGS):
            assert house.stored_files()[table.name] == set(house.lake.files(table.name)), step
        republished(house.home)
        assert house.retain(DAYS).is_nothing_due, step
        shutil.rmtree(house.home.root)
        if ended == 0:
            break
        assert ended == -9
        kills += 1
    assert ended == 0
    assert kills >= 10
