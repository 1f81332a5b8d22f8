"""Metrics of a period, group and segment, as ratios of sums over users; what is judged of them is in `report`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.time import as_of_key

if TYPE_CHECKING:
    import polars as pl

LAST, BEFORE = "last_28_days", "28_days_before"
EVERYBODY = "all"
PERSONAL, HOLDOUT = "personal", "holdout"
CLICKS, RECOMMENDED_CLICKS, CONVERSIONS = "click_through_rate", "recommended_click_through_rate", "conversion_rate"
DWELL, RETURNS, VISITS = "dwell_seconds", "return_rate", "sessions_per_user_week"
_WEEKS = 4
_CONVERTED, _ACTIVE, _RETURNED, _FOLLOWED, _WEEKS_SEEN = "converted", "active", "returned", "followed", "weeks"
# Numerator, denominator, and why there is no value where the denominator is 0.
_METRICS: Mapping[str, tuple[str, str, str]] = {
    CLICKS: (c.CLICKED_COUNT, c.IMPRESSION_COUNT, "The log holds no impressions."),
    RECOMMENDED_CLICKS: (
        c.LISTED_CLICKED_COUNT,
        c.LISTED_IMPRESSION_COUNT,
        "The log holds no impressions of items of the lists in force.",
    ),
    CONVERSIONS: (_CONVERTED, _ACTIVE, "Nobody was active."),
    DWELL: (c.DWELL_SECONDS, c.DWELLED_COUNT, "No event says how long it took."),
    RETURNS: (_RETURNED, _FOLLOWED, "Nobody was active in a week that another followed."),
    VISITS: (c.SESSION_COUNT, _WEEKS_SEEN, "Nobody was active."),
}
# Of a period of less than four weeks the last two would tell how long it was.
_OF_RELEASES = (CLICKS, RECOMMENDED_CLICKS, CONVERSIONS, DWELL)
METRICS = tuple(_METRICS)
_SUMS = (
    c.IMPRESSION_COUNT, c.CLICKED_COUNT, c.LISTED_IMPRESSION_COUNT, c.LISTED_CLICKED_COUNT, c.CONVERSION_COUNT,
    c.DWELL_SECONDS, c.DWELLED_COUNT, c.SESSION_COUNT,
)  # fmt: skip


class BusinessConfig(BaseModel):
    """What is told, and when a fall warns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    releases_max: Annotated[int, Field(ge=1, description="releases told, the newest")] = 8
    segment_users_min: Annotated[int, Field(ge=2, description="active users; a smaller segment is left out")] = 30
    fall_max: Annotated[
        float, Field(gt=0, lt=1, description="warn where a metric surely fell by more than this share of it")
    ] = 0.2


@dataclass(frozen=True)
class Scope:
    """A period and whom of it: `users` have one row each with every sum that metrics are made of."""

    period: str
    group: str
    segment: str
    users: pl.DataFrame
    metrics: tuple[str, ...] = METRICS


def scopes(
    outcomes: pl.DataFrame, listed: pl.DataFrame, segments: pl.DataFrame, config: BusinessConfig
) -> Iterator[Scope]:
    """Both periods of four weeks, then the newest releases: as a whole, by group where there is a hold-out, by segment.

    `outcomes`: columns of `staging.stg_weekly_outcomes`, `listed`: of `staging.stg_listed_users`; `segments`: user_id,
    segment_id of this as-of.
    """
    import polars as pl

    newest = listed.sort(c.LIST_AS_OF).unique(c.USER_ID, keep="last").select(c.USER_ID, c.IS_HOLDOUT)
    told = segments.join(newest, on=c.USER_ID, how="full", coalesce=True)
    recent = pl.col(c.WEEKS_AGO) < _WEEKS
    # A log of fewer weeks is not one with silent weeks.
    oldest = outcomes[c.WEEKS_AGO].max()
    weeks = oldest + 1 if isinstance(oldest, int) else 0
    yield from _parts(LAST, _by_user(outcomes.filter(recent), weeks), told, config)
    before = outcomes.filter(~recent).with_columns(pl.col(c.WEEKS_AGO) - _WEEKS)
    if before.height:
        yield Scope(BEFORE, EVERYBODY, EVERYBODY, _by_user(before, weeks - _WEEKS))
    released: list[datetime] = outcomes[c.LIST_AS_OF].drop_nulls().unique().sort(descending=True).to_list()
    for at in released[: config.releases_max]:
        users = _by_user(outcomes.filter(pl.col(c.LIST_AS_OF) == at))
        theirs = listed.filter(pl.col(c.LIST_AS_OF) == at)
        yield from _parts(as_of_key(at), users, theirs, config, _OF_RELEASES)


