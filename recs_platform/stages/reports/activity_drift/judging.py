"""Rows of `reports.activity_drift`, and a verdict a kind; distances are in `measures`, the page in `page`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.contracts.tables import ACTIVITY_DRIFT
from recs_platform.stages.reports.activity_drift.kinds import CATALOGUE, EVENT_MIX, SCORES, SOURCE
from recs_platform.stages.reports.activity_drift.measures import Compared
from recs_platform.stages.reports.activity_drift.periods import EVERY, UNKNOWN, ActivityConfig, Spread
from recs_platform.stages.reports.drift import QUARANTINE, RETRAIN
from recs_platform.stages.reports.drift_measures import found_rows
from recs_platform.stages.reports.verdicts import NO_DATA, Judgement, contract_frame

if TYPE_CHECKING:
    import polars as pl

_NAMED_MAX = 3
_GONE = 0.05


def table_rows(compared: Sequence[Compared], as_of: datetime, config: ActivityConfig) -> pl.DataFrame:
    """Rows of `reports.activity_drift`, in the order given; p-values of all of them are corrected together."""
    found = found_rows({str(at): one.measured for at, one in enumerate(compared)}, config)
    rows = [_row(one, found[str(at)], config) for at, one in enumerate(compared)]
    return contract_frame([{c.AS_OF: as_of, **row} for row in rows], ACTIVITY_DRIFT)


def _row(one: Compared, found: Mapping[str, Any], config: ActivityConfig) -> dict[str, Any]:
    of = one.of
    row: dict[str, Any] = {
        c.KIND: of.subject.kind,
        c.DIMENSION: of.subject.dimension,
        c.SEGMENT: of.subject.segment,
        c.SOURCE: of.subject.source,
        **found,
        c.COMPARED_WITH: one.compared_with,
        c.MOVED_VALUE: None if one.move is None else one.move.value,
        c.DIRECTION: None if one.move is None else one.move.direction,
        c.VALUE_BEFORE: None if one.move is None else one.move.before,
        c.VALUE_NOW: None if one.move is None else one.move.now,
        c.NEW_VALUES: ", ".join(one.new_values) or None,
        c.UPSTREAM: of.upstream,
        c.RANKER_VERSION: of.ranker if isinstance(of, Spread) else None,
        c.PROFILE: of.profile if isinstance(of, Spread) else of.now.profile,
    }
    row[c.N_PERIODS] = one.periods
    return row | {c.PROPOSAL: proposal(row, config)}


def proposal(row: Mapping[str, Any], config: ActivityConfig) -> str | None:
    """What to do where it drifted: look at the source where values went missing or one is gone, else train anew."""
    if not row[c.IS_DRIFTED]:
        return None
    moved, now, before = row[c.MOVED_VALUE], row[c.VALUE_NOW], row[c.VALUE_BEFORE]
    is_missing = moved == UNKNOWN and now > before
    is_gone = row[c.KIND] == EVENT_MIX and now == 0.0 and before >= _GONE
    is_broken = row[c.KIND] != SCORES and row[c.VALUE] >= config.block_distance
    return QUARANTINE if is_missing or is_gone or is_broken or row[c.DIMENSION] == SOURCE else RETRAIN


def judge_kind(rows: pl.DataFrame, kind: str) -> Judgement:
    """A warning where any row of the kind drifted; no_data where none could be compared, and why."""
    own = rows.filter(rows[c.KIND] == kind)
    known = own.filter(own[c.VALUE].is_not_null())
    if known.is_empty():
        told = own[c.COMPARED_WITH][0] if own.height else None
        why = "there is nothing of it" if told is None else f"{told}, {own[c.SAMPLE_SIZE].max()} users or items"
        return Judgement(kind, NO_DATA, f"Too little to compare: {why}.")
    moved = known.filter(known[c.IS_DRIFTED])
    share, sample = moved.height / known.height, int(known.select(c.SAMPLE_SIZE).min().item())
    new = known.filter((known[c.SEGMENT] == EVERY) & (known[c.SOURCE] == EVERY))[c.NEW_VALUES].drop_nulls().to_list()
    news = f" New: {'; '.join(new)}." if new and kind in {CATALOGUE, EVENT_MIX} else ""
    message = f"{moved.height} of {known.height} moved beyond what is usual{_named(moved)}.{news}"
    return Judgement(kind, "warn" if moved.height else "pass", message, share, 0.0, sample)


def judge_silence(mixed: pl.DataFrame, as_of: datetime, config: ActivityConfig) -> Judgement | None:
    """A warning where events stopped; None where they did not, or there are none at all."""
    ago = mixed[c.DAYS_AGO].min()
    if not isinstance(ago, int) or ago < config.silent_days:
        return None
    last = as_of - timedelta(days=ago + 1)
    message = (
        f"No event for {counted(ago, 'day')}: the last was on {last:%Y-%m-%d}. "
        "Look at the sources before anything is trained."
    )
    return Judgement(EVENT_MIX, "warn", message, float(ago), float(config.silent_days), 0)


def rows_of_silence(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows where events stopped: look at their source, for nothing new can be learned from what is missing."""
    import polars as pl

    is_theirs = (pl.col(c.KIND) == EVENT_MIX) | pl.col(c.PROPOSAL).is_not_null()
    return rows.with_columns(pl.when(is_theirs).then(pl.lit(QUARANTINE)).otherwise(c.PROPOSAL).alias(c.PROPOSAL))


def _named(moved: pl.DataFrame) -> str:
    """The rows that moved furthest beyond their thresholds: what, where, from what to what, and what to do."""
    furthest = moved.sort(moved[c.VALUE] / moved[c.THRESHOLD], descending=True).head(_NAMED_MAX)
    parts = [
        f"{row[c.DIMENSION]}{_where(row)}: {row[c.MOVED_VALUE]} {row[c.DIRECTION]} from {row[c.VALUE_BEFORE]:.3g} to "
        f"{row[c.VALUE_NOW]:.3g} ({row[c.METHOD]} {row[c.VALUE]:.2f}, limit {row[c.THRESHOLD]:.2f}), from "
        f"{row[c.UPSTREAM]}: {row[c.PROPOSAL]}"
        for row in furthest.iter_rows(named=True)
    ]
    return f": {'; '.join(parts)}" if parts else ""


def _where(row: Mapping[str, Any]) -> str:
    named = [row[c.SEGMENT], f"source {row[c.SOURCE]}" if row[c.SOURCE] != EVERY else EVERY]
    said = ", ".join(name for name in named if name != EVERY)
    return f" ({said})" if said else ""
