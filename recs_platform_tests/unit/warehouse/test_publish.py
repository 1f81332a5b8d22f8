"""Publishing never disturbs a reader, and a published file holds what the lake held."""

import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from recs_platform.contracts.errors import ContractError, NotReady, RecsError, UsageError
from recs_platform.contracts.tables import EVENTS, ITEMS, RELEASES
from recs_platform.lake.processes import process_name
from recs_platform.lake.tables import Lake
from recs_platform.warehouse import database_files
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.models import Models, load_models
from recs_platform.warehouse.publish import PublishReport, export, publish
from recs_platform.warehouse.published_sources import SUFFIX
from recs_platform.warehouse.published_tables import published_contract, published_model
from recs_platform.warehouse.query import query
from recs_platform.warehouse.runner import ModelRun

Publish = Callable[..., PublishReport]
Events = Callable[..., pl.DataFrame]
Instant = Callable[..., datetime]

ONE_CORE = DatabaseOptions(1, 1)


@pytest.fixture
def models(folder: Path, activity: None) -> Models:
    return load_models(folder, (EVENTS, ITEMS))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "home of mine" / "published" / "analytics.duckdb"


@pytest.fixture
def do_publish(lake: Lake, target: Path, tmp_path: Path, models: Models) -> Publish:
    empty = {name: [None] for name in RELEASES.column_names}

    def start(publish_id: str = "p1", *, events_max: int = 100, as_ofs_max: int = 2, **options: bool) -> PublishReport:
        releases = pl.DataFrame({**empty, "release_id": ["r1"], "n_rows": [3]})
        return publish(
            lake,
            target,
            tables=(
                published_contract(EVENTS),
                published_contract(ITEMS),
                published_model(models.get("features.activity"), is_as_of=True),
                published_contract(RELEASES, releases),
            ),
            options=DatabaseOptions(1, 1, tmp_path / "spill"),
            rows_max=events_max,
            as_ofs_max=as_ofs_max,
            publish_id=publish_id,
            **options,
        )

    return start


@pytest.fixture
def ask(target: Path) -> Callable[[str], list[tuple[object, ...]]]:
    return lambda sql: query(target, sql, ONE_CORE).rows()


@pytest.fixture
def built(lake: Lake, con: duckdb.DuckDBPyConnection, models: Models, events: Events, instant: Instant) -> None:
    lake.append("raw.events", events(("a", "u1", 1), ("b", "u1", 2), ("c", "u2", 5)), partition_by=("event_date",))
    for number in (3, 4, 6):
        run = ModelRun(con, lake, models, (), as_of=instant(number), known_at=instant(31))
        run.materialize("features.activity")


@pytest.mark.usefixtures("built")
def test_every_table_is_there_in_order_with_types_and_comments(
    do_publish: Publish, target: Path, ask: Callable[[str], list[tuple[object, ...]]]
) -> None:
    report = do_publish()
    assert report.table_rows == {
        "raw.events": 3, "raw.items": 0, "features.activity": 3, "recommendations.releases": 1,
    }  # fmt: skip
    assert (report.path, report.linked, report.size_bytes) == (target, (), target.stat().st_size)
    described = ask("describe raw.events")
    types = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
    assert [row[:2] for row in described] == [(col.name, types.get(col.dtype, col.dtype)) for col in EVENTS.columns]
    assert ask("select comment from duckdb_tables() where table_name = 'events'") == [(EVENTS.description,)]
    assert ask(
        "select comment from duckdb_columns() where table_name = 'events' and column_name = 'dwell_seconds'"
    ) == [("Time spent on the item [seconds]",)]
    assert ask("select release_id, n_rows, as_of from recommendations.releases") == [("r1", 3, None)]
    assert sorted(path.name for path in target.parent.iterdir()) == [
        target.name,
        f"{target.name}{SUFFIX}",
        "publish.lock",
    ]


