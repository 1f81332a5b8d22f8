"""How far a distribution moved from its reference. Which columns are compared, and what it means, is not here."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

# An empty cell counts as this share, so that its logarithm exists.
_FLOOR = 1e-4


def population_stability(reference: NDArray[np.float64], current: NDArray[np.float64], bins: int = 10) -> float:
    """Population stability index over `bins` quantile cells of the reference: sum of (c - r) ln(c / r).

    Values outside the reference's range and NaN have cells of their own; an empty cell counts as 0.0001.
    Raises ValueError where either side is empty.

    >>> round(population_stability(np.array([0.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0])), 4)  # ln(2)/4 + ln(1.5)/4
    0.2747
    """
    _require_values(len(reference), len(current))
    known = reference[~np.isnan(reference)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1))) if len(known) else np.empty(0)
    before, after = (
        np.maximum(np.bincount(_cells(values, edges), minlength=len(edges) + 3) / len(values), _FLOOR)
        for values in (reference, current)
    )
    return float(((after - before) * np.log(after / before)).sum())


def _cells(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Cell of each value: below, one from each edge to the next, at the last edge, above it, NaN."""
    cells = np.searchsorted(edges, values, side="right").astype(np.int64)
    if len(edges):
        cells += values > edges[-1]
    cells[np.isnan(values)] = len(edges) + 2
    return cells


def normed_wasserstein(reference: NDArray[np.float64], current: NDArray[np.float64]) -> float:
    """Earth mover's distance over the standard deviation of the reference; NaN is left out.

    A constant reference gives 0 where nothing moved, else infinity. Raises ValueError where either side is empty.

    >>> normed_wasserstein(np.array([0.0, 2.0]), np.array([1.0, 3.0]))  # every value moved by 1, deviation 1
    1.0
    """
    before, after = (np.sort(values[~np.isnan(values)]) for values in (reference, current))
    _require_values(len(before), len(after))
    points = np.sort(np.concatenate([before, after]))
    shares = [np.searchsorted(side, points[:-1], side="right") / len(side) for side in (before, after)]
    distance = float((np.abs(shares[0] - shares[1]) * np.diff(points)).sum())
    # Exact zeros only: the deviation of equal values may come out as a tiny rounding error.
    if before[0] == before[-1]:
        return 0.0 if distance == 0 else float("inf")
    return distance / float(before.std())


def jensen_shannon(reference: pl.Series, current: pl.Series) -> float:
    """Jensen-Shannon distance of two sets of categories: 0 = same shares, 1 = no category in common.

    Square root of the divergence in bits; null is a category. Raises ValueError where either side is empty.

    >>> jensen_shannon(pl.Series(["a"]), pl.Series(["b"])), jensen_shannon(pl.Series(["a", "a"]), pl.Series(["a"]))
    (1.0, 0.0)
    """
    _require_values(len(reference), len(current))
    counts = pl.concat(
        [
            pl.DataFrame({"category": series.cast(pl.String), "side": pl.repeat(side, len(series), eager=True)})
            for side, series in enumerate((reference, current))
        ]
    )
    shares = (
        counts.group_by("category")
        .agg(pl.col("side").eq(0).sum().alias("before"), pl.col("side").eq(1).sum().alias("after"))
        .sort("category")
    )
    before = shares["before"].to_numpy() / len(reference)
    after = shares["after"].to_numpy() / len(current)
    middle = (before + after) / 2
    divergence = (_relative_entropy(before, middle) + _relative_entropy(after, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def _relative_entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    some = p > 0
    return float((p[some] * np.log2(p[some] / q[some])).sum())


def _require_values(reference: int, current: int) -> None:
    if not reference or not current:
        raise ValueError(f"nothing to compare: {reference} reference values, {current} current values")
