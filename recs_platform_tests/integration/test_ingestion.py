"""Files in landing to rows in the lake: every row once, every refusal counted, the same whatever the threads."""

import gzip
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recs_platform.contracts.errors import ModelError
from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import BATCH_TABLES
from recs_platform.lake.tables import Lake
from recs_platform.stages.events import DataSource, ingest, ingestion, load_sources, pending
from recs_platform.stages.events.sources import SourceFile
from recs_platform_tests.connections import shared_connection

SOURCES = load_sources(Path(__file__).parents[2] / "dbt_like_sql" / "sources")
NOW = datetime(2024, 3, 1, tzinfo=UTC)


class Platform:
    """A home under a temporary folder, and the few things a test does with it."""

    def __init__(self, root):
        self.home = Home(root)
        self.lake = Lake(self.home.lake)

    def put(self, name, content):
        path = self.home.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def put_events(self, name, rows):
        self.put(f"contract/{name}", "".join(json.dumps(row) + "\n" for row in rows))

    def ingest(self, *, now=NOW, threads=1, sources=SOURCES, progress=lambda _: None):
        return ingest(self.home, self.lake, sources, shared_connection(threads), now=now, progress=progress)

    def rows(self, table, columns="*", order="all", group=""):
        files = self.lake.files(f"raw.{table}")
        if not files:
            return []
        source = f"read_parquet({files}, hive_partitioning = true, union_by_name = true)"
        return shared_connection().execute(f"select {columns} from {source} {group} order by {order}").fetchall()

    def balance(self):
        for read, accepted, quarantined, duplicate, raw in self.rows(
            "ingestions", "rows_read, rows_accepted, rows_quarantined, rows_duplicate, raw_records"
        ):
            assert read == accepted + quarantined + duplicate
            assert read >= raw
        totals = dict(self.rows("ingestions", "contract_table, sum(rows_quarantined)::int", group="group by 1"))
        held = dict(self.rows("quarantine", "contract_table, count(*)", group="group by 1"))
        assert held == {table: count for table, count in totals.items() if count}


@pytest.fixture
def platform(tmp_path):
    return Platform(tmp_path / "home")


def event(number, **more):
    return {
        "user_id": f"u{number % 3}",
        "item_id": f"i{number}",
        "event_type": "click",
        "occurred_at": f"2024-02-0{1 + number % 9}T00:00:00Z",
    } | more


def counts(report, table="events"):
    total = report.totals[table]
    return total.raw_records, total.rows_read, total.rows_accepted, total.rows_quarantined, total.rows_duplicate


def test_movielens_ratings_titles_and_tags_become_contract_rows(platform):
    platform.put("movielens/ratings.csv", "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,31,2.5,never\n")
    platform.put(
        "movielens/movies.csv",
        'movieId,title,genres\n31,"Minds, Dangerous (1995)",Drama|War\n32,Untitled,(no genres listed)\n',
    )
    platform.put("movielens/tags.csv", "userId,movieId,tag,timestamp\n15,31,brave,1138537770\n")
    report = platform.ingest()
    assert counts(report) == (2, 2, 1, 1, 0)
    assert platform.rows(
        "events", "user_id, item_id, event_type, value, occurred_at::varchar, event_date::varchar, source"
    ) == [("1", "31", "rating", 2.5, "2009-12-14 02:52:24+00", "2009-12-14", "movielens")]
    assert platform.rows("quarantine", "line_number, reason_code") == [(3, "bad_occurred_at")]
    assert platform.rows("items", "item_id, title, category, tags, attributes", "item_id") == [
        ("31", "Minds, Dangerous (1995)", "Drama", ["Drama", "War"], '{"year":1995}'),
        ("32", "Untitled", None, None, None),
    ]
    assert platform.rows("item_tags", "item_id, tag, tagged_at::varchar") == [("31", "brave", "2006-01-29 12:29:30+00")]
    platform.balance()


