"""Bootstrap intervals of means whose rows come in clusters, one a user. What is averaged is decided elsewhere."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A user's rows (windows, list places) are not independent, so users are drawn, with all their rows.
SAMPLES = 1000
LEVEL = 0.95
_GRID = 2.0**30
_DRAWS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Intervals:
    """One entry a column: mean over rows, ends of the interval (NaN below two users), rows and users behind it."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rows: NDArray[np.int64]
    users: NDArray[np.int64]


def cluster_intervals(
    users: NDArray[np.int64], values: NDArray[np.float64], *, seed: int, samples: int = SAMPLES, level: float = LEVEL
) -> Intervals:
    """Percentile intervals of the column means of `values`, users drawn with replacement (cluster bootstrap).

    `users` (n_rows,): any integer code of the row's user; `values` (n_rows, n_columns), NaN where a row does not count.
    All columns share the same draws, so differences of columns are paired. Values are rounded to 2**-30, which makes
    every sum exact below 2**22: the same bytes at any number of threads. Source: Davison & Hinkley 1997, section 3.8.
    """
    present = ~np.isnan(values)
    codes = np.unique(users, return_inverse=True)[1]
    counts = _sum_by_user(codes, present.astype(np.float64))
    sums = _sum_by_user(codes, np.round(np.where(present, values, 0.0) * _GRID) / _GRID)
    rows, n_users = counts.sum(axis=0), (counts > 0).sum(axis=0)
    value = _ratio(sums.sum(axis=0), rows)
    low, high = _percentiles(sums, counts, seed=seed, samples=samples, level=level)
    single = n_users < 2  # noqa: PLR2004  one user has no spread
    return Intervals(
        value,
        np.where(single, np.nan, low),
        np.where(single, np.nan, high),
        rows.astype(np.int64),
        n_users.astype(np.int64),
    )


def _percentiles(
    sums: NDArray[np.float64], counts: NDArray[np.float64], *, seed: int, samples: int, level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n, width = sums.shape
    if n == 0:
        nothing = np.full(width, np.nan)
        return nothing, nothing
    rng = np.random.default_rng(seed)
    step = max(1, _DRAWS_AT_ONCE // n)
    means: list[NDArray[np.float64]] = []
    for start in range(0, samples, step):
        drawn = _draws(rng, min(step, samples - start), n)
        means.append(_ratio(drawn @ sums, drawn @ counts))
    tail = (1.0 - level) / 2.0
    stacked = np.vstack(means)
    empty = np.isnan(stacked).all(axis=0)
    low, high = np.nanquantile(np.where(empty, 0.0, stacked), [tail, 1.0 - tail], axis=0)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def _draws(rng: np.random.Generator, samples: int, n: int) -> NDArray[np.float64]:
    """How often each of n users is drawn in each sample: (samples, n)."""
    places = rng.integers(n, size=(samples, n)) + (np.arange(samples) * n)[:, None]
    return np.bincount(places.ravel(), minlength=samples * n).reshape(samples, n).astype(np.float64)


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
