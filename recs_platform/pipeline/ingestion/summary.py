"""A summary of one ingestion: files, rejections, and what was left in landing."""
# ruff: noqa: S608 - names come from the contracts; hashes are literals built by text_literal

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import INGESTIONS, QUARANTINE
from recs_platform.pipeline.ingestion import ingest as ingestion
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.events.landing import why_unknown
from recs_platform.stages.events.ledger_checks import FILE_KEY
from recs_platform.stages.events.profiling.trial import Rejection, rejections
from recs_platform.warehouse.clauses import text_literal

Key = tuple[str, str]


@dataclass(frozen=True)
class IngestionSummary:
    """`files`: rows of raw.ingestions by file and table. `left_alone`: a line for each file that stays in landing."""

    files: pl.DataFrame
    rejections: tuple[Rejection, ...]
    left_alone: tuple[str, ...]


def ledger_keys(platform: Platform) -> set[Key]:
    """Files and tables in the ledger now, to find later what is new."""
    return set(_ledger(platform).select(FILE_KEY).iter_rows())


def summarize_since(platform: Platform, before: Collection[Key]) -> IngestionSummary:
    """What came into the ledger that was not there before."""
    known = pl.DataFrame(list(before), schema=dict.fromkeys(FILE_KEY, pl.String()), orient="row")
    new = _ledger(platform).join(known, on=FILE_KEY, how="anti").sort(c.SOURCE_FILE, c.CONTRACT_TABLE)
    return IngestionSummary(new, _rejections(platform, new), left_alone(platform))


def _ledger(platform: Platform) -> pl.DataFrame:
    moment = datetime.now(UTC)
    with platform.model_run(moment, moment) as run:
        return run.frame(INGESTIONS.name)


def _rejections(platform: Platform, files: pl.DataFrame) -> tuple[Rejection, ...]:
    hashes = files.filter(pl.col(c.ROWS_QUARANTINED) > 0)[c.FILE_HASH].unique().to_list()
    if not hashes:
        return ()
    stored = platform.lake.files(QUARANTINE.name)
    named = ", ".join(map(text_literal, hashes))
    rows = f"(select * from read_parquet({stored}, hive_partitioning => true) where {c.FILE_HASH} in ({named}))"
    with platform.connection() as con:
        return rejections(con, rows)


def left_alone(platform: Platform) -> tuple[str, ...]:
    """A line for each file that stays in landing, and why."""
    waiting = ingestion.find_waiting(platform, datetime.now(UTC))
    lines = [f"left in landing: {name}: {reason}" for name, reason in waiting.rejected]
    lines += [f"left in landing: {name}: {why_unknown(platform.sources, name)}" for name in waiting.unknown]
    lines += [f"left in landing: {name}: it is still being written" for name in waiting.settling]
    if waiting.markers:
        lines.append(f"left in landing: {len(waiting.markers)} marker or hidden files, such as {waiting.markers[0]}")
    return tuple(lines)
