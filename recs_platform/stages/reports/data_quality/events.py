"""Facts of the log by day, source and event type: nulls, ranges, volumes, silence, ids that nobody knows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EVENTS
from recs_platform.stages.reports.data_quality.facts import (
    FRESHNESS,
    INTEGRITY,
    NULLS,
    RANGES,
    SHARE,
    VOLUMES,
    DataQualityConfig,
    Ends,
    Fact,
    share_floor,
)

OPTIONAL = tuple(column.name for column in EVENTS.columns if not column.required)
WITHIN = {column.name: column.within for column in EVENTS.columns if column.within is not None}
NUMBERS = tuple(WITHIN)
DAYS, WEEKDAYS = "days", "days of the same weekday"
_WEEK = 7
# The day that ends at the as-of may not be over.
_COMPLETE = 1
_MEAN_FLOOR = 0.02

Days = Mapping[int, Mapping[str, Any]]


def event_facts(daily: pl.DataFrame, config: DataQualityConfig) -> Iterator[Fact]:
    """Facts of each source and event type; `daily` has the columns of `staging.stg_daily_quality`."""
    ordered = daily.sort(c.SOURCE, c.EVENT_TYPE, c.DAYS_AGO)
    for (source, kind), rows in ordered.group_by(c.SOURCE, c.EVENT_TYPE, maintain_order=True):
        days: Days = {row[c.DAYS_AGO]: row for row in rows.iter_rows(named=True)}
        yield from _of_type(str(source), str(kind), days, config)
        yield _volume(str(source), str(kind), days, ordered.filter(pl.col(c.SOURCE) == source), config)
    for (source,), rows in ordered.group_by(c.SOURCE, maintain_order=True):
        yield from _of_source(str(source), rows, config)


def _of_type(source: str, kind: str, days: Days, config: DataQualityConfig) -> Iterator[Fact]:
    """Nulls and ranges of the newest day with enough rows, beside the days before it."""
    known = [days[ago] for ago in sorted(days) if days[ago][c.EVENT_COUNT] >= config.rows_min]
    if not known:
        return
    now, past = known[0], known[1:]
    for column in OPTIONAL:
        filled = f"{column}_count"
        if not any(day[filled] for day in known):
            continue
        shares = [1 - day[filled] / day[c.EVENT_COUNT] for day in past]
        yield Fact(
            NULLS, EVENTS.name, "null_share", 1 - now[filled] / now[c.EVENT_COUNT], shares, now[c.EVENT_COUNT],
            column=column, source=source, segment=kind, compared_with=DAYS, least=config.null_share,
            floor=share_floor(shares, now[c.EVENT_COUNT]), direction=1, bounds=SHARE,
        )  # fmt: skip
        if column in NUMBERS:
            yield from _ranges(source, kind, column, days, config)


def _ranges(source: str, kind: str, column: str, days: Days, config: DataQualityConfig) -> Iterator[Fact]:
    """The day's mean, and its ends against those of the days before."""
    filled = f"{column}_count"
    known = [days[ago] for ago in sorted(days) if days[ago][filled] >= config.rows_min]
    if not known:
        return
    now, past = known[0], known[1:]
    fact = Fact(
        RANGES, EVENTS.name, "mean", None, (), now[filled], column=column, source=source, segment=kind,
        compared_with=DAYS, bounds=_bounds(column, past),
    )  # fmt: skip
    means = [day[f"{column}_sum"] / day[filled] for day in past]
    usual = abs(median(means)) if means else 0.0
    mean = now[f"{column}_sum"] / now[filled]
    yield replace(fact, value=mean, past=means, least=config.mean_change * usual, floor=_MEAN_FLOOR * usual)
    if len(past) < config.periods_min:
        return
    lows, highs = ([float(day[f"{column}_{end}"]) for day in past] for end in ("min", "max"))
    width = config.range_factor * ((max(highs) - min(lows)) or abs(max(highs)) or 1.0)
    least, greatest = float(now[f"{column}_min"]), float(now[f"{column}_max"])
    yield replace(fact, metric="least", value=least, past=lows, limits=(min(lows) - width, None))
    yield replace(fact, metric="greatest", value=greatest, past=highs, limits=(None, max(highs) + width))