@pytest.mark.usefixtures("built")
def test_the_newest_instants_are_kept(
    do_publish: Publish, ask: Callable[[str], list[tuple[object, ...]]], instant: Instant
) -> None:
    do_publish()
    assert ask("select distinct as_of from features.activity order by 1") == [(instant(4),), (instant(6),)]
    do_publish(as_ofs_max=1)
    assert ask("select distinct as_of from features.activity") == [(instant(6),)]


@pytest.mark.usefixtures("built")
def test_many_events_are_a_view_that_outlives_the_lake_files(
    do_publish: Publish, lake: Lake, ask: Callable[[str], list[tuple[object, ...]]], target: Path
) -> None:
    question = "select event_id, event_date, value from raw.events order by 1"
    do_publish()
    as_table = ask(question)
    assert "raw.events" in do_publish("p2", events_max=2).linked
    lake.delete("raw.events", "user_id = 'u1'")
    lake.vacuum("raw.events", retention_hours=0)
    assert ask(question) == as_table
    assert ask("select comment from duckdb_views() where view_name = 'events'") == [(EVENTS.description,)]
    do_publish("p3", events_max=0)
    assert [row[0] for row in ask(question)] == ["c"]
    do_publish("p4", events_max=0)
    assert sorted(folder.name for folder in (target.parent / "files").iterdir()) == ["p3", "p4"]
    do_publish("p4", events_max=0, keep_older=False)
    assert [folder.name for folder in (target.parent / "files").iterdir()] == ["p4-2"]
    assert [row[0] for row in ask(question)] == ["c"]
    assert not do_publish("p5", keep_older=False).linked
    assert [row[0] for row in ask(question)] == ["c"]


@pytest.mark.usefixtures("built")
def test_many_rows_of_several_instants_are_a_view_that_says_the_same_in_any_zone(
    do_publish: Publish, lake: Lake, target: Path
) -> None:
    def asked() -> list[tuple[object, ...]]:
        with duckdb.connect(target, read_only=True) as con:
            con.execute("set timezone = 'Asia/Tokyo'")
            return con.sql("select epoch_us(as_of), * exclude (as_of) from features.activity order by all").fetchall()

    do_publish()
    as_table = asked()
    assert len({row[0] for row in as_table}) > 1
    assert "features.activity" in do_publish("p2", events_max=0).linked
    lake.delete("features.activity", "user_id is not null")
    lake.vacuum("features.activity", retention_hours=0)
    assert asked() == as_table


