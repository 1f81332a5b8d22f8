"""Percentile bootstrap of means whose rows come in clusters, one a user (Efron 1979; Davison and Hinkley 1997)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A user's rows (windows, list positions) are not independent, so users are drawn, with all their rows.
SAMPLES = 1000
LEVEL = 0.95
_GRID = 2.0**30
_DRAWS_AT_ONCE = 4_000_000
# More users than this are drawn in so many groups, put together by chance: a tenth of the time at 200,000 users.
GROUPS_MAX = 20_000


@dataclass(frozen=True)
class Interval:
    """A mean over `n` values with the ends of its interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Intervals:
    """One entry a column: mean over rows, ends of the interval (NaN below two users), rows and users behind it."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rows: NDArray[np.int64]
    users: NDArray[np.int64]


def mean_interval(values: NDArray[np.float64], seed: int, samples: int = SAMPLES, level: float = LEVEL) -> Interval:
    """Mean of `values` (n,), one a user, with its percentile interval, as `cluster_intervals` gives it.

    The same values in the same order and the same seed give the same interval; that of one value is the value. No
    values give NaN and n = 0.

    >>> mean_interval(np.array([2.0, 2.0, 2.0]), seed=0)
    Interval(value=2.0, low=2.0, high=2.0, n=3)
    """
    n = len(values)
    if n <= 1:
        alone = float(values[0]) if n else float("nan")
        return Interval(alone, alone, alone, n)
    found = cluster_intervals(np.arange(n), values[:, None], seed=seed, samples=samples, level=level)
    return Interval(float(values.mean()), float(found.low[0]), float(found.high[0]), n)


def paired_difference(
    a: NDArray[np.float64], b: NDArray[np.float64], seed: int, samples: int = SAMPLES, level: float = LEVEL
) -> Interval:
    """Mean of `a - b` with its interval; `a[i]` and `b[i]` belong to one user, and are resampled together.

    Raises ValueError where the lengths differ.

    >>> paired_difference(np.array([3.0, 5.0]), np.array([1.0, 3.0]), seed=0)
    Interval(value=2.0, low=2.0, high=2.0, n=2)
    """
    if len(a) != len(b):
        raise ValueError(f"paired values differ in length: {len(a)} and {len(b)}")
    return mean_interval(a - b, seed, samples, level)


def cluster_intervals(
    users: NDArray[np.int64], values: NDArray[np.float64], *, seed: int, samples: int = SAMPLES, level: float = LEVEL
) -> Intervals:
    """Percentile intervals of the column means of `values`, users drawn with replacement (cluster bootstrap).

    `users` (n_rows,): any integer code of the row's user; `values` (n_rows, n_columns), NaN where a row does not count.
    All columns share the same draws, so differences of columns are paired. Values are rounded to 2**-30, which makes
    every sum exact below 2**22: the same bytes at any number of threads. Davison and Hinkley 1997, section 3.8.
    """
    present = ~np.isnan(values)
    codes = np.unique(users, return_inverse=True)[1]
    counts = _sum_by_user(codes, present.astype(np.float64))
    sums = _sum_by_user(codes, np.round(np.where(present, values, 0.0) * _GRID) / _GRID)
    return _intervals(sums, counts, seed=seed, samples=samples, level=level)


def ratio_intervals(
    tops: NDArray[np.float64],
    bottoms: NDArray[np.float64],
    *,
    seed: int,
    samples: int = SAMPLES,
    level: float = LEVEL,
) -> Intervals:
    """Percentile intervals of sum(top) / sum(bottom) by column, users drawn with replacement.

    `tops`, `bottoms` (n_users, n_columns): one row a user. The value is NaN where nothing is below the line; `rows` is
    the sum of the bottoms, `users` those with any. Rounded and drawn as in `cluster_intervals`.

    >>> found = ratio_intervals(np.array([[1.0], [1.0]]), np.array([[2.0], [2.0]]), seed=0)
    >>> float(found.value[0]), float(found.low[0]), int(found.users[0])
    (0.5, 0.5, 2)
    """
    sums: NDArray[np.float64] = np.round(tops * _GRID) / _GRID
    counts: NDArray[np.float64] = np.round(bottoms * _GRID) / _GRID
    return _intervals(sums, counts, seed=seed, samples=samples, level=level)


def _intervals(
    sums: NDArray[np.float64], counts: NDArray[np.float64], *, seed: int, samples: int, level: float
) -> Intervals:
    """Intervals of sum over count by column; a row of both is a user."""
    total, n_users = counts.sum(axis=0), (counts > 0).sum(axis=0)
    low, high = _percentiles(*_grouped(sums, counts, seed), seed=seed, samples=samples, level=level)
    single = n_users < 2  # noqa: PLR2004  one user has no spread
    return Intervals(
        _ratio(sums.sum(axis=0), total),
        np.where(single, np.nan, low),
        np.where(single, np.nan, high),
        (total + 0.5).astype(np.int64),
        n_users.astype(np.int64),
    )


def _percentiles(
    sums: NDArray[np.float64], counts: NDArray[np.float64], *, seed: int, samples: int, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n, width = sums.shape
    if n == 0:
        nothing = np.full(width, np.nan)
        return nothing, nothing
    means: list[NDArray[np.float64]] = []
    for block in _draws(seed, samples, n):
        drawn = block.astype(np.float64)
        means.append(_ratio(drawn @ sums, drawn @ counts))
    tail = (1.0 - level) / 2.0
    stacked = np.vstack(means)
    empty = np.isnan(stacked).all(axis=0)
    low, high = np.nanquantile(np.where(empty, 0.0, stacked), [tail, 1.0 - tail], axis=0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def _grouped(
    sums: NDArray[np.float64], counts: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows of many users added up by random groups of equal size, of which intervals are those of users.

    Random groups: Wolter 2007, chapter 2.
    """
    n = len(sums)
    if n <= GROUPS_MAX:
        return sums, counts
    groups: NDArray[np.int64] = np.random.default_rng(seed).permutation(n) % GROUPS_MAX
    return _sum_by_user(groups, sums), _sum_by_user(groups, counts)


@lru_cache(maxsize=4)
def _draws(seed: int, samples: int, n: int) -> tuple[NDArray[np.unsignedinteger[Any]], ...]:
    """How often each of n users is drawn in each sample: blocks (some samples, n), of small integers.

    Kept, for most tables of a build are of as many users: drawing takes longer than all that is done with it.
    """
    rng = np.random.default_rng(seed)
    step = max(1, _DRAWS_AT_ONCE // n)
    return tuple(_drawn(rng, min(step, samples - start), n) for start in range(0, samples, step))


def _drawn(rng: np.random.Generator, samples: int, n: int) -> NDArray[np.unsignedinteger[Any]]:
    drawn = rng.integers(n, size=(samples, n)) + (np.arange(samples) * n)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=samples * n).reshape(samples, n)
    return counts.astype(np.min_scalar_type(counts.max()))


def _sum_by_user(codes: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    n = int(codes.max()) + 1 if codes.size else 0
    if n == 0:
        return np.zeros((0, values.shape[1]))
    sums = np.zeros((n, values.shape[1]))
    for j in range(values.shape[1]):
        sums[:, j] = np.bincount(codes, weights=values[:, j], minlength=n)
    return sums


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)
