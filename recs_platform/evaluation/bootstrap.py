"""Percentile bootstrap of a mean over users. What is averaged, and the verdict on it, are decided elsewhere."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Draws held at once: 16 MB of indices, whatever the number of users.
_BLOCK_DRAWS = 2_000_000


@dataclass(frozen=True)
class Interval:
    """A mean over `n` values with the ends of its interval."""

    value: float
    low: float
    high: float
    n: int


def mean_interval(values: NDArray[np.float64], seed: int, samples: int = 1000, level: float = 0.95) -> Interval:
    """Mean of `values` (n,) with its percentile bootstrap interval (Efron 1979).

    The same values in the same order and the same seed give the same interval. No values give NaN and n = 0.

    >>> mean_interval(np.array([2.0, 2.0, 2.0]), seed=0)
    Interval(value=2.0, low=2.0, high=2.0, n=3)
    """
    n = len(values)
    if not n:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    low, high = np.quantile(_resampled_means(values, seed, samples), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), n)


def paired_difference(
    a: NDArray[np.float64], b: NDArray[np.float64], seed: int, samples: int = 1000, level: float = 0.95
) -> Interval:
    """Mean of `a - b` with its interval; `a[i]` and `b[i]` belong to one user, and are resampled together.

    Raises ValueError where the lengths differ.

    >>> paired_difference(np.array([3.0, 5.0]), np.array([1.0, 3.0]), seed=0)
    Interval(value=2.0, low=2.0, high=2.0, n=2)
    """
    if len(a) != len(b):
        raise ValueError(f"paired values differ in length: {len(a)} and {len(b)}")
    return mean_interval(a - b, seed, samples, level)


def _resampled_means(
    values: NDArray[np.float64], seed: int, samples: int, block_draws: int = _BLOCK_DRAWS
) -> NDArray[np.float64]:
    """Means (samples,) of resamples with replacement, drawn in blocks; the block size does not change them."""
    generator = np.random.default_rng(seed)
    rows = max(1, block_draws // len(values))
    means = np.empty(samples)
    for start in range(0, samples, rows):
        stop = min(start + rows, samples)
        draws = generator.integers(0, len(values), size=(stop - start, len(values)))
        means[start:stop] = values[draws].mean(axis=1)
    return means
