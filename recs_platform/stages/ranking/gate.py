"""The gate: whether a newly trained ranker may take the champion's place, judged on what neither has seen.

Lists of both at past cutoffs are made in `pipeline.training.promotion`; which rankers an as-of may use is
in `champion`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.shared_settings import PromotionSettings
from recs_platform.evaluation.bootstrap import cluster_intervals

Decision = Literal["first", "unproven", "promoted", "refreshed", "untested", "kept", "pinned"]
MAIN, ELSEWHERE = c.NDCG, ("recall", "hit_rate", "mrr", "map")
METRICS = (MAIN, *ELSEWHERE)
EVERYONE = "all"
LIST_LENGTH, COST = "list_length", "nodes_per_row"
MISCALIBRATION = "miscalibration"
GUARDED = ("coverage", "novelty", LIST_LENGTH, MISCALIBRATION)
SUPERIORITY, NON_INFERIORITY, GAIN = "superiority", "non_inferiority", "gain_elsewhere"
NO_SEGMENT_LOSES, GUARDRAIL, THE_DECISION = "no_segment_loses", "guardrail", "decision"
LINES = (SUPERIORITY, NON_INFERIORITY, GAIN, NO_SEGMENT_LOSES, GUARDRAIL, COST)

_PAIR = [c.CUTOFF, c.USER_ID]
_SCHEMA: Mapping[str, pl.DataType | type[pl.DataType]] = {
    c.LINE: pl.String, c.SEGMENT: pl.String, c.METRIC: pl.String, c.CHALLENGER_VALUE: pl.Float64,
    c.OPPONENT_VALUE: pl.Float64, c.DIFFERENCE: pl.Float64, c.CI_LOW: pl.Float64, c.CI_HIGH: pl.Float64,
    c.THRESHOLD: pl.Float64, c.N_USERS: pl.Int64, c.IS_REQUIRED: pl.Boolean, c.IS_PASSED: pl.Boolean,
    c.MESSAGE: pl.String,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Match:
    """Challenger and opponent at the same cutoffs.

    `users`: cutoff, user_id, segment (may be null), metric, challenger, opponent: a value of each, a row a metric of
    `METRICS`. `lists`: challenger's and opponent's value by metric of `GUARDED`, means over cutoffs; `cost`: nodes that
    a row passes in each forest. Both empty where the opponent is no ranker.
    """

    users: pl.DataFrame
    lists: Mapping[str, tuple[float, float]]
    cost: tuple[float, float] | None = None

    @property
    def n_pairs(self) -> int:
        """User windows compared."""
        return self.users.filter(pl.col(c.METRIC) == MAIN).height


def judge_match(match: Match, settings: PromotionSettings, seed: int) -> pl.DataFrame:
    """Lines of the gate, see `reports.promotions`; ordered as `LINES`, then by segment and metric.

    A challenger passes that is superior (the interval of its NDCG less the opponent's lies above zero), or that is not
    inferior (above minus the margin) and gains in another metric; in whom no segment of size loses; and whose guarded
    metrics and cost stay in their limits. Half of `error_rate` is spent on superiority, half on the metrics elsewhere
    together (Bonferroni), so that a ranker which is no better passes with that probability at most; the percentile
    intervals draw users with all their windows (cluster bootstrap).

    A segment fails where its loss is beyond chance (Bonferroni over the segments), or where it is large enough to show
    that it loses no more than `segment_margin` and does not: large enough is an interval whose half is at most half of
    that margin, which equal rankers pass 39 times of 40. Cost is judged where the opponent has a forest.
    """
    rows = [*_main_lines(match, settings, seed), *_segment_lines(match, settings, seed)]
    rows += [_guard_line(name, *values, settings) for name, values in match.lists.items()]
    if match.cost is not None and match.cost[1] > 0:
        rows.append(_cost_line(*match.cost, settings))
    return pl.DataFrame(rows, schema=_SCHEMA)


def passes(lines: pl.DataFrame) -> bool:
    """Whether superiority, or non-inferiority with a gain elsewhere, holds, and every other line does."""
    held = {name: lines.filter(pl.col(c.LINE) == name)[c.IS_PASSED] for name in LINES}
    better = held[SUPERIORITY].any() or (held[NON_INFERIORITY].any() and held[GAIN].any())
    return bool(better and all(held[name].all() for name in (NO_SEGMENT_LOSES, GUARDRAIL, COST)))


def failures(lines: pl.DataFrame) -> list[str]:
    """Messages of the lines for which a challenger does not pass."""
    failed = lines.filter(~pl.col(c.IS_PASSED))
    others = failed.filter(pl.col(c.LINE).is_in([NO_SEGMENT_LOSES, GUARDRAIL, COST]))[c.MESSAGE].to_list()
    held = {
        name: lines.filter(pl.col(c.LINE) == name)[c.IS_PASSED].any() for name in (SUPERIORITY, NON_INFERIORITY, GAIN)
    }
    if held[SUPERIORITY] or (held[NON_INFERIORITY] and held[GAIN]):
        return others
    if held[NON_INFERIORITY]:
        return ["not superior, and no other metric gains beyond chance", *others]
    return [*failed.filter(pl.col(c.LINE) == NON_INFERIORITY)[c.MESSAGE].to_list(), *others]


def decision_line(decision: Decision, is_passed: bool, n_users: int, message: str) -> pl.DataFrame:
    """The line that sums up, in the columns of the others."""
    row = _row(THE_DECISION, EVERYONE, "", n_users=n_users, passed=is_passed, message=f"{decision}: {message}")
    return pl.DataFrame([row], schema=_SCHEMA)


def _main_lines(match: Match, settings: PromotionSettings, seed: int) -> list[dict[str, Any]]:
    wide = _wide(match.users)
    half = settings.error_rate
    ours, theirs = _mean(wide, MAIN, c.CHALLENGER), _mean(wide, MAIN, c.OPPONENT)
    low, high = _interval(wide, [MAIN], seed, level=1 - half)[0]
    margin = -settings.margin * theirs
    base: dict[str, Any] = {
        "ours": ours, "theirs": theirs, "low": low, "high": high, "n_users": wide.height, "required": False,
    }  # fmt: skip
    told = f"NDCG {ours:.4f} against {theirs:.4f}, difference {ours - theirs:+.4f} [{low:+.4f}, {high:+.4f}]"
    enough = wide.height >= settings.users_min
    rows = [
        _row(SUPERIORITY, EVERYONE, MAIN, **base, threshold=0.0, passed=enough and low > 0,
             message=f"{told} over {wide.height} user windows; above zero is asked for"),
        _row(NON_INFERIORITY, EVERYONE, MAIN, **base, threshold=margin, passed=enough and low > margin,
             message=f"{told} over {wide.height} user windows; above {margin:+.4f} is asked for"),
    ]  # fmt: skip
    intervals = _interval(wide, ELSEWHERE, seed, level=1 - half / len(ELSEWHERE))
    for metric, (low, high) in zip(ELSEWHERE, intervals, strict=True):
        ours, theirs = _mean(wide, metric, c.CHALLENGER), _mean(wide, metric, c.OPPONENT)
        message = f"{metric} {ours:.4f} against {theirs:.4f}, difference [{low:+.4f}, {high:+.4f}]"
        values: dict[str, Any] = {"ours": ours, "theirs": theirs, "low": low, "high": high}
        passed = enough and low > 0
        rows.append(
            _row(GAIN, EVERYONE, metric, **values, threshold=0.0, n_users=wide.height, required=False, passed=passed,
                 message=message)
        )  # fmt: skip
    return rows


def _segment_lines(match: Match, settings: PromotionSettings, seed: int) -> list[dict[str, Any]]:
    wide = _wide(match.users)
    sizes = wide.drop_nulls(c.SEGMENT).group_by(c.SEGMENT).len().filter(pl.col("len") >= settings.segment_users_min)
    names: list[str] = sizes[c.SEGMENT].sort().to_list()
    if not names:
        return []
    lost = wide.select(pl.col(f"{MAIN}_{c.CHALLENGER}") - pl.col(f"{MAIN}_{c.OPPONENT}")).to_series().to_numpy()
    segment = wide[c.SEGMENT].fill_null("").to_numpy()
    columns = np.column_stack([np.where(segment == name, lost, np.nan) for name in names])
    users = _codes(wide)
    usual = cluster_intervals(users, columns, seed=seed, level=1 - settings.error_rate)
    strict = cluster_intervals(users, columns, seed=seed, level=1 - settings.error_rate / len(names))
    parts = [wide.filter(pl.col(c.SEGMENT) == name) for name in names]
    ends = zip(usual.low, usual.high, strict.high, strict=True)
    return [_segment_line(*each, settings) for each in zip(names, parts, ends, strict=True)]


def _segment_line(
    name: str, rows: pl.DataFrame, ends: tuple[float, float, float], settings: PromotionSettings
) -> dict[str, Any]:
    """`ends`: of the usual interval, and the upper one of that which allows for the number of segments."""
    ours, theirs = _mean(rows, MAIN, c.CHALLENGER), _mean(rows, MAIN, c.OPPONENT)
    low, high, strict_high = ends
    margin = settings.segment_margin * theirs
    loses = strict_high < 0
    tells = margin > 0 and (high - low) / 2 <= margin / 2
    passed = not loses and (not tells or low > -margin)
    why = (
        "its loss is beyond chance"
        if loses
        else f"a loss above {margin:.4f} is not ruled out"
        if not passed
        else "kept"
    )
    message = f"{name}: NDCG {ours:.4f} against {theirs:.4f}, difference [{low:+.4f}, {high:+.4f}]; {why}"
    return _row(
        NO_SEGMENT_LOSES, name, MAIN, ours=ours, theirs=theirs, low=float(low), high=float(high),
        threshold=-margin if tells else 0.0, n_users=rows.height, passed=bool(passed), message=message,
    )  # fmt: skip


def _guard_line(name: str, ours: float, theirs: float, settings: PromotionSettings) -> dict[str, Any]:
    """Of miscalibration less is better, of the others more."""
    if name == MISCALIBRATION:
        limit = theirs / settings.guardrail
        passed, asked = ours <= limit, f"at most {limit:.4g} is allowed"
    else:
        limit = settings.guardrail * theirs
        passed, asked = ours >= limit, f"at least {limit:.4g} is asked for"
    message = f"{name} {ours:.4g} against {theirs:.4g}; {asked}"
    return _row(GUARDRAIL, EVERYONE, name, ours=ours, theirs=theirs, threshold=limit, passed=passed, message=message)


def _cost_line(ours: float, theirs: float, settings: PromotionSettings) -> dict[str, Any]:
    limit = settings.cost_ratio_max * theirs
    message = f"a row passes {ours:.0f} nodes against {theirs:.0f}; at most {limit:.0f} are allowed"
    return _row(COST, EVERYONE, COST, ours=ours, theirs=theirs, threshold=limit, passed=ours <= limit, message=message)


def _row(
    line: str,
    segment: str,
    metric: str,
    *,
    passed: bool,
    message: str,
    ours: float | None = None,
    theirs: float | None = None,
    low: float | None = None,
    high: float | None = None,
    threshold: float | None = None,
    n_users: int = 0,
    required: bool = True,
) -> dict[str, Any]:
    return {
        c.LINE: line,
        c.SEGMENT: segment,
        c.METRIC: metric,
        c.CHALLENGER_VALUE: ours,
        c.OPPONENT_VALUE: theirs,
        c.DIFFERENCE: None if ours is None or theirs is None else ours - theirs,
        c.CI_LOW: _number(low),
        c.CI_HIGH: _number(high),
        c.THRESHOLD: threshold,
        c.N_USERS: n_users,
        c.IS_REQUIRED: required,
        c.IS_PASSED: passed,
        c.MESSAGE: message,
    }


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _wide(users: pl.DataFrame) -> pl.DataFrame:
    """One row a cutoff and user, by both; two columns a metric."""
    values = [
        pl.col(side).filter(pl.col(c.METRIC) == metric).first().alias(f"{metric}_{side}")
        for metric in METRICS
        for side in (c.CHALLENGER, c.OPPONENT)
    ]
    return users.group_by(*_PAIR).agg(pl.col(c.SEGMENT).first(), *values).sort(_PAIR)


def _mean(wide: pl.DataFrame, metric: str, side: str) -> float:
    values = wide[f"{metric}_{side}"].to_numpy()
    return float(values.mean()) if len(values) else float("nan")


def _codes(wide: pl.DataFrame) -> NDArray[np.int64]:
    return wide[c.USER_ID].rank("dense").cast(pl.Int64).to_numpy()


def _interval(wide: pl.DataFrame, metrics: Sequence[str], seed: int, *, level: float) -> list[tuple[float, float]]:
    """Ends of the interval of each metric's mean difference; NaN below two users."""
    if not wide.height:
        return [(float("nan"), float("nan"))] * len(metrics)
    values = [
        wide.select(pl.col(f"{metric}_{c.CHALLENGER}") - pl.col(f"{metric}_{c.OPPONENT}")).to_series().to_numpy()
        for metric in metrics
    ]
    found = cluster_intervals(_codes(wide), np.column_stack(values), seed=seed, level=level)
    return list(zip(found.low.tolist(), found.high.tolist(), strict=True))
