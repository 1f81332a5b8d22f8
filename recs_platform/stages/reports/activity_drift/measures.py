"""How far the last period is from the earlier ones, and what moved. What is compared is chosen in `periods`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recs_platform.contracts.counted import counted
from recs_platform.evaluation.drift import (
    Chance,
    chance_of_categories,
    chance_of_numbers,
    jensen_shannon,
    usual,
    wasserstein,
)
from recs_platform.stages.reports.activity_drift.periods import (
    PERCENTILES,
    ActivityConfig,
    Floats,
    Mix,
    Period,
    Spread,
    choose_periods,
    shares_of,
)
from recs_platform.stages.reports.drift_measures import NO_DATA, Measured

MEDIAN = "median"
_MIDDLE = PERCENTILES // 2


@dataclass(frozen=True)
class Move:
    """What moved most of a mix or distribution: the value, its share or median before and now."""

    value: str
    before: float
    now: float

    @property
    def direction(self) -> str:
        return "up" if self.now > self.before else "down"


@dataclass(frozen=True)
class Compared:
    """A subject with its distance and what moved; `before` and `now` are shares by value, or nothing."""

    of: Mix | Spread
    measured: Measured
    periods: int
    compared_with: str
    move: Move | None
    before: Mapping[str, float]
    new_values: Sequence[str] = ()


def compare_mix(mix: Mix, config: ActivityConfig, *, seed: int) -> Compared:
    """The last period of a mix against the earlier ones together; usual is how far each of those is from the rest.

    `no_data` with fewer than `rows_min` facts on either side, fewer than `periods_min` earlier periods, or one value.
    """
    past, words = choose_periods(mix, config)
    told = f"{counted(len(past), words.replace('days', 'day').replace('weeks', 'week'), words)} before"
    together = _together(past)
    rows = int(min(mix.now.n, sum(each.n for each in past)))
    names = sorted({*together, *mix.now.counts})
    new = [name for name in names if mix.now.counts.get(name, 0.0) > 0 and name not in together] if past else []
    before = shares_of(together)
    if rows < config.rows_min or len(past) < config.periods_min or len(names) <= 1:
        return Compared(mix, Measured(NO_DATA, None, rows), len(past), told, None, before, new)
    left, right = _vector(together, names), _vector(mix.now.counts, names)
    n, m = round(sum(each.draws for each in past)), round(mix.now.draws)
    chance = chance_of_categories(left + right, n, m, draws=config.draws, seed=seed)
    others = [_vector(each.counts, names) for each in past]
    distances = [jensen_shannon(left - other, other) for other in others if (left - other).sum() > 0]
    held, value = usual(chance, distances), jensen_shannon(left, right)
    measured = Measured("jensenshannon", value, rows, held.distance + config.distance, held.p_value(value), held)
    return Compared(mix, measured, len(past), told, _furthest(names, left, right), before, new)


def compare_spread(spread: Spread, config: ActivityConfig, *, seed: int) -> Compared:
    """Percentiles now against those of the as-of before, in its standard deviations; `past` as in `compare_mix`."""
    told = f"{counted(len(spread.past), 'as-of', 'as-ofs')} of the same ranker before"
    if spread.n < config.rows_min or len(spread.past) < config.periods_min:
        return Compared(spread, Measured(NO_DATA, None, spread.n), len(spread.past), told, None, {})
    before, now = spread.past[0], spread.now
    drawn = chance_of_numbers(before, now, draws=config.draws, seed=seed)
    # Percentiles stand for more values than there are percentiles.
    factor = (PERCENTILES / spread.n) ** 0.5
    chance = Chance(drawn.mean * factor, drawn.deviation * factor)
    pairs = zip(spread.past[1:], spread.past, strict=False)
    held, value = usual(chance, [wasserstein(older, newer) for older, newer in pairs]), wasserstein(before, now)
    measured = Measured("wasserstein", value, spread.n, held.distance + config.distance, held.p_value(value), held)
    move = Move(MEDIAN, float(before[_MIDDLE]), float(now[_MIDDLE]))
    return Compared(spread, measured, len(spread.past), told, move, {})


def _together(periods: Sequence[Period]) -> dict[str, float]:
    found: dict[str, float] = {}
    for period in periods:
        for value, count in period.counts.items():
            found[value] = found.get(value, 0.0) + count
    return found


def _vector(counts: Mapping[str, float], names: Sequence[str]) -> Floats:
    return np.asarray([counts.get(name, 0.0) for name in names], np.float64)


def _furthest(names: Sequence[str], left: Floats, right: Floats) -> Move:
    """The value that moved most; of two that moved alike the rarer one: of labels the positive."""
    before, now = (side / side.sum() for side in (left, right))
    moves = [
        Move(name, float(share), float(now[at])) for at, (name, share) in enumerate(zip(names, before, strict=True))
    ]
    return min(moves, key=lambda move: (-round(abs(move.now - move.before), 9), move.before))
