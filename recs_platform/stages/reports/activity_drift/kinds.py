"""Where each kind of drift comes from: mixes by day from events, by week from items, by as-of from lists and scores.

How they are compared is in `measures`. Adding a kind is a function here and an entry in `KINDS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from recs_platform.contracts import columns as c
from recs_platform.stages.reports.activity_drift.periods import (
    EVERY,
    UNKNOWN,
    WEEK,
    ActivityConfig,
    Mix,
    Period,
    Spread,
    Subject,
    counted,
    percentiles,
    period_of,
)
from recs_platform.stages.reports.exposure import TIER, ExposureConfig, assign_tiers

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.stages.reports.inputs import ReportInputs

EVENT_MIX, CATALOGUE, SCORES, LISTS, LABELS = "event_mix", "catalogue", "scores", "lists", "labels"
EVENT_TYPE, SOURCE, LABEL, WEEKDAY = c.EVENT_TYPE, c.SOURCE, c.LABEL, "weekday"
NEW_ITEMS, ITEMS_NEW = "new_items", ("new", "older")
_WEEKS = 9
_PERIOD, _COUNT, _SQUARES = "period", "count", "squares"
_UPSTREAM = {
    EVENT_TYPE: "raw.events.event_type",
    SOURCE: "raw.events.source",
    LABEL: "raw.events.event_type, raw.events.value",
}
Drifting = Mix | Spread


@dataclass(frozen=True)
class Kind:
    """An entry of KINDS: its rows, its verdict and its section of the page are made of it."""

    name: str
    title: str
    text: str
    make: Callable[[ReportInputs, ActivityConfig], Iterator[Drifting]]


def event_mixes(inputs: ReportInputs, config: ActivityConfig) -> Iterator[Drifting]:
    """Event types, of large devices and sources too; sources; the weekdays of a week."""
    import polars as pl

    mixed = inputs.daily_mix
    typed = mixed.filter(pl.col(c.DIMENSION) == EVENT_TYPE)
    for segment, source in _large(typed, config):
        rows = typed.filter(pl.col(c.SEGMENT) == segment, pl.col(c.SOURCE) == source)
        yield from _by_day(inputs, rows, Subject(EVENT_MIX, EVENT_TYPE, segment, source))
    sources = mixed.filter(pl.col(c.DIMENSION) == SOURCE)
    if sources[c.VALUE].n_unique() > 1:
        yield from _by_day(inputs, sources, Subject(EVENT_MIX, SOURCE))
    everything = typed.filter(pl.col(c.SEGMENT) == EVERY, pl.col(c.SOURCE) == EVERY)
    yield from _weekdays(inputs, everything)


def label_mixes(inputs: ReportInputs, config: ActivityConfig) -> Iterator[Drifting]:
    """The share of a day's items, per user, that became a positive; of large devices too."""
    import polars as pl

    labelled = inputs.daily_mix.filter(pl.col(c.DIMENSION) == LABEL)
    for segment, source in _large(labelled, config):
        rows = labelled.filter(pl.col(c.SEGMENT) == segment, pl.col(c.SOURCE) == source)
        yield from _by_day(inputs, rows, Subject(LABELS, LABEL, segment, source))