def test_deskdrop_agents_become_devices_and_exact_repeats_count_as_duplicates(platform, tmp_path):
    header = "timestamp,eventType,contentId,personId,sessionId,userAgent,userRegion,userCountry\n"
    phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 9_3_2 like Mac OS X)"
    lines = [
        "1465413032,VIEW,-1,7,s1,,,",
        "1465413032,VIEW,-1,7,s1,,,",
        f'1465413033,COMMENT CREATED,-1,7,s1,"{phone}",NY,US',
        '1465413034,FOLLOW,-1,8,s2,"Mozilla/5.0 (X11; Linux x86_64), like Gecko",,',
        "1465413035,LIKE,-1,8,s2,Android - Native Mobile App,SP,BR",
        "1465413036,SHRUG,-1,8,s2,,,",
    ]
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("users_interactions.csv", header + "\n".join(lines))
    platform.put("deskdrop/users_interactions.csv.zip", (tmp_path / "z.zip").read_bytes())
    assert counts(platform.ingest()) == (6, 6, 4, 1, 1)
    assert platform.rows("events", "event_type, device, os, region, country", "occurred_at") == [
        ("view", None, None, None, None),
        ("comment", "mobile", "ios", "NY", "US"),
        ("follow", "desktop", "linux", None, None),
        ("like", "mobile", "android", "SP", "BR"),
    ]
    ((code, payload),) = platform.rows("quarantine", "reason_code, payload")
    assert code == "unknown_event_type"
    assert json.loads(payload)["eventType"] == "SHRUG"


def test_one_event_is_one_row_whichever_files_and_runs_bring_it(platform):
    platform.put_events("a/events.jsonl", [event(1, event_id="e1"), event(2, event_id="e2"), event(3, event_id="e1")])
    platform.put_events("b/events.jsonl", [event(9, event_id="e2"), event(4), event(4)])
    assert counts(platform.ingest()) == (6, 6, 3, 0, 3)
    assert platform.rows("events", "item_id", "item_id") == [("i1",), ("i2",), ("i4",)]
    platform.put_events("c/events.jsonl", [event(4), event(5), event(8, event_id="e1")])
    report = platform.ingest(now=NOW + timedelta(days=1))
    assert (report.batch, counts(report)) == (2, (3, 3, 1, 0, 2))
    platform.balance()


def test_nothing_new_says_so_and_writes_nothing(platform):
    platform.put_events("events.jsonl", [event(1)])
    platform.ingest()
    versions = {name: platform.lake.version(name) for name in platform.lake.names()}
    platform.put("contract/copy/events.jsonl", (platform.home.landing / "contract/events.jsonl").read_bytes())
    said = []
    report = platform.ingest(progress=said.append)
    assert report.is_nothing_new
    assert said == ["nothing new in landing"]
    assert pending(platform.home, SOURCES, platform.lake) == []
    assert versions == {name: platform.lake.version(name) for name in platform.lake.names()}


def test_after_the_first_batch_every_raw_table_is_there_with_its_columns(platform):
    platform.put_events("events.jsonl", [event(1)])
    platform.ingest()
    assert platform.lake.names() == sorted(contract.name for contract in BATCH_TABLES)
    for contract in BATCH_TABLES:
        assert set(platform.lake.arrow_schema(contract.name).names) == set(contract.column_names)


