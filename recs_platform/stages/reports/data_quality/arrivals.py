"""Facts of what arrived: those that the checks of ingestion judge, as of this instant, and how long files let wait."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.contracts.tables import EVENTS, INGESTIONS, QUARANTINE
from recs_platform.stages.reports.data_quality.events import DAYS, WEEKDAYS
from recs_platform.stages.reports.data_quality.facts import (
    DUPLICATES,
    FRESHNESS,
    NULLS,
    VOLUMES,
    DataQualityConfig,
    Fact,
)
from recs_platform.stages.reports.data_quality.facts import (
    QUARANTINE as QUARANTINED,
)

if TYPE_CHECKING:
    from datetime import datetime

    from recs_platform.stages.reports.checked import Checked

FILES = "files"
_DAY = 86_400.0
_GAPS_MIN = 4


def arrival_facts(checked: Checked, ledger: pl.DataFrame, config: DataQualityConfig) -> Iterator[Fact]:
    """Facts of the checks, then the wait for the next file of each source and table."""
    for row in checked.volumes.iter_rows(named=True):
        fact = Fact(
            VOLUMES, EVENTS.name, "event_count", float(row[c.ROW_COUNT]), (), row[c.ROW_COUNT], source=row[c.SOURCE],
            compared_with=WEEKDAYS, limits=(row["low"], row["high"]), usual=row["usual_rows"], periods=row["weeks"],
            note=f"on {row[c.EVENT_DATE]}",
        )  # fmt: skip
        yield _judged(fact, row[c.VERDICT], "fewer than two weeks of it")
    for kind, table, metric, rates in (
        (QUARANTINED, QUARANTINE.name, "rejected_share", checked.rejected),
        (DUPLICATES, EVENTS.name, "duplicate_share", checked.duplicate),
    ):
        for row in rates.iter_rows(named=True):
            fact = Fact(
                kind, table, metric, row["rate"], (), row[c.ROWS_READ], source=row[c.SOURCE], compared_with=FILES,
                limits=(None, row["limit"]), usual=row["history_rate"], periods=row["history_files"],
                note="of the newest ingestion",
            )  # fmt: skip
            yield _judged(fact, row[c.VERDICT], "no file before")
    for row in checked.gone.iter_rows(named=True):
        filled, rows, expected = row["filled"], row[c.ROW_COUNT], row["expected"]
        fact = Fact(
            NULLS, row[c.TABLE_NAME], "filled_of_expected", filled / expected, (), rows, column=row[c.COLUMN_NAME],
            source=row[c.SOURCE], segment=row[c.SEGMENT], limits=(row["limit"], None), usual=1.0,
            periods=row[c.N_PERIODS], compared_with=row[c.COMPARED_WITH],
            note=f"{filled:,} of {rows:,} rows have a value, {expected:,.0f} were to be expected",
        )  # fmt: skip
        yield _judged(fact, row[c.VERDICT], "")
    yield from (_silence(row, config) for row in checked.silent.iter_rows(named=True))
    yield from _waits(ledger, checked.known_at, config)


def _silence(row: Mapping[str, Any], config: DataQualityConfig) -> Fact:
    """A source that fell silent before the days that facts of events look at."""
    days, longest = float(row[c.DAYS_AGO]), row[c.LONGEST_GAP_DAYS]
    usual = None if longest is None else float(longest)
    has_ended = days > max(config.ended_days, usual or 0.0)
    return Fact(
        FRESHNESS, EVENTS.name, "days_without_event", days, () if usual is None else (usual,), source=row[c.SOURCE],
        compared_with=DAYS, limits=(None, max(usual or 0.0, config.silent_days_min - 1.0)), usual=usual,
        why=f"no event for {counted(days, 'day')}: the source has ended" if has_ended else None,
    )  # fmt: skip


def _judged(fact: Fact, verdict: str, why: str) -> Fact:
    """With the check's verdict, or why it has none; what it blocks, ingestion has blocked already."""
    known = {"pass": "pass", "warn": "warn", "block": "warn"}
    return replace(fact, verdict=known[verdict]) if verdict in known else replace(fact, why=why)


def _waits(ledger: pl.DataFrame, known_at: datetime, config: DataQualityConfig) -> Iterator[Fact]:
    """Days since a source last brought rows of a table, beside the longest wait between its ingestions.

    Of a day the last one counts: a history that was taken in file by file says nothing of how often files come.
    """
    came = ledger.filter(pl.col(c.ROWS_ACCEPTED) > 0).sort(c.SOURCE, c.CONTRACT_TABLE, c.INGESTED_AT)
    for (source, table), rows in came.group_by(c.SOURCE, c.CONTRACT_TABLE, maintain_order=True):
        by_day = rows.group_by(pl.col(c.INGESTED_AT).dt.date().alias("day")).agg(pl.max(c.INGESTED_AT))
        instants = by_day[c.INGESTED_AT].sort().to_list()
        gaps = [(later - earlier).total_seconds() / _DAY for earlier, later in itertools.pairwise(instants)]
        waited = max(0.0, (known_at - instants[-1]).total_seconds() / _DAY)
        longest = max(gaps, default=0.0)
        few = f"ingestions on {counted(len(instants), 'day')}, {_GAPS_MIN + 1} are needed"
        yield Fact(
            FRESHNESS, INGESTIONS.name, "days_without_file", waited, gaps[::-1], source=str(source),
            segment=str(table), compared_with="ingestions", usual=longest if gaps else None,
            limits=(None, max(config.gap_factor * longest, 1.0)),
            why=None if len(gaps) >= _GAPS_MIN else few,
        )  # fmt: skip
