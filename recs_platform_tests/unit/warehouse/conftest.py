"""A folder of models, an empty lake and a connection for the tests of this room."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from recs_platform.contracts.tables import EVENTS
from recs_platform.lake.tables import Lake
from recs_platform.warehouse.connection import connect

WriteModel = Callable[..., None]


def yml(name: str, columns: Mapping[str, str], *, grain: str = "", more: str = "") -> str:
    """The yml of a model; `more` are keys of the model, or of the file where it starts with `unit_tests`."""
    lines = [f"      - {{name: {column}, data_type: '{dtype}', description: It}}" for column, dtype in columns.items()]
    head = [f"  - name: {name}", "    description: Rows", f"    meta: {{grain: [{grain}]}}"]
    of_file = more.startswith("unit_tests")
    own = [] if of_file or not more else [f"    {more}"]
    return "\n".join(["models:", *head, *own, "    columns:", *lines, *([more] if of_file else [])]) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def write_model(folder: Path) -> WriteModel:
    def write(name: str, sql: str, columns: Mapping[str, str], *, grain: str = "", more: str = "") -> None:
        schema, table = name.split(".")
        (folder / schema).mkdir(exist_ok=True)
        (folder / schema / f"{table}.sql").write_text(sql)
        (folder / schema / f"{table}.yml").write_text(yml(table, columns, grain=grain, more=more))

    return write


@pytest.fixture
def activity(write_model: WriteModel) -> None:
    """Events as of an instant (view), events a user (table), the busiest user (table)."""
    write_model(
        "staging.stg_events",
        "select event_id, user_id, occurred_at, value, from raw.events\n"
        "where occurred_at < $as_of and ingested_at <= $known_at -- not $this",
        {"event_id": "varchar", "user_id": "varchar", "occurred_at": "timestamptz", "value": "double"},
        grain="event_id",
        more="config: {materialized: view}",
    )
    write_model(
        "features.activity",
        "with events as (select * from staging.stg_events)\n"
        "select $as_of as as_of, user_id, count(*) as event_count, sum(value::decimal(38, 9)) as value_sum,\n"
        "    list(event_id order by event_id) as event_ids,\nfrom events group by user_id;",
        {
            "as_of": "timestamptz", "user_id": "varchar", "event_count": "integer", "value_sum": "double",
            "event_ids": "varchar[]",
        },
        grain="user_id",
    )  # fmt: skip
    write_model(
        "marts.busiest",
        "select $as_of as as_of, max(event_count) as event_count from features.activity",
        {"as_of": "timestamptz", "event_count": "bigint"},
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "home of mine" / "lake")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = connect(memory_limit_gb=1, threads=2)
    yield connection
    connection.close()


def day(number: int, hour: int = 0) -> datetime:
    return datetime(2020, 1, number, hour, tzinfo=UTC)


@pytest.fixture
def instant() -> Callable[..., datetime]:
    return day


@pytest.fixture
def events() -> Callable[..., pl.DataFrame]:
    """Rows of raw.events from (event_id, user_id, day of January 2020); value 0.1, learned of when it happened."""

    def rows(*given: tuple[str, str, int]) -> pl.DataFrame:
        texts = {column.name: pl.String for column in EVENTS.columns if column.dtype == "VARCHAR"}
        frame = pl.DataFrame(
            {
                "event_id": [event for event, _, _ in given],
                "file_hash": "f",
                "user_id": [user for _, user, _ in given],
                "item_id": "i",
                "event_type": "view",
                "occurred_at": [day(number) for _, _, number in given],
                "source": "s",
            },
            schema_overrides={**texts, "occurred_at": pl.Datetime("us", "UTC")},
        ).with_columns(
            pl.col("occurred_at").alias("ingested_at"),
            pl.col("occurred_at").dt.date().alias("event_date"),
            pl.lit(0.1).alias("value"),
        )
        types = {"DOUBLE": pl.Float64, "INTEGER": pl.Int32, "VARCHAR": pl.String}
        missing = [
            pl.lit(None, types[column.dtype]).alias(column.name)
            for column in EVENTS.columns
            if column.name not in frame.columns
        ]
        return frame.with_columns(missing).select(EVENTS.column_names)

    return rows
