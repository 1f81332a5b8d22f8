"""Replay: after the source's SQL or a file was repaired, the lake is as if the repaired files had come first."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import BATCH_TABLES
from recs_platform.lake.tables import Lake
from recs_platform.stages.events import DataSource, ingest, load_sources, replay
from recs_platform.stages.events.sources import SourceFile
from recs_platform_tests.connections import shared_connection

pytestmark = pytest.mark.trial

SOURCES = load_sources(Path(__file__).parents[2] / "dbt_like_sql" / "sources")
START = datetime(2024, 3, 1, tzinfo=UTC)
# Instants at which rows were learned of differ between a replay and a first load.
TIMES = {c.INGESTED_AT, c.VALID_FROM, c.VALID_TO}


class Shop:
    """A home whose clock goes on a day with every ingestion."""

    def __init__(self, root):
        self.home, self.lake, self.now = Home(root), Lake(root / "lake"), START

    def put(self, name, rows):
        path = self.home.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))

    def ingest(self, sources=SOURCES):
        self.now += timedelta(days=1)
        return ingest(self.home, self.lake, sources, shared_connection(), now=self.now, progress=lambda _: None)

    def replay(self, sources=SOURCES, **options):
        self.now += timedelta(days=1)
        return replay(
            self.home, self.lake, sources, shared_connection(), now=self.now, progress=lambda _: None, **options
        )

    def rows(self, table, columns, order="all"):
        files = self.lake.files(f"raw.{table}")
        source = f"read_parquet({files}, union_by_name = true)"
        return shared_connection().execute(f"select {columns} from {source} order by {order}").fetchall()

    def content(self):
        return {
            contract.table: self.rows(
                contract.table, ", ".join(name for name in contract.column_names if name not in TIMES)
            )
            for contract in BATCH_TABLES
            if not contract.table.endswith("_history")
        }


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path / "home")


def first_load(shop, root, sources=SOURCES):
    """The same landing ingested by a fresh home."""
    fresh = Shop(root)
    shutil.copytree(shop.home.landing, fresh.home.landing)
    fresh.ingest(sources)
    return fresh.content()


def event(number, **values):
    row = {"event_id": f"e{number}", "user_id": "u", "item_id": f"i{number}", "event_type": "view"}
    return row | {"occurred_at": "2024-02-01T00:00:00Z"} | values


def test_a_mended_file_replaces_what_it_gave_before(shop, tmp_path):
    shop.put("contract/events.jsonl", [event(1), event(2, event_type="look"), "nonsense"])
    shop.ingest()
    shop.put("contract/events.jsonl", [event(1), event(2), event(3)])
    report = shop.replay()
    assert [(file.rows_read, file.rows_quarantined) for file in report.before] == [(3, 2)]
    assert [(file.rows_accepted, file.rows_quarantined) for file in report.after] == [(3, 0)]
    assert shop.content() == first_load(shop, tmp_path / "fresh")


def test_a_mended_file_that_was_taken_in_already_takes_the_place_of_the_broken_one(shop, tmp_path):
    shop.put("contract/events.jsonl", [event(1), "nonsense"])
    shop.ingest()
    shop.put("contract/events.jsonl", [event(1), event(2)])
    assert [file.rows_duplicate for file in shop.ingest().files] == [1]
    shop.replay()
    assert shop.content() == first_load(shop, tmp_path / "fresh")
    assert shop.rows("quarantine", "count(*)") == [(0,)]


def test_mended_source_sql_takes_the_same_file_in_again(shop, tmp_path):
    kind = SourceFile(match="e.jsonl", columns={"u": "varchar", "what": "varchar"}, tables=("events",))

    def source(kinds):
        sql = f"select line_number, u as user_id, 'i' as item_id, {kinds} as event_type, '2024-02-01' as occurred_at"
        return {"s": DataSource("s", "d", (kind,), (), {"events": f"{sql} from raw_records"}, tmp_path)}

    shop.put("s/e.jsonl", [{"u": "a", "what": "view"}, {"u": "b", "what": "look"}])
    shop.ingest(source("what"))
    repaired = source("replace(what, 'look', 'view')")
    shop.replay(repaired)
    assert shop.content() == first_load(shop, tmp_path / "fresh", repaired)
    assert shop.rows("events", "user_id, day(ingested_at)", "user_id") == [("a", 2), ("b", 3)]


def test_a_row_whose_first_copy_is_gone_comes_back_from_its_repeat(shop, tmp_path):
    shop.put("contract/1/events.jsonl", [event(1), event(2, position=0)])
    shop.ingest()
    shop.put("contract/2/events.jsonl", [event(1), event(3)])
    assert [file.rows_duplicate for file in shop.ingest().files] == [1]
    shop.put("contract/1/events.jsonl", [event(2)])
    shop.replay()
    assert shop.content() == first_load(shop, tmp_path / "fresh")
    assert len(shop.rows("events", "event_id")) == 3


def test_an_older_profile_that_was_refused_does_not_replace_a_newer_one(shop, tmp_path):
    shop.put("contract/1/users.jsonl", [{"user_id": "a", "country": "DK", "attributes": "{"}, {"user_id": "b"}])
    shop.ingest()
    shop.put("contract/2/users.jsonl", [{"user_id": "a", "country": "SE"}])
    shop.ingest()
    shop.put("contract/1/users.jsonl", [{"user_id": "a", "country": "DK"}, {"user_id": "b"}])
    shop.replay()
    assert shop.rows("users", "user_id, country") == [("a", "SE"), ("b", None)]
    history = "country, day(valid_from), day(valid_to)"
    assert ("SE", 3, None) in shop.rows("user_history", history)


def test_a_file_that_is_gone_is_named_and_stays_as_it_was(shop):
    shop.put("contract/events.jsonl", [event(1), "nonsense"])
    shop.ingest()
    before = shop.content()
    shutil.rmtree(shop.home.landing)
    report = shop.replay()
    assert (report.batch, report.missing) == (None, ("contract/events.jsonl",))
    assert shop.content() == before


def test_a_dry_run_tells_the_same_and_changes_nothing(shop):
    shop.put("contract/events.jsonl", [event(1), "nonsense"])
    shop.ingest()
    shop.put("contract/events.jsonl", [event(1), event(2)])
    before = shop.content()
    tried = shop.replay(dry_run=True)
    assert (tried.batch, shop.content()) == (None, before)
    assert shop.replay().after == tried.after


def test_only_what_is_chosen_is_taken_in_again(shop):
    for name in ("one", "two"):
        shop.put(f"contract/{name}/events.jsonl", [event(name), f"nonsense {name}"])
    shop.ingest()
    for name in ("one", "two"):
        shop.put(f"contract/{name}/events.jsonl", [event(name)])
    shop.replay(choose=lambda file: file.source_file.startswith("contract/two"))
    assert shop.rows("quarantine", "source_file") == [("contract/one/events.jsonl",)]


def test_nothing_refused_means_nothing_to_replay(shop):
    assert shop.replay().batch is None
    shop.put("contract/events.jsonl", [event(1)])
    shop.ingest()
    version = shop.lake.version("raw.events")
    assert shop.replay().batch is None
    assert shop.lake.version("raw.events") == version


def test_a_replay_reads_files_in_the_order_in_which_they_were_read(shop):
    """Not by the letters of their names: part 10 of a catalogue still has the last word over part 2."""
    for number in (2, 10):
        shop.put(f"contract/items.{number}.jsonl", [{"item_id": "i", "title": f"part {number}"}, f"nonsense {number}"])
    shop.ingest()
    assert shop.rows("items", "title") == [("part 10",)]
    shop.put("contract/items.2.jsonl", [{"item_id": "i", "title": "part 2, repaired"}])
    shop.replay()
    assert shop.rows("items", "title") == [("part 10",)]


ROWS = st.one_of(
    st.integers(0, 5).map(event), st.just("nonsense"), st.integers(0, 5).map(lambda n: event(n, event_type="look"))
)
FILES = st.lists(st.lists(ROWS, min_size=1, max_size=5), min_size=1, max_size=3)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(broken=FILES, repaired=FILES)
@example(broken=[["nonsense"], [event(0)]], repaired=[[event(0)]])
@example(broken=[["nonsense"], ["nonsense"]], repaired=[[event(0)], [event(0), event(0)]])
def test_any_files_mended_in_any_way_end_as_a_first_load_of_them(tmp_path_factory, broken, repaired):
    # Of files alike the ledger names the one that came first, and a repaired one comes later than it would have.
    assume(all(rows == broken[place] or rows not in broken for place, rows in enumerate(repaired[: len(broken)])))
    root = tmp_path_factory.mktemp("replay")
    shop = Shop(root / "home")
    for place, rows in enumerate(broken):
        shop.put(f"contract/{place}/events.jsonl", rows)
        shop.ingest()
    for place, rows in enumerate(repaired[: len(broken)]):
        is_refused = any(isinstance(row, str) or row["event_type"] == "look" for row in broken[place])
        if is_refused:
            shop.put(f"contract/{place}/events.jsonl", rows)
    shop.replay()
    shop.ingest()  # a file that was the same as another is in the ledger once, and new once it is repaired
    fresh = Shop(root / "fresh")
    for place in range(len(broken)):
        source = shop.home.landing / f"contract/{place}/events.jsonl"
        fresh.put(f"contract/{place}/events.jsonl", source.read_text().splitlines())
        fresh.ingest()
    assert shop.content() == fresh.content()