def _bounds(column: str, past: Sequence[Mapping[str, Any]]) -> Ends:
    """What the contract lets the column be; of amounts, which may be negative there, nothing below 0 where none was."""
    within = WITHIN[column]
    never_negative = bool(past) and min(float(day[f"{column}_min"]) for day in past) >= 0
    return max(within.lowest, 0.0) if never_negative else within.lowest, within.highest


def _volume(source: str, kind: str, days: Days, of_source: pl.DataFrame, config: DataQualityConfig) -> Fact:
    """Events of the newest day that is over, beside its weekday; days since the source began, without any as 0."""
    oldest = int(of_source.select(pl.col(c.DAYS_AGO).max()).item())
    counts = [float(days[ago][c.EVENT_COUNT]) if ago in days else 0.0 for ago in range(_COMPLETE, oldest + 1)]
    past, compared = _by_weekday(counts), WEEKDAYS
    if len(counts[_WEEK::_WEEK]) < config.periods_min:
        past, compared = counts[1:], DAYS
    now, usual = counts[0] if counts else None, median(past) if past else 0.0
    few = max(usual, now or 0.0) < config.rows_min
    return Fact(
        VOLUMES, EVENTS.name, "event_count", now, past, int(now or 0), source=source, segment=kind,
        compared_with=compared, least=config.volume_factor, floor=1 / math.sqrt(max(usual, 1.0)), is_count=True,
        usual=usual if past else None, why=f"fewer than {config.rows_min} events a day" if few else None,
    )  # fmt: skip


def _by_weekday(counts: Sequence[float]) -> list[float]:
    """Each earlier day as it would be on the first one's weekday, by how far it is from other days of its own.

    So that all of them say how much days differ: of one weekday there are too few.

    >>> [round(each) for each in _by_weekday([0, *([8] * 6), 4, *([8] * 6), 4, *([16] * 6), 4])]
    [3, 3, 3, 3, 3, 3, 4, 3, 3, 3, 3, 3, 3, 4, 8, 8, 8, 8, 8, 8, 4]
    """
    usual = median(counts[_WEEK::_WEEK] or [0.0])
    found: list[float] = []
    for at in range(1, len(counts)):
        others = [counts[other] for other in range(at % _WEEK, len(counts), _WEEK) if other not in {0, at}]
        if expected := median(others or [0.0]):
            found.append(usual * counts[at] / expected)
    return found


def _of_source(source: str, rows: pl.DataFrame, config: DataQualityConfig) -> Iterator[Fact]:
    """Ids that nobody knows, and days without an event."""
    by_day = rows.group_by(c.DAYS_AGO).agg(pl.sum(c.EVENT_COUNT, c.UNKNOWN_ITEM_COUNT, c.UNKNOWN_USER_COUNT))
    days = by_day.sort(c.DAYS_AGO).to_dicts()
    known = [day for day in days if day[c.EVENT_COUNT] >= config.rows_min]
    for column, unknown in ((c.ITEM_ID, c.UNKNOWN_ITEM_COUNT), (c.USER_ID, c.UNKNOWN_USER_COUNT)):
        # Where there is no catalogue or profile at all, nothing refers to it.
        if not known or all(day[unknown] == day[c.EVENT_COUNT] for day in known):
            continue
        shares = [day[unknown] / day[c.EVENT_COUNT] for day in known]
        n = known[0][c.EVENT_COUNT]
        yield Fact(
            INTEGRITY, EVENTS.name, "unknown_share", shares[0], shares[1:], n, column=column, source=source,
            compared_with=DAYS, least=config.unknown_share, floor=share_floor(shares[1:], n), direction=1, bounds=SHARE,
        )  # fmt: skip
    yield _silence(source, [day[c.DAYS_AGO] for day in days], config)


def _silence(source: str, days: list[int], config: DataQualityConfig) -> Fact:
    """Whole days without an event until the as-of, beside the longest gap between days with events."""
    gaps = [float(later - earlier - 1) for earlier, later in itertools.pairwise(days)]
    limit = max([*gaps, config.silent_days_min - 1])
    return Fact(
        FRESHNESS, EVENTS.name, "days_without_event", float(days[0]), gaps, source=source, compared_with=DAYS,
        limits=(None, float(limit)), usual=max(gaps, default=None),
        why=None if len(gaps) >= config.periods_min or days[0] >= _WEEK else "few days with events",
    )  # fmt: skip
