"""Connections leave nothing behind, and remove what killed ones left."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from recs_platform.lake.processes import process_name
from recs_platform.warehouse.connection import connect, lend, open_cursor


def test_what_killed_processes_spilled_is_removed_and_what_living_ones_spill_stays(tmp_path: Path) -> None:
    pid, start = process_name().split("-")
    dead, living = tmp_path / f"spill-{pid}-{start}x-1", tmp_path / f"spill-{pid}-{start}-1"
    for folder in (dead, living):
        folder.mkdir()
        (folder / "half.tmp").write_text("spilled")
    connect(memory_limit_gb=1, threads=1, temporary=tmp_path).close()
    assert list(tmp_path.iterdir()) == [living]


def test_duckdb_draws_no_bar_of_its_own() -> None:
    con = connect(memory_limit_gb=1, threads=1)
    for each in (con, con.cursor()):
        assert each.execute("select current_setting('enable_progress_bar')").fetchall() == [(False,)]
    con.close()


def test_the_next_to_whom_a_database_is_lent_finds_nothing_of_those_before(tmp_path: Path) -> None:
    held = "select database_name, count(*) from duckdb_tables() group by all"
    settings = "select current_setting('TimeZone'), current_setting('enable_progress_bar')"
    limits = "select current_setting('memory_limit'), current_setting('temp_directory')"
    for memory_limit_gb, temporary in ((1.0, tmp_path / "it's one"), (2.0, tmp_path / "two"), (2.0, tmp_path / "two")):
        with lend(memory_limit_gb=memory_limit_gb, threads=1, temporary=temporary) as con:
            assert con.execute(held).fetchall() == []
            con.execute("create schema raw; create table raw.one as select 1 as n; create macro twice(n) as 2 * n")
            con.execute("create type letters as enum ('a'); create temp table raw_one as select 1 as n")
            with open_cursor(con) as cursor, open_cursor(cursor) as other:
                assert cursor.execute("select twice(n) from raw.one").fetchall() == [(2,)]
                assert other.execute(settings).fetchall() == con.execute(settings).fetchall() == [("UTC", False)]
            memory, spill = con.execute(limits).fetchall()[0]
            assert memory.startswith({1.0: "953.6", 2.0: "1.8"}[memory_limit_gb])
            assert Path(spill).parent == temporary
            assert temporary.is_dir()


def test_what_is_lent_at_once_is_apart(tmp_path: Path) -> None:
    with lend(memory_limit_gb=1, threads=1, temporary=tmp_path) as one:
        one.execute("create table t as select 1 as n")
        with lend(memory_limit_gb=1, threads=1, temporary=tmp_path) as two:
            two.execute("create table t as select 2 as n")
            assert [each.execute("from t").fetchall() for each in (one, two)] == [[(1,)], [(2,)]]


def test_a_database_that_is_not_given_back_in_order_is_closed(tmp_path: Path) -> None:
    lent: list[duckdb.DuckDBPyConnection] = []

    def fails() -> None:
        with lend(memory_limit_gb=1, threads=1, temporary=tmp_path) as con:
            con.execute("create table t as select 1 as n")
            lent.append(con)
            con.execute("from nothing")

    with pytest.raises(duckdb.CatalogException):
        fails()
    with lend(memory_limit_gb=1, threads=1, temporary=tmp_path) as con:
        assert con is not lent[0]
        assert con.execute("select count(*) from duckdb_tables()").fetchall() == [(0,)]


def test_what_a_user_spilled_and_read_stays_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "numbers.parquet"
    with lend(memory_limit_gb=0.02, threads=1, temporary=tmp_path / "spills") as con:
        con.execute("create table t as select range as n, md5(range::varchar) as text from range(600_000)")
        con.execute(f"copy (from t limit 1000) to '{file}'")
        assert list((tmp_path / "spills").iterdir())
    assert list((tmp_path / "spills").iterdir()) == []
    with lend(memory_limit_gb=0.02, threads=1, temporary=tmp_path / "spills") as con:
        con.execute(f"select sum(n) from '{file}'").fetchall()
    with lend(memory_limit_gb=0.02, threads=1, temporary=tmp_path / "spills") as con:
        assert con.execute("select sum(memory_usage_bytes) < 100_000 from duckdb_memory()").fetchall() == [(True,)]


def test_what_a_user_attached_is_closed(tmp_path: Path) -> None:
    """The next user would find it, and the file would stay locked."""
    with lend(memory_limit_gb=1, threads=1, temporary=tmp_path) as con:
        con.execute(f"attach '{tmp_path / 'other.duckdb'}' as other")
    with lend(memory_limit_gb=1, threads=1, temporary=tmp_path) as con:
        assert con.execute("select * from duckdb_databases() where database_name = 'other'").fetchall() == []


_FORK = """
import os, sys
from pathlib import Path
from recs_platform.warehouse.connection import lend
limits = {"memory_limit_gb": 1, "threads": 2, "temporary": Path(sys.argv[1])}
def use():
    for _ in range(2):
        with lend(**limits) as one, lend(**limits) as two, lend(**limits) as three:
            three.execute("select 1")
use()
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
use()
os._exit(7)
"""


def test_a_forked_child_has_databases_of_its_own(tmp_path: Path) -> None:
    """To close one of its parent would wait for threads that are not there."""
    with subprocess.Popen([sys.executable, "-c", _FORK, tmp_path], start_new_session=True) as parent:
        try:
            assert parent.wait(timeout=30) == 7
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)


@pytest.mark.parametrize(("rows", "is_kept"), [(1_000, True), (6_000_000, False)])
def test_an_instance_that_held_much_is_closed(tmp_path: Path, rows: int, *, is_kept: bool) -> None:
    # What only this instance was told says whether the next user has the same one.
    with lend(memory_limit_gb=1, threads=1, temporary=tmp_path) as con:
        con.execute("set global default_null_order = 'nulls_first'")
        con.execute(f"create table t as select hash(range) as n from range({rows})")
    with lend(memory_limit_gb=1, threads=1, temporary=tmp_path) as con:
        order = con.execute("select current_setting('default_null_order')").fetchall()[0][0]
        con.execute("reset global default_null_order")
    assert (order.lower() == "nulls_first") is is_kept
