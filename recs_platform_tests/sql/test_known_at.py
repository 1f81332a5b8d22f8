"""What was recorded can be rebuilt: with its known_at, features have the content they had before late data came."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.lake.tables import Lake
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.hashing import content_hash
from recs_platform.warehouse.models import Models
from recs_platform.warehouse.runner import ModelRun

Log = dict[str, pl.DataFrame]
HashesOf = Callable[[Log, datetime], dict[str, str]]
INSTANT = timedelta(microseconds=1)


@pytest.fixture
def hashes_of(run_of, models: Models) -> HashesOf:
    """Content hash of every feature table of a log."""
    as_of = run_of({}).as_of

    def build(log: Log, known_at: datetime) -> dict[str, str]:
        con = connect(memory_limit_gb=1, threads=1)
        run = ModelRun(con, Lake(Path("no-lake")), models, (), as_of=as_of, known_at=known_at, scratch=True)
        for name, rows in log.items():
            run.register(name, rows)
        return {model.name: content_hash(con, run.require(model.name)) for model in models.of("features")}

    return build


def with_late_data(log: Log, known_at: datetime) -> Log:
    """The same log, and what arrived an instant after known_at: events, a file, versions, links and flags."""
    late = pl.lit(known_at + INSTANT)
    events = log["raw.events"].head(200)
    return {
        **log,
        "raw.events": pl.concat(
            [
                log["raw.events"],
                _again(events, late),
                _again(events, late, "of a new file").with_columns(pl.lit("late").alias(c.FILE_HASH)),
            ]
        ),
        "raw.ingestions": pl.concat(
            [log["raw.ingestions"], log["raw.ingestions"].with_columns(pl.lit("late").alias(c.FILE_HASH))]
        ),
        "raw.item_history": _more(log["raw.item_history"], pl.lit("late").alias(c.CATEGORY), late.alias(c.VALID_FROM)),
        "raw.user_history": _more(log["raw.user_history"], pl.lit("late").alias(c.COUNTRY), late.alias(c.VALID_FROM)),
        "raw.identities": _more(
            log["raw.identities"],
            pl.lit(_unlinked(log)).alias(c.ANONYMOUS_ID),
            pl.lit("late").alias(c.USER_ID),
            late.alias(c.INGESTED_AT),
        ),
        "raw.event_flags": pl.concat(
            [log["raw.event_flags"], events.select(c.EVENT_ID, pl.lit("late").alias(c.RULE), late.alias(c.FLAGGED_AT))]
        ),
    }


def _unlinked(log: Log) -> str:
    """Somebody who is linked to nobody and withdrew nothing: whoever did is left out of rebuilds as well."""
    linked = [
        *log["raw.identities"][c.ANONYMOUS_ID],
        *log["raw.identities"][c.USER_ID],
        *log["raw.consents"][c.USER_ID],
    ]
    return min(set(log["raw.events"][c.USER_ID]) - set(linked))


def _again(events: pl.DataFrame, late: pl.Expr, mark: str = "late") -> pl.DataFrame:
    return events.with_columns(
        late.alias(c.INGESTED_AT), pl.format("{}_{}", pl.lit(mark), c.EVENT_ID).alias(c.EVENT_ID)
    )


def _more(rows: pl.DataFrame, *changes: pl.Expr) -> pl.DataFrame:
    return pl.concat([rows, rows.with_columns(*changes)])


def test_late_data_leaves_a_recorded_known_at_as_it_was(hashes_of: HashesOf, log: Log, run_of):
    known_at = run_of({}).known_at
    later = with_late_data(log, known_at)
    before = hashes_of(log, known_at)
    assert hashes_of(later, known_at) == before
    after = hashes_of(later, known_at + INSTANT)
    assert not [name for name in before if after[name] == before[name]], "data that nothing reads prove nothing"