@pytest.mark.usefixtures("built")
def test_what_a_killed_publish_left_is_removed(do_publish: Publish, target: Path) -> None:
    do_publish("p1", events_max=0)
    leftovers = [target.with_name(f"{target.name}.tmp-1"), target.with_name(f"{target.name}.tmp-1.wal")]
    for leftover in leftovers:
        leftover.write_text("half")
    (target.parent / "files" / "dead").mkdir()
    do_publish("p2", events_max=0)
    assert not any(leftover.exists() for leftover in leftovers)
    assert sorted(folder.name for folder in (target.parent / "files").iterdir()) == ["p1", "p2"]


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("events_max", [0, 100])
def test_a_reader_keeps_its_snapshot_while_the_file_is_published_again(
    do_publish: Publish, lake: Lake, target: Path, events: Events, events_max: int
) -> None:
    do_publish("p1", events_max=events_max)
    command = [sys.executable, str(Path(__file__).with_name("reader.py")), str(target), "20"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        lake.append("raw.events", events(("d", "u3", 3)), partition_by=("event_date",))
        do_publish("p2", events_max=events_max)
        answers, _ = reader.communicate("enough\n", timeout=20)
    assert (reader.returncode, answers) == (0, "[(3, 0.1)]\n")
    assert query(target, "select count(*) from raw.events", ONE_CORE).item() == 4


@pytest.mark.usefixtures("built")
def test_an_export_needs_no_other_file(do_publish: Publish, target: Path, tmp_path: Path) -> None:
    do_publish("p1", events_max=0)
    options = DatabaseOptions(1, 1, tmp_path / "spill")
    rows = export(target, tmp_path / "out.duckdb", options, say=pytest.fail)
    assert rows["raw.events"] == 3
    for path in sorted((target.parent / "files").rglob("*.parquet")):
        path.unlink()
    asked = query(tmp_path / "out.duckdb", "select count(*) from raw.events", ONE_CORE)
    assert asked.item() == 3
    comment = query(
        tmp_path / "out.duckdb",
        "select comment from duckdb_tables() where table_name = 'events'",
        ONE_CORE,
    )
    assert comment.item() == EVENTS.description
    with pytest.raises(UsageError, match="does not exist"):
        export(target, tmp_path / "no" / "out.duckdb", options, say=pytest.fail)
    with pytest.raises(UsageError, match="is a folder"):
        export(target, tmp_path, options, say=pytest.fail)
    with pytest.raises(UsageError, match="published file itself"):
        export(target, target.parent / "." / target.name, options, say=pytest.fail)
    with pytest.raises(NotReady, match="published"):
        export(tmp_path / "nothing", tmp_path / "out.duckdb", options, say=pytest.fail)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "sql", ["selec 1", "select 1 from raw.nothing", "drop table raw.events", "select 'a'::integer", "set threads = 1"]
)
def test_wrong_sql_is_the_callers_mistake(do_publish: Publish, target: Path, sql: str) -> None:
    do_publish()
    with pytest.raises(UsageError):
        query(target, sql, ONE_CORE)


def test_nothing_published_says_what_to_do(target: Path) -> None:
    with pytest.raises(NotReady, match="recs run"):
        query(target, "select 1", ONE_CORE)


def test_a_publish_that_fails_leaves_the_old_file_and_nothing_else(
    do_publish: Publish, lake: Lake, target: Path, tmp_path: Path
) -> None:
    assert do_publish().table_rows["raw.events"] == 0
    before = target.read_bytes()
    lacking = published_contract(RELEASES, pl.DataFrame({"release_id": ["r2"]}))
    with pytest.raises(ContractError, match="sealed_at"):
        publish(
            lake,
            target,
            tables=(published_contract(EVENTS), lacking),
            options=DatabaseOptions(1, 1, tmp_path / "spill"),
            rows_max=1,
            as_ofs_max=1,
            publish_id="p2",
        )
    assert target.read_bytes() == before
    assert sorted(path.name for path in target.parent.iterdir()) == [
        target.name,
        f"{target.name}{SUFFIX}",
        "publish.lock",
    ]


def _crashed_writer(file: Path, *, rows_removed: str) -> bytes:
    """The log that a killed writer leaves beside a file of the same tables."""
    code = (
        "import duckdb, os, sys\n"
        "con = duckdb.connect(sys.argv[1])\n"
        "con.execute('pragma disable_checkpoint_on_shutdown')\n"
        "con.execute(\"set wal_autocheckpoint = '1TB'\")\n"
        "con.execute(sys.argv[2])\n"
        "os._exit(9)\n"
    )
    file.chmod(0o644)
    subprocess.run([sys.executable, "-c", code, str(file), f"delete from raw.events where {rows_removed}"], check=False)
    return file.with_name(f"{file.name}.wal").read_bytes()


