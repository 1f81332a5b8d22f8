"""The report: rows of every scope, a verdict a metric, and one on what personal lists are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.contracts.tables import BUSINESS
from recs_platform.stages.reports.business.measures import (
    BEFORE,
    CLICKS,
    EVERYBODY,
    HOLDOUT,
    LAST,
    METRICS,
    PERSONAL,
    RECOMMENDED_CLICKS,
    BusinessConfig,
    metric_rows,
    scopes,
)
from recs_platform.stages.reports.business.page import in_words, sections
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.verdicts import NO_DATA, Judgement, contract_frame, verdict_rows

if TYPE_CHECKING:
    import polars as pl

NAME = "business"
_ENDS = (c.VALUE, c.CI_LOW, c.CI_HIGH)


def measure_business(
    outcomes: pl.DataFrame,
    listed: pl.DataFrame,
    segments: pl.DataFrame,
    *,
    seed: int,
    config: BusinessConfig | None = None,
) -> list[dict[str, Any]]:
    """Rows of `reports.business` without their as-of; what is given is described at `measures.scopes`."""
    told = scopes(outcomes, listed, segments, config or BusinessConfig())
    return [row for scope in told for row in metric_rows(scope, seed=seed)]


def run(inputs: ReportInputs, config: BusinessConfig | None = None) -> ReportResult:
    """It warns and never stops a release: what a release did is known only once it has served."""
    config = config or BusinessConfig()
    rows = measure_business(
        inputs.weekly_outcomes, inputs.listed_users, inputs.segment_ids, seed=inputs.seed, config=config
    )
    frame = contract_frame([{c.AS_OF: inputs.as_of, **row} for row in rows], BUSINESS)
    verdicts = verdict_rows(NAME, judge_business(frame, config), as_of=inputs.as_of)
    page = write_report(inputs, NAME, "Business", sections(frame), verdicts)
    return ReportResult(BUSINESS.name, frame, verdicts, page, numbers=_numbers(frame))


def judge_business(business: pl.DataFrame, config: BusinessConfig) -> list[Judgement]:
    """A metric warns where it surely fell since the four weeks before, or the log tells it no more.

    The hold-out warns where personal lists do worse.
    `no_data` where the log never told the metric, with the reason, and where there is nothing to compare it with.
    """
    judged = [_judge_metric(business, metric, config) for metric in METRICS if metric != RECOMMENDED_CLICKS]
    if not business.filter(business[c.GROUP] == HOLDOUT).is_empty():
        judged.append(_judge_holdout(business))
    return judged


def _judge_metric(business: pl.DataFrame, metric: str, config: BusinessConfig) -> Judgement:
    now, before = (_row(business, period, EVERYBODY, metric) for period in (LAST, BEFORE))
    if now is None or now[c.VALUE] is None:
        reason = "There are no events." if now is None else now[c.MESSAGE]
        if before is None or before[c.VALUE] is None:
            return Judgement(metric, NO_DATA, reason)
        stopped = f"{reason} That is of the last 28 days; it was {_interval(before)} in the 28 days before."
        return Judgement(metric, "warn", stopped, None, None, 0)
    text = f"{_interval(now)} in the last 28 days, of {counted(now[c.N_USERS], 'user')}"
    if before is None or before[c.VALUE] is None:
        return Judgement(
            metric, NO_DATA, f"{text}; nothing is known of the 28 days before.", now[c.VALUE], None, now[c.N_USERS]
        )
    # Either may be chance: the whole interval lies below what the lower end of the one before allows.
    least = None if before[c.CI_LOW] is None else (1 - config.fall_max) * before[c.CI_LOW]
    fell = None not in (least, now[c.CI_HIGH]) and now[c.CI_HIGH] < least
    text = f"{text}; {_interval(before)} in the 28 days before"
    if least is None or now[c.CI_HIGH] is None:
        return Judgement(
            metric, NO_DATA, f"{text}; too few to tell chance from change.", now[c.VALUE], least, now[c.N_USERS]
        )
    limit = f"{text}; only an interval that ends below {in_words(metric, least)} warns."
    return Judgement(metric, "warn" if fell else "pass", limit, now[c.CI_HIGH], least, now[c.N_USERS])


def _judge_holdout(business: pl.DataFrame) -> Judgement:
    """By clicks, or by conversions where the log has no impressions: intervals that do not touch."""
    for metric in (CLICKS, METRICS[2]):
        mine, theirs = (_row(business, LAST, group, metric) for group in (PERSONAL, HOLDOUT))
        if mine is None or theirs is None or None in (mine[c.CI_HIGH], theirs[c.CI_LOW]):
            continue
        is_worse = mine[c.CI_HIGH] < theirs[c.CI_LOW]
        text = f"{metric} {_interval(mine)} with lists of their own, {_interval(theirs)} with popular items only"
        text = f"{text}; only a first interval that ends below the second warns."
        verdict = "warn" if is_worse else "pass"
        return Judgement(HOLDOUT, verdict, text, mine[c.CI_HIGH], theirs[c.CI_LOW], theirs[c.N_USERS])
    return Judgement(HOLDOUT, NO_DATA, "Too few users of the hold-out were active.")


def _row(business: pl.DataFrame, period: str, group: str, metric: str) -> Mapping[str, Any] | None:
    found = business.filter(
        (business[c.PERIOD] == period)
        & (business[c.GROUP] == group)
        & (business[c.SEGMENT] == EVERYBODY)
        & (business[c.METRIC] == metric)
    )
    return found.row(0, named=True) if found.height else None


def _interval(row: Mapping[str, Any]) -> str:
    value, low, high = (None if row[name] is None else in_words(row[c.METRIC], row[name]) for name in _ENDS)
    return f"{value}" if low is None else f"{value} [{low}, {high}]"


def _numbers(business: pl.DataFrame) -> dict[str, float]:
    """Each metric of everybody in the last 28 days that is known."""
    found = {metric: _row(business, LAST, EVERYBODY, metric) for metric in METRICS}
    return {
        metric: float(row[c.VALUE]) for metric, row in found.items() if row is not None and row[c.VALUE] is not None
    }
