"""How far a distribution moved, how far it moves by chance, and which of many movements are more than that.

Distances are those that Evidently computes; what is done about them is decided in `stages.reports.drift`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Halves are drawn from so many values: distances scale with sqrt(1/n + 1/m), so that more tell no more.
_HALVES_OF = 1_000
_TAILS = (0.01, 0.99)
_PERIODS_MIN = 8
_MAD_TO_DEVIATION = 1.4826
_CAUTION_ROWS = 15


@dataclass(frozen=True)
class Chance:
    """Mean and standard deviation of the distance between two samples of one distribution."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Usual:
    """What a distance is held against: the usual one, its spread, and how heavy the tail beyond it is.

    `periods`: how many distances between past adjacent periods are behind it. From eight on, their median is usual and
    the tail is Student's with half as many degrees of freedom, which is what a robust spread is worth. Below, the
    greatest of them is usual, or chance alone where there is none, and the tail is that of chance: lognormal, heavier
    than what was simulated.
    """

    distance: float
    deviation: float
    chance: Chance
    periods: int

    def p_value(self, distance: float) -> float:
        """Probability of at least this distance in a period like those before."""
        from scipy.special import ndtr, stdtr

        if distance <= self.distance or self.deviation <= 0.0:
            return 1.0 if distance <= self.distance else 0.0
        beyond = distance - self.distance
        if self.periods >= _PERIODS_MIN:
            return float(stdtr(self.periods / 2, -beyond / self.deviation))
        centre, spread = self._logarithms
        return float(ndtr((centre - np.log(self.chance.mean + beyond)) / spread))

    def distance_at(self, p: float) -> float:
        """The distance whose p-value is `p`."""
        from scipy.special import ndtri, stdtrit

        if self.deviation <= 0.0:
            return self.distance
        if self.periods >= _PERIODS_MIN:
            return self.distance - self.deviation * float(stdtrit(self.periods / 2, p))
        centre, spread = self._logarithms
        return self.distance + max(0.0, float(np.exp(centre - spread * ndtri(p))) - self.chance.mean)

    @property
    def _logarithms(self) -> tuple[float, float]:
        """Mean and deviation of the logarithms of distances by chance."""
        variance = float(np.log1p((self.chance.deviation / self.chance.mean) ** 2))
        return float(np.log(self.chance.mean)) - variance / 2, variance**0.5


def wasserstein(before: Floats, now: Floats) -> float:
    """Area between the two cumulative distributions, in standard deviations of `before`; 0 where those are 0.

    >>> wasserstein(np.array([-1.0, 1.0]), np.array([0.0, 2.0]))
    1.0
    """
    spread = float(before.std())
    values = np.concatenate([before, now])
    order = np.argsort(values, kind="stable")
    is_before = (order < len(before))[None, :]
    return float(_areas(values[order], is_before)[0]) / spread if spread > 0.0 else 0.0


def jensen_shannon(before: Sequence[float] | Floats, now: Sequence[float] | Floats) -> float:
    """Square root of the Jensen-Shannon divergence (nats) of counts of the same categories: 0 to sqrt(ln 2).

    >>> round(jensen_shannon([1, 0], [0, 1]) ** 2, 6), jensen_shannon([2, 2], [1, 1])
    (0.693147, 0.0)
    """
    return float(_divergences(np.asarray([before], np.float64), np.asarray([now], np.float64))[0])


def clipped(before: Floats, now: Floats) -> tuple[Floats, Floats]:
    """Both sides without their far tails: a single outlier would move the deviation that distances are told in.

    Limits are the 1st and 99th percentile of both sides together, so that a value which one side never had stays.
    """
    low, high = tail_limits(before, now)
    return before.clip(low, high), now.clip(low, high)


def tail_limits(before: Floats, now: Floats) -> tuple[float, float]:
    """The limits of `clipped`."""
    low, high = np.quantile(np.concatenate([before, now]), _TAILS)
    return float(low), float(high)


