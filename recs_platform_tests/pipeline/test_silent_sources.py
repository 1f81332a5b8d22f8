"""Sources that have had no event for longer than the days that data quality looks at, as the log tells it."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import polars as pl

from recs_platform.pipeline import quality_facts

AS_OF = datetime(2024, 6, 1, tzinfo=UTC)


class Log:
    """A model run over events that are given as days before the as-of by source."""

    def __init__(self, days: dict[str, tuple[float, ...]]) -> None:
        at = [(source, AS_OF - timedelta(days=ago), AS_OF) for source, each in days.items() for ago in each]
        schema = {"source": pl.String, "occurred_at": pl.Datetime("us", "UTC"), "ingested_at": pl.Datetime("us", "UTC")}
        self.events, self.asked = pl.DataFrame(at, schema=schema, orient="row"), 0

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def require(self, name: str) -> str:
        return name

    def query(self, sql: str) -> pl.DataFrame:
        import duckdb

        self.asked += 1
        with duckdb.connect() as con:
            con.execute("set TimeZone = 'UTC'; create schema raw").register("given", self.events)
            con.execute("create table raw.events as from given")
            return con.sql(sql).pl()


def silent(log: Log, *recent: str) -> list[tuple[Any, ...]]:
    """Of a run whose ledger knows every source of the log, and whose daily quality those that are `recent`."""
    daily = pl.DataFrame({"source": recent}, schema={"source": pl.String})
    run = SimpleNamespace(as_of=AS_OF, known_at=AS_OF, once=lambda *_: daily, models=lambda: log)
    ledger = log.events.select("source", pl.lit(1).alias("rows_accepted"))
    return quality_facts._silent(cast("Any", run), ledger).rows()  # pyright: ignore[reportPrivateUsage]


def test_the_last_day_and_the_longest_gap_before_it() -> None:
    log = Log({"old": (45.5, 46.5, 60.5), "once": (200.25,), "later": (-3.0,), "shop": (0.5,)})
    assert silent(log, "shop") == [("old", 45, 13), ("once", 200, None)]


def test_where_every_source_is_recent_the_log_is_not_read() -> None:
    log = Log({"shop": (0.5,)})
    assert silent(log, "shop") == []
    assert log.asked == 0