def catalogue_mixes(inputs: ReportInputs, _: ActivityConfig) -> Iterator[Drifting]:
    """Categories of the week's new items, and their share of all items; weeks end at the as-of."""
    import polars as pl

    items = inputs.catalogue.filter(pl.col(c.NEW_AT) < inputs.as_of)
    age_us = (pl.lit(inputs.as_of) - pl.col(c.NEW_AT)).dt.total_microseconds()
    week = (age_us // (WEEK * 86_400_000_000)).alias(_PERIOD)
    dated = items.select(week, pl.col(c.CATEGORY).fill_null(UNKNOWN))
    if dated.is_empty():
        return
    new = dated.filter(pl.col(_PERIOD) < _WEEKS)
    by_category = new.group_by(_PERIOD, c.CATEGORY).agg(pl.len().cast(pl.Float64).alias(_COUNT))
    by_week = _periods(by_category.rename({c.CATEGORY: c.VALUE}).with_columns(pl.col(_COUNT).alias(_SQUARES)))
    subject = Subject(CATALOGUE, c.CATEGORY)
    if by_week:
        yield _mix(inputs, subject, by_week, "weeks", "raw.items.category")
    ages = dated[_PERIOD].to_numpy()
    shares: dict[int, Period] = {}
    for ago in range(_WEEKS):
        fresh, older = int((ages == ago).sum()), int((ages > ago).sum())
        # Before the first items there is no catalogue that could grow.
        if older:
            counts = dict(zip(ITEMS_NEW, (float(fresh), float(older)), strict=True))
            shares[ago] = counted(ago, counts)
    if shares:
        yield _mix(inputs, Subject(CATALOGUE, NEW_ITEMS), shares, "weeks", "raw.items.published_at")


def list_mixes(inputs: ReportInputs, config: ActivityConfig) -> Iterator[Drifting]:
    """Popularity tiers and categories of lists, each list alike; of large segments too, as they were then."""
    import polars as pl

    lists = inputs.lists
    if lists.is_empty():
        return
    tiers = assign_tiers(inputs.item_counts, ExposureConfig()).select(c.ITEM_ID, TIER)
    told = lists.join(tiers, on=c.ITEM_ID, how="left").join(
        inputs.items.select(c.ITEM_ID, c.CATEGORY), on=c.ITEM_ID, how="left"
    )
    users = lists.select(c.USER_ID, c.SEGMENT_ID).unique(c.USER_ID, maintain_order=True)
    for segment in _segments(users, config):
        part = told if segment == EVERY else told.filter(pl.col(c.SEGMENT_ID) == segment)
        for dimension, column in (("popularity_tier", TIER), (c.CATEGORY, c.CATEGORY)):
            subject = Subject(LISTS, dimension, segment)
            now = _listed(part, column)
            past = {ago: period_of(profile, ago) for ago, profile in _stored(inputs, subject, None)}
            yield _mix(inputs, subject, {0: now, **past}, "as-ofs", "recommendations.lists")


def score_spreads(inputs: ReportInputs, config: ActivityConfig) -> Iterator[Drifting]:
    """Each user's best score, and how far the tenth is below it; a ranker's scores compare with its own alone."""
    import polars as pl

    scores = inputs.top_scores
    if scores.is_empty():
        return
    ranker = str(scores[c.RANKER_VERSION][0])
    users = inputs.lists.select(c.USER_ID, c.SEGMENT_ID).unique(c.USER_ID, maintain_order=True)
    known = scores.join(users, on=c.USER_ID, how="left")
    for segment in _segments(known, config):
        part = known if segment == EVERY else known.filter(pl.col(c.SEGMENT_ID) == segment)
        for dimension in (c.TOP_SCORE, c.SCORE_MARGIN):
            values = part[dimension].drop_nulls().cast(pl.Float64).to_numpy()
            if len(values) == 0:
                continue
            subject = Subject(SCORES, dimension, segment)
            past = [np.asarray(json.loads(profile), np.float64) for _, profile in _stored(inputs, subject, ranker)]
            yield Spread(subject, percentiles(values), past, len(values), "ranking.ranked", ranker)


KINDS = (
    Kind(
        EVENT_MIX,
        "Events",
        "The last day's mix beside earlier days of its weekday, and the last week's weekdays beside earlier weeks; "
        "each user counts once.",
        event_mixes,
    ),
    Kind(CATALOGUE, "Catalogue", "Items of the last week beside those of the weeks before.", catalogue_mixes),
    Kind(
        SCORES,
        "Scores",
        "Each user's best score, and how far the tenth lies below it, beside earlier as-ofs of the ranker.",
        score_spreads,
    ),
    Kind(LISTS, "Lists", "What lists hold, each list counted once, beside the lists of earlier as-ofs.", list_mixes),
    Kind(
        LABELS,
        "Labels",
        "Share of a user's items of the day that became a positive, beside earlier days of its weekday.",
        label_mixes,
    ),
)


def _large(mixed: pl.DataFrame, config: ActivityConfig) -> list[tuple[str, str]]:
    """(segment, source) that a mix is told of: everything, then the largest segments and sources of the last day."""
    import polars as pl

    last = mixed.filter(pl.col(c.DAYS_AGO) == 0)
    users = last.group_by(c.SEGMENT, c.SOURCE).agg(pl.col(c.USER_SHARE_SUM).sum())
    found: list[tuple[str, str]] = [(EVERY, EVERY)]
    for part, other in ((c.SEGMENT, c.SOURCE), (c.SOURCE, c.SEGMENT)):
        large = users.filter(
            pl.col(part) != EVERY, pl.col(other) == EVERY, pl.col(c.USER_SHARE_SUM) >= config.segment_users_min
        ).sort([c.USER_SHARE_SUM, part], descending=[True, False])
        # One that is all there is says nothing that everything does not.
        alone = mixed.filter(pl.col(part) != EVERY)[part].n_unique() <= 1
        found += [] if alone else large.head(config.segments_max).select(c.SEGMENT, c.SOURCE).rows()
    return found


def _segments(users: pl.DataFrame, config: ActivityConfig) -> list[str]:
    counts = users.drop_nulls(c.SEGMENT_ID).group_by(c.SEGMENT_ID).len(_COUNT)
    large = counts.filter(counts[_COUNT] >= config.segment_users_min)
    ordered = large.sort([_COUNT, c.SEGMENT_ID], descending=[True, False])
    return [EVERY, *ordered[c.SEGMENT_ID].head(config.segments_max)]


def _by_day(inputs: ReportInputs, rows: pl.DataFrame, subject: Subject) -> Iterator[Mix]:
    if not rows.is_empty():
        names = {c.DAYS_AGO: _PERIOD, c.USER_SHARE_SUM: _COUNT, c.USER_SHARE_SQUARE_SUM: _SQUARES}
        yield _mix(inputs, subject, _periods(rows.rename(names)), "days", _UPSTREAM[subject.dimension])


def _weekdays(inputs: ReportInputs, typed: pl.DataFrame) -> Iterator[Mix]:
    """Active users by weekday in each week; a week counts as many facts as a day of it has users."""
    import polars as pl

    users = typed.group_by(c.DAYS_AGO).agg(pl.col(c.USER_SHARE_SUM).sum().alias(_COUNT)).sort(c.DAYS_AGO)
    weeks: dict[int, dict[str, float]] = {}
    for ago, count in users.filter(pl.col(c.DAYS_AGO) < (_WEEKS - 1) * WEEK).iter_rows():
        name = f"{inputs.as_of - timedelta(days=ago + 1):%A}"
        weeks.setdefault(ago // WEEK, {})[name] = count
    if weeks:
        sizes = {ago: sum(counts.values()) / WEEK for ago, counts in weeks.items()}
        periods = {ago: Period(ago, counts, sizes[ago], sizes[ago]) for ago, counts in weeks.items()}
        yield _mix(inputs, Subject(EVENT_MIX, WEEKDAY), periods, "weeks", "raw.events.occurred_at")


def _periods(counts: pl.DataFrame) -> dict[int, Period]:
    """Columns period, value, count, squares as periods."""
    found: dict[int, tuple[dict[str, float], dict[str, float]]] = {}
    for ago, value, count, square in counts.select(_PERIOD, c.VALUE, _COUNT, _SQUARES).sort(c.VALUE).iter_rows():
        sums, squares = found.setdefault(int(ago), ({}, {}))
        sums[str(value)], squares[str(value)] = float(count), float(square)
    return {ago: counted(ago, sums, squares) for ago, (sums, squares) in found.items()}


def _mix(inputs: ReportInputs, subject: Subject, periods: Mapping[int, Period], unit: str, upstream: str) -> Mix:
    now = periods.get(0, Period(0, {}, 0.0, 0.0))
    past = [period for ago, period in sorted(periods.items()) if ago > 0]
    return Mix(subject, now, past, unit, upstream, _alarmed(inputs, subject, unit))


def _listed(told: pl.DataFrame, column: str) -> Period:
    """What lists hold, each list's shares summing to one."""
    import polars as pl

    value = pl.col(column).cast(pl.String).fill_null(UNKNOWN).alias(c.VALUE)
    share = (1.0 / pl.len().over(c.USER_ID)).alias(_COUNT)
    of_users = told.select(c.USER_ID, value, share).group_by(c.USER_ID, c.VALUE).agg(pl.col(_COUNT).sum())
    sums = (
        of_users.sort(c.VALUE, c.USER_ID)
        .group_by(c.VALUE, maintain_order=True)
        .agg(pl.col(_COUNT).sum(), (pl.col(_COUNT) ** 2).sum().alias(_SQUARES))
    )
    return _periods(sums.with_columns(pl.lit(0).alias(_PERIOD)))[0]


def _rows_of(inputs: ReportInputs, subject: Subject) -> pl.DataFrame:
    """Earlier rows of a subject, the newest first."""
    import polars as pl

    earlier = inputs.earlier_activity
    names = (c.KIND, c.DIMENSION, c.SEGMENT, c.SOURCE)
    values = (subject.kind, subject.dimension, subject.segment, subject.source)
    return earlier.filter(*(pl.col(name) == value for name, value in zip(names, values, strict=True))).sort(
        c.AS_OF, descending=True
    )


def _stored(inputs: ReportInputs, subject: Subject, ranker: str | None) -> list[tuple[int, str]]:
    """(as-ofs ago, profile) of earlier as-ofs, the newest first, of one ranker where it is named."""
    rows = _rows_of(inputs, subject).drop_nulls(c.PROFILE)
    kept = rows if ranker is None else rows.filter(rows[c.RANKER_VERSION] == ranker)
    return list(enumerate(kept[c.PROFILE], start=1))


def _alarmed(inputs: ReportInputs, subject: Subject, unit: str) -> frozenset[int]:
    """How long ago the periods were that drifted when they were the last."""
    rows = _rows_of(inputs, subject)
    if unit == "as-ofs":
        flags = rows.drop_nulls(c.PROFILE)[c.IS_DRIFTED].to_list()
        return frozenset(ago for ago, is_drifted in enumerate(flags, start=1) if is_drifted)
    days = WEEK if unit == "weeks" else 1
    instants = rows.filter(rows[c.IS_DRIFTED])[c.AS_OF].to_list()
    return frozenset(round((inputs.as_of - at) / timedelta(days=days)) for at in instants)