@pytest.mark.usefixtures("built")
def test_the_log_of_a_crashed_writer_never_reaches_a_published_file(do_publish: Publish, target: Path) -> None:
    do_publish()
    left = _crashed_writer(target, rows_removed="user_id = 'u1'")
    report = do_publish("p2")
    assert query(target, "select count(*) from raw.events", ONE_CORE).item() == 3
    aside = target.with_name(f"{target.name}.foreign-1.wal")
    assert aside.read_bytes() == left
    assert [aside.name in sentence for sentence in report.set_aside] == [True]
    assert not target.with_name(f"{target.name}.wal").exists()


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("suffix", [".wal", ".wal.checkpoint", ".wal.recovery"])
def test_a_log_that_appears_after_the_publish_is_set_aside_by_who_reads(
    do_publish: Publish, target: Path, tmp_path: Path, suffix: str
) -> None:
    do_publish()
    log = target.with_name(f"{target.name}{suffix}")
    log.write_bytes(_crashed_writer(target, rows_removed="true"))
    do_publish("p2")
    log.write_bytes(b"another's")
    told: list[str] = []
    count = query(target, "select count(*) from raw.events", ONE_CORE, say=told.append)
    assert (count.item(), log.exists(), len(told)) == (3, False, 1)
    log.write_bytes(b"another's")
    copy, options = tmp_path / "copy.duckdb", DatabaseOptions(1, 1, tmp_path / "spill")
    copy.with_name(f"copy.duckdb{suffix}").write_bytes(b"another's")
    assert export(target, copy, options, say=told.append)["raw.events"] == 3
    assert len(told) == 3
    assert query(copy, "select count(*) from raw.events", ONE_CORE, say=pytest.fail).item() == 3
    assert len(list(target.parent.glob("*.foreign-*"))) == 3 + (suffix != ".wal")


@pytest.mark.usefixtures("built")
def test_a_file_that_lost_rows_while_it_was_written_is_never_moved_into_place(
    do_publish: Publish, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_publish()
    before = target.read_bytes()
    honest = database_files.count_rows
    monkeypatch.setattr(
        database_files, "count_rows", lambda con, source: honest(con, source) - (source == 'a."raw"."events"')
    )
    with pytest.raises(ContractError, match=r"raw\.events has 2 rows of 3"):
        do_publish("p2")
    assert target.read_bytes() == before
    assert sorted(path.name for path in target.parent.iterdir()) == [
        target.name,
        f"{target.name}{SUFFIX}",
        "publish.lock",
    ]


@pytest.mark.usefixtures("built")
def test_the_published_file_is_read_only_and_is_replaced_all_the_same(do_publish: Publish, target: Path) -> None:
    for publish_id in ("p1", "p2"):
        do_publish(publish_id)
        assert target.stat().st_mode & 0o777 == 0o444


@pytest.mark.usefixtures("built")
def test_who_has_it_open_for_writing_is_named_and_the_next_publish_does_not_wait(
    do_publish: Publish, target: Path
) -> None:
    do_publish()
    target.chmod(0o644)
    code = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.readline()"
    command = [sys.executable, "-c", code, str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(RecsError, match=f"open for writing in process {writer.pid}") as told:
            query(target, "select 1", ONE_CORE)
        assert "\n" not in str(told.value)
        do_publish("p2")
        assert query(target, "select count(*) from raw.events", ONE_CORE).item() == 3
        writer.communicate("enough\n", timeout=20)


def test_a_file_that_is_no_database_says_how_to_write_it_anew(target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_text("not a database at all")
    with pytest.raises(RecsError, match="recs publish"):
        query(target, "select 1", ONE_CORE)


@pytest.mark.usefixtures("built")
def test_an_export_removes_what_dead_exports_left_and_nothing_else(
    do_publish: Publish, target: Path, tmp_path: Path
) -> None:
    do_publish()
    copy = tmp_path / "out [1].duckdb"
    pid, start = process_name().split("-")
    abandoned = [copy.with_name(f"{copy.name}.tmp-{pid}-{start}x.0a0b0c0d{log}") for log in ("", ".wal")]
    living = copy.with_name(f"{copy.name}.tmp-{process_name()}.0a0b0c0d")
    for file in (*abandoned, living):
        file.write_text("half")
    export(target, copy, DatabaseOptions(1, 1, tmp_path / "spill"), say=pytest.fail)
    assert sorted(path.name for path in tmp_path.glob("out*")) == sorted([copy.name, living.name])