def chance_of_numbers(before: Floats, now: Floats, *, draws: int, seed: int) -> Chance:
    """Distances of `wasserstein` between random halves of both sides together, scaled to the sizes of the sides."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([before, now])
    drawn = np.sort(values if len(values) <= _HALVES_OF else rng.choice(values, _HALVES_OF, replace=False))
    halves = rng.random((draws, len(drawn))) < 0.5  # noqa: PLR2004
    sizes = np.maximum(1, halves.sum(axis=1))
    spread = np.sqrt(np.maximum(0.0, halves @ drawn**2 / sizes - (halves @ drawn / sizes) ** 2))
    if not (spread > 0.0).any():
        return Chance(0.0, 0.0)
    found = _areas(drawn, halves[spread > 0.0]) / spread[spread > 0.0]
    factor = ((1 / len(before) + 1 / len(now)) / (4 / len(drawn))) ** 0.5
    # Halves of a small sample know less of its tail than another sample would show: found by simulation.
    caution = 1 + _CAUTION_ROWS / min(len(before), len(now))
    return Chance(float(found.mean()) * factor, float(found.std()) * factor * caution)


def chance_of_categories(counts: Floats, n: int, m: int, *, draws: int, seed: int) -> Chance:
    """Distances of `jensen_shannon` between samples of n and m of the categories' shares."""
    rng = np.random.default_rng(seed)
    shares = counts / counts.sum()
    left, right = (rng.multinomial(size, shares, draws).astype(np.float64) for size in (n, m))
    found = _divergences(left, right)
    return Chance(float(found.mean()), float(found.std()))


def usual(chance: Chance, past: Sequence[float]) -> Usual:
    """What to hold a distance against, given those between past adjacent periods."""
    known = np.asarray([distance for distance in past if np.isfinite(distance)])
    if len(known) < _PERIODS_MIN:
        return Usual(max([chance.mean, *known.tolist()]), chance.deviation, chance, len(known))
    median = float(np.median(known))
    spread = _MAD_TO_DEVIATION * float(np.median(np.abs(known - median)))
    # The next period's distance varies, and so does the median of the past ones.
    deviation = float(np.hypot(chance.deviation, spread)) * (1 + 1 / len(known)) ** 0.5
    return Usual(max(chance.mean, median), deviation, chance, len(known))


def share_p_value(before: float, now: float, n: int, m: int) -> float:
    """Two-sided p-value of a difference between two shares of n and m rows (pooled z test).

    >>> share_p_value(0.5, 0.5, 100, 100), share_p_value(0.0, 1.0, 100, 100) < 1e-9
    (1.0, True)
    """
    from math import erfc, sqrt

    pooled = (before * n + now * m) / (n + m)
    deviation = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return erfc(abs(before - now) / deviation / sqrt(2)) if deviation > 0.0 else 1.0


def critical_p(p_values: Sequence[float], rate: float) -> float:
    """The greatest p-value that counts, so that of what counts a share `rate` is false (Benjamini and Hochberg 1995).

    Where none counts, what a single one would have had to reach.

    >>> critical_p([0.01, 0.02, 0.9, 0.9], 0.05), critical_p([0.5], 0.05), critical_p([], 0.05)
    (0.025, 0.05, 0.05)
    """
    total = max(1, len(p_values))
    passed = [place for place, p in enumerate(sorted(p_values), start=1) if p <= rate * place / total]
    return rate * max(passed, default=1) / total


def _areas(values: Floats, is_first: NDArray[np.bool_]) -> Floats:
    """Area between cumulative distributions for each row of `is_first`, which side ascending `values` belong to."""
    first = is_first.cumsum(axis=1, dtype=np.int64)
    everyone: NDArray[np.int64] = np.arange(1, values.shape[0] + 1, dtype=np.int64)
    ones, others = first[:, -1:], values.shape[0] - first[:, -1:]
    apart = np.abs(first / np.maximum(ones, 1) - (everyone - first) / np.maximum(others, 1))
    return apart[:, :-1] @ np.diff(values)


def _divergences(left: Floats, right: Floats) -> Floats:
    p, q = (side / side.sum(axis=1, keepdims=True) for side in (left, right))
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(side > 0, side * np.log(side / middle), 0.0).sum(axis=1) for side in (p, q)]
    return np.sqrt(np.maximum(0.0, (terms[0] + terms[1]) / 2))