def test_broken_files_are_refused_whole_and_do_not_stop_the_others(platform):
    whole = gzip.compress("".join(json.dumps(event(i)) + "\n" for i in range(500)).encode(), mtime=0)
    platform.put("contract/cut/events.jsonl.gz", whole[: len(whole) // 2])
    platform.put("contract/header/events.csv", "user,item\n1,2\n")
    platform.put("contract/page/events.parquet", b"PAR1 no PAR1")
    platform.put("contract/empty/events.jsonl", "")
    platform.put_events("good/events.jsonl", [event(1)])
    report = platform.ingest()
    by_file = {file.source_file.split("/")[1]: file for file in report.files}
    assert [name for name, file in by_file.items() if file.unreadable] == ["cut", "header", "page"]
    assert (by_file["empty"].rows_read, by_file["good"].rows_accepted) == (0, 1)
    assert {row[0] for row in platform.rows("quarantine", "reason_code")} == {"unreadable_file"}
    assert platform.ingest().is_nothing_new
    platform.balance()


def test_bad_lines_are_quarantined_by_their_number_and_good_ones_taken(platform):
    good = json.dumps(event(1))
    platform.put("contract/events.jsonl", f'{good}\n\n{{"broken\n{good[:-1]}, "position": 0}}\n')
    platform.put(
        "contract/events.csv", "user_id,item_id,event_type,occurred_at\nu,i,view,2024-01-01\nu,i\nu,,view,2024-01-01\n"
    )
    assert counts(platform.ingest()) == (6, 6, 2, 4, 0)
    assert platform.rows("quarantine", "source_file, line_number, reason_code") == [
        ("contract/events.csv", 3, "missing_columns"),
        ("contract/events.csv", 4, "missing_item_id"),
        ("contract/events.jsonl", 3, "bad_json"),
        ("contract/events.jsonl", 4, "out_of_range_position"),
    ]
    platform.balance()


def test_a_record_may_yield_several_rows_and_one_that_yields_none_is_quarantined(platform, tmp_path):
    kind = SourceFile(match="lists.jsonl", columns={"u": "varchar", "seen": "varchar[]"}, tables=("events", "users"))
    events = (
        "select line_number, u as user_id, unnest(seen) as item_id, 'impression' as event_type, "
        "'2024-01-01' as occurred_at from raw_records"
    )
    users = "select line_number, u as user_id from raw_records where u <> 'ghost'"
    shop = DataSource("shop", "d", (kind,), (), {"events": events, "users": users}, tmp_path)
    rows = [{"u": "a", "seen": ["i1", "i2", "i2"]}, {"u": "b", "seen": []}, {"u": "ghost", "seen": []}]
    platform.put("shop/lists.jsonl", "\n".join(map(json.dumps, rows)))
    report = platform.ingest(sources={"shop": shop})
    assert counts(report) == (3, 4, 2, 1, 1)
    assert counts(report, "users") == (3, 2, 2, 0, 0)
    assert platform.rows("quarantine", "line_number, contract_table, reason_code") == [(3, "events", "no_contract_row")]


def test_wrong_source_sql_is_named_and_nothing_is_written(platform, tmp_path):
    kind = SourceFile(match="e.jsonl", columns={"u": "varchar"}, tables=("events",))
    shop = DataSource("shop", "d", (kind,), (), {"events": "select nothing from raw_records"}, tmp_path)
    platform.put("shop/e.jsonl", '{"u": "a"}')
    with pytest.raises(ModelError, match=r"events\.sql:1: .* met on shop/e\.jsonl"):
        platform.ingest(sources={"shop": shop})
    assert platform.lake.names() == []
    assert not any(platform.home.batches.glob("*"))


def test_the_catalogue_keeps_the_last_row_of_an_item_and_every_version_of_it(platform):
    first = [
        {"item_id": "a", "title": "A"},
        {"item_id": "b", "title": "B", "tags": ["x"]},
        {"item_id": "a", "title": "A2"},
        {"item_id": ""},
    ]
    platform.put_events("items.jsonl", first)
    assert counts(platform.ingest(), "items") == (4, 4, 2, 1, 1)
    later = NOW + timedelta(days=1)
    platform.put_events(
        "2/items.jsonl",
        [{"item_id": "b", "title": "B", "tags": ["x"]}, {"item_id": "a", "title": "A3"}, {"item_id": "c"}],
    )
    assert counts(platform.ingest(now=later), "items") == (3, 3, 2, 0, 1)
    assert platform.rows("items", "item_id, title", "item_id") == [("a", "A3"), ("b", "B"), ("c", None)]
    day = "strftime(valid_from, '%d'), strftime(valid_to, '%d')"
    assert platform.rows("item_history", f"item_id, title, {day}", "item_id, valid_from") == [
        ("a", "A2", "01", "02"), ("a", "A3", "02", None), ("b", "B", "01", None), ("c", None, "02", None),
    ]  # fmt: skip
    platform.balance()


def test_a_file_no_source_knows_is_named_and_left(platform):
    platform.put("contract/notes.txt", "?")
    platform.put("stranger/events.csv", "?")
    platform.put("movielens/README.txt", "known and ignored")
    platform.put_events("events.jsonl", [event(1)])
    assert platform.ingest().unknown_files == ("contract/notes.txt", "stranger/events.csv")


def test_the_same_files_give_the_same_rows_at_one_and_at_two_threads(tmp_path):
    rows = [event(i % 40, session_id=f"s{i % 7}", event_id=None if i % 3 else f"e{i % 11}") for i in range(400)]
    seen = []
    for threads in (1, 2):
        platform = Platform(tmp_path / str(threads))
        platform.put_events("events.jsonl", rows)
        platform.put_events("more/events.jsonl", rows[::-1])
        platform.ingest(threads=threads)
        seen.append([platform.rows(table) for table in ("events", "quarantine", "ingestions")])
    assert seen[0] == seen[1]


def test_csv_jsonl_and_parquet_of_the_same_events_are_the_same_events(platform, tmp_path):
    rows = [event(i, position=i, tags=None) for i in range(1, 9)]
    platform.put_events("events.jsonl", rows)
    lines = f"{platform.home.landing}/contract/events.jsonl"
    for suffix in ("csv", "parquet", "csv.zst"):
        select = "select user_id, item_id, event_type, occurred_at, position::integer as position"
        shared_connection().execute(f"copy ({select} from read_json('{lines}')) to '{tmp_path}/events.{suffix}'")
        platform.put(f"contract/events.{suffix}", (tmp_path / f"events.{suffix}").read_bytes())
    assert counts(platform.ingest()) == (32, 32, 8, 0, 24)


def test_a_batch_sealed_by_a_run_that_died_is_finished_by_the_next_one(platform, monkeypatch):
    class Killed(BaseException):
        pass

    def recover_first_only(*arguments):
        monkeypatch.setattr(ingestion, "recover", die)
        return recover(*arguments)

    def die(*_arguments):
        raise Killed

    recover = ingestion.recover
    monkeypatch.setattr(ingestion, "recover", recover_first_only)
    platform.put_events("events.jsonl", [event(1), event(2)])
    with pytest.raises(Killed):
        platform.ingest()
    assert platform.lake.names() == []
    monkeypatch.setattr(ingestion, "recover", recover)
    report = platform.ingest(now=NOW + timedelta(days=1))
    assert (report.recovered, report.is_nothing_new) == ((1,), True)
    assert platform.rows("events", "item_id, ingested_at::date::varchar", "item_id") == [
        ("i1", "2024-03-01"),
        ("i2", "2024-03-01"),
    ]
    platform.balance()


def test_a_name_that_looks_like_a_pattern_is_read_as_that_one_file(platform):
    platform.put_events("events.[ab].jsonl", [event(1)])
    platform.put_events("events.a.jsonl", [event(2), event(3)])
    assert [file.rows_accepted for file in platform.ingest().files] == [1, 2]


def test_numbers_and_structs_that_a_source_declares_reach_its_sql(platform, tmp_path):
    kind = SourceFile(
        match="e.jsonl", columns={"u": "varchar", "ms": "bigint", "client": "struct(os varchar)"}, tables=("events",)
    )
    sql = (
        "select line_number, u as user_id, u as item_id, 'view' as event_type, make_timestamptz(ms * 1000) "
        "as occurred_at, client['os'] as os from raw_records"
    )
    shop = DataSource("shop", "d", (kind,), (), {"events": sql}, tmp_path)
    platform.put("shop/e.jsonl", '{"u": "a", "ms": 1700000000000, "client": {"os": "ios"}}\n{"u": "b", "ms": "x"}\n')
    assert counts(platform.ingest(sources={"shop": shop})) == (2, 2, 1, 1, 0)
    assert platform.rows("events", "occurred_at::varchar, os") == [("2023-11-14 22:13:20+00", "ios")]
