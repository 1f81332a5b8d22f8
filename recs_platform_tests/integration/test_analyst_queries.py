"""Every query of docs/analysts.md runs on the published file, and every mart is explained there and in `meta`."""

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import LISTS, LISTS_HISTORY
from recs_platform_tests.homes import Built

DOCUMENT = Path(__file__).parents[2] / "docs" / "analysts.md"
QUERIES = re.findall(r"^```sql\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
PERFORMANCE = "marts.recommendation_performance"
EXAMPLES_A_MART = 3
# What a quiet world may be without: bots, drift, verdicts that warn, clusters, an as-of before, parts nobody asked for.
MAY_BE_EMPTY = {
    "marts.bot_like_users", "marts.list_changes", "reports.drift", "reports.verdicts", "segments.cluster_profiles",
    "segments.migrations", "latest.score_parts",
}  # fmt: skip


@pytest.fixture(scope="module")
def published(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published file with what became of its lists, had they been made ten days earlier."""
    platform, path = built.platform, tmp_path_factory.mktemp("published") / "analytics.duckdb"
    with platform.model_run(built.as_of, built.known_at) as run:
        earlier = run.frame(LISTS.name).with_columns(pl.col(c.AS_OF) - timedelta(days=10))
    with platform.model_run(built.as_of, built.known_at, scratch=True) as run:
        run.register(LISTS_HISTORY.name, earlier)
        performance = run.frame(PERFORMANCE)
    shutil.copy(platform.home.analytics, path)
    with duckdb.connect(str(path)) as con:
        con.register("later", performance.to_arrow())
        con.execute(f"insert into {PERFORMANCE} from later")
    return path


@pytest.fixture(scope="module")
def con(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(published), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


@pytest.fixture(scope="module")
def marts(con: duckdb.DuckDBPyConnection) -> list[str]:
    rows = con.execute(
        "select table_name from information_schema.tables where table_schema = 'marts' order by 1"
    ).fetchall()
    return [f"marts.{name}" for (name,) in rows]


def test_every_query_runs_and_finds_what_there_is(con: duckdb.DuckDBPyConnection) -> None:
    found_nothing = [query for query in QUERIES if con.execute(query).fetchall() == []]
    assert QUERIES
    assert [query for query in found_nothing if not any(name in query for name in MAY_BE_EMPTY)] == []


def test_every_mart_is_described_and_has_three_examples(con: duckdb.DuckDBPyConnection, marts: list[str]) -> None:
    examples = {mart: sum(re.search(rf"{mart}\b", query) is not None for query in QUERIES) for mart in marts}
    assert {mart: count for mart, count in examples.items() if count < EXAMPLES_A_MART} == {}
    described = con.execute("select table_name from meta.tables where description <> '' and grain <> ''").fetchall()
    assert set(marts) <= {name for (name,) in described}


def test_every_column_of_a_mart_is_described_and_every_number_has_a_unit(con: duckdb.DuckDBPyConnection) -> None:
    bare = con.execute(
        "with shown as (select 'marts.' || table_name as mart, column_name, data_type "
        "from information_schema.columns where table_schema = 'marts') "
        "select mart, shown.column_name from shown left join meta.columns as described "
        "on described.table_name = mart and described.column_name = shown.column_name "
        "where coalesce(description, '') = '' or (unit = '' and shown.data_type in ('BIGINT', 'DOUBLE', 'INTEGER'))"
    ).fetchall()
    assert bare == []


def test_what_became_of_lists_agrees_with_the_events(con: duckdb.DuckDBPyConnection, built: Built) -> None:
    """Counted again over the raw events of the seven days."""
    found = con.execute(f"select recommended_count, shown_count_7d from {PERFORMANCE} where rank = 0").fetchall()
    start, end = built.as_of - timedelta(days=10), built.as_of - timedelta(days=3)
    expected = con.execute(
        "with lists as (from recommendations.current anti join "
        "(from raw.users where not consent_personalization) using (user_id)), "
        "shown as (select distinct user_id, item_id from raw.events anti join raw.event_flags using (event_id) "
        "where event_type = 'impression' and occurred_at >= $start and occurred_at < $end) "
        "select count(*), count(shown.item_id) from lists left join shown using (user_id, item_id)",
        {"start": start, "end": end},
    ).fetchall()
    assert found == expected
    assert found[0][1] > 0


def test_the_grain_that_meta_tells_identifies_the_rows_of_each_table(con: duckdb.DuckDBPyConnection) -> None:
    told = dict(con.execute("select table_name, grain from meta.tables where kind <> 'view'").fetchall())
    assert {table for table, grain in told.items() if not grain} == set()
    assert [table for table, grain in told.items() if _rows_of_one_grain(con, table, grain) > 1] == []


def _rows_of_one_grain(con: duckdb.DuckDBPyConnection, table: str, grain: str) -> int:
    """The most rows of a table that its grain does not tell apart."""
    columns = ", ".join(f'"{name}"' for name in grain.split(", "))
    most = f"select max(n) from (select count(*) as n from {table} group by {columns})"
    return con.execute(most).fetchall()[0][0] or 0
