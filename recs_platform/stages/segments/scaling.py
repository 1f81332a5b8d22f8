"""User features as one scaled matrix: missing values, heavy tails, scales, weights. Distances are in `space`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from recs_platform.contracts.errors import ContractError

if TYPE_CHECKING:
    import polars as pl

Matrix = NDArray[np.float64]  # (users or clusters, features or dimensions)

TAIL = 0.01  # share of users on each side whose values are drawn in to the quantile
SKEW_MAX = 1.0  # what is skewed more, and nowhere negative, is taken by its logarithm
MIN_MAX_SPREAD = float(np.sqrt(12.0))  # a feature spread evenly over its range then has deviation 1, like a z-score


@dataclass(frozen=True)
class Measure:
    """A feature to cluster by, as its yml declares it: `missing` mean or median, `scaling` z_score or min_max."""

    name: str
    missing: str | None
    scaling: str


class FittedMeasure(BaseModel):
    """What scales one feature: fill, clip to [low, high], log1p, minus centre, times factor (0 = constant feature)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    fill: float
    low: float
    high: float
    is_logged: bool
    center: float
    factor: float


def read_matrix(frame: pl.DataFrame, names: Sequence[str]) -> Matrix:
    """(users, features) in the order of `names`, NaN where missing. Raises ContractError naming absent columns."""
    import polars as pl

    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise ContractError(f"features.user_features lacks {absent}, which the clusters are made of; materialize it")
    if not names:
        return np.empty((frame.height, 0))
    floats = frame.select(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in names)
    return np.asarray(floats.to_numpy(order="c"), dtype=np.float64)


def fit_measures(values: Matrix, measures: Sequence[Measure], weights: Mapping[str, float]) -> list[FittedMeasure]:
    """Statistics of each column of `values`; a column without a known value or with one value only gets factor 0."""
    return [_fit(values[:, index], measure, weights.get(measure.name, 1.0)) for index, measure in enumerate(measures)]


def _fit(column: NDArray[np.float64], measure: Measure, weight: float) -> FittedMeasure:
    known = column[~np.isnan(column)]
    if not len(known):
        return FittedMeasure(name=measure.name, fill=0, low=0, high=0, is_logged=False, center=0, factor=0)
    low, high = (float(bound) for bound in np.quantile(known, [TAIL, 1 - TAIL]))
    clipped = np.clip(known, low, high)
    fill = float(np.mean(clipped) if measure.missing == "mean" else np.median(clipped))
    is_logged = measure.scaling == "z_score" and low >= 0 and _skewness(clipped) > SKEW_MAX
    center, factor = _scale(np.log1p(clipped) if is_logged else clipped, measure.scaling)
    return FittedMeasure(
        name=measure.name, fill=fill, low=low, high=high, is_logged=is_logged, center=center, factor=factor * weight
    )


def _scale(values: NDArray[np.float64], scaling: str) -> tuple[float, float]:
    """Centre and factor; a range of rounding errors counts as one value."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-12 * max(1.0, abs(high)):
        return low, 0.0
    if scaling == "min_max":
        return low, MIN_MAX_SPREAD / (high - low)
    return float(values.mean()), 1.0 / float(values.std())


def _skewness(values: NDArray[np.float64]) -> float:
    deviation = float(values.std())
    if deviation == 0:
        return 0.0
    cubes: NDArray[np.float64] = ((values - values.mean()) / deviation) ** 3
    return float(cubes.mean())


def filled(values: Matrix, fitted: Sequence[FittedMeasure]) -> Matrix:
    """The same values with the fitted fill where one is missing."""
    return np.where(np.isnan(values), np.array([each.fill for each in fitted]), values)


def scale(values: Matrix, fitted: Sequence[FittedMeasure]) -> Matrix:
    """Scaled and weighted copy of `values`, whose columns are those of `fitted`; no value is missing in it."""
    scaled = filled(values, fitted)
    for index, each in enumerate(fitted):
        column = np.clip(scaled[:, index], each.low, each.high)
        scaled[:, index] = ((np.log1p(column) if each.is_logged else column) - each.center) * each.factor
    return scaled