def _parts(
    period: str,
    users: pl.DataFrame,
    told: pl.DataFrame,
    config: BusinessConfig,
    metrics: tuple[str, ...] = METRICS,
) -> Iterator[Scope]:
    """Everybody; who has lists of their own and the hold-out, where there is one; large segments."""
    import polars as pl

    if users.is_empty():
        return
    known = users.join(told.select(c.USER_ID, c.SEGMENT_ID, c.IS_HOLDOUT), on=c.USER_ID, how="left")
    yield Scope(period, EVERYBODY, EVERYBODY, known, metrics)
    if known[c.IS_HOLDOUT].any():
        for group, is_holdout in ((PERSONAL, False), (HOLDOUT, True)):
            yield Scope(period, group, EVERYBODY, known.filter(pl.col(c.IS_HOLDOUT) == is_holdout), metrics)
    sizes = (
        known.drop_nulls(c.SEGMENT_ID).group_by(c.SEGMENT_ID).len("n").filter(pl.col("n") >= config.segment_users_min)
    )
    for segment in sizes.sort(c.SEGMENT_ID)[c.SEGMENT_ID]:
        yield Scope(period, EVERYBODY, str(segment), known.filter(pl.col(c.SEGMENT_ID) == segment), metrics)


def _by_user(outcomes: pl.DataFrame, weeks_known: int = _WEEKS) -> pl.DataFrame:
    """One row a user with an event: sums, whether they converted, weeks they were active in and came back after.

    `weeks_known`: how many weeks the log holds from the first of the period on; four count at most.
    """
    import polars as pl

    weeks = outcomes.select(c.USER_ID, c.WEEKS_AGO).unique()
    next_week = weeks.select(c.USER_ID, pl.col(c.WEEKS_AGO) + 1, pl.lit(1.0).alias(_RETURNED))
    returns = (
        weeks.filter(pl.col(c.WEEKS_AGO) > 0)
        .join(next_week, on=[c.USER_ID, c.WEEKS_AGO], how="left")
        .group_by(c.USER_ID)
        .agg(pl.col(_RETURNED).sum(), pl.len().cast(pl.Float64).alias(_FOLLOWED))
    )
    sums = (
        outcomes.group_by(c.USER_ID).agg(pl.col(*_SUMS).sum().cast(pl.Float64)).join(returns, on=c.USER_ID, how="left")
    )
    return sums.with_columns(
        (pl.col(c.CONVERSION_COUNT) > 0).cast(pl.Float64).alias(_CONVERTED),
        pl.lit(1.0).alias(_ACTIVE),
        pl.lit(float(min(weeks_known, _WEEKS))).alias(_WEEKS_SEEN),
        pl.col(_RETURNED, _FOLLOWED).fill_null(0.0),
    ).sort(c.USER_ID)


def metric_rows(scope: Scope, *, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of `reports.business` without their as-of; a metric that the log cannot tell has no value and says why."""
    from recs_platform.evaluation.bootstrap import ratio_intervals

    tops, bottoms = (
        scope.users.select(*(f"{_METRICS[name][part]}" for name in scope.metrics)).to_numpy() for part in (0, 1)
    )
    found = ratio_intervals(tops, bottoms, seed=seed)
    for at, name in enumerate(scope.metrics):
        value, low, high = (float(part[at]) for part in (found.value, found.low, found.high))
        yield {
            c.PERIOD: scope.period,
            c.GROUP: scope.group,
            c.SEGMENT: scope.segment,
            c.METRIC: name,
            c.VALUE: _known(value),
            c.CI_LOW: _known(low),
            c.CI_HIGH: _known(high),
            c.N_USERS: int(found.users[at]),
            c.SAMPLE_SIZE: int(found.rows[at]),
            c.MESSAGE: _METRICS[name][2] if value != value else None,  # noqa: PLR0124  NaN: nothing below the line
        }


def _known(value: float) -> float | None:
    return value if value == value else None  # noqa: PLR0124  NaN is what could not be worked out
