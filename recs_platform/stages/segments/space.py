"""Principal components of the scaled features: fewer coordinates, nearly the same distances."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from recs_platform.stages.segments.scaling import Matrix

DECIMALS = 6  # what lies behind them is rounding, and may differ between machines


class FeatureSpace(BaseModel):
    """The components: `mean` (features), `axes` (components, features), of unit length, `shares` of the variance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[float, ...]
    axes: tuple[tuple[float, ...], ...]
    shares: tuple[float, ...]

    @property
    def dimensions(self) -> int:
        return len(self.axes)

    def project(self, scaled: Matrix) -> Matrix:
        """Coordinates (users, components), rounded."""
        axes = np.asarray(self.axes, dtype=np.float64).reshape(self.dimensions, len(self.mean))
        return np.round((scaled - np.asarray(self.mean)) @ axes.T, DECIMALS)


def fit_space(scaled: Matrix, variance_kept: float) -> FeatureSpace:
    """The fewest components that keep that share of the variance; none where all users are alike.

    The largest entry of each axis is positive, so that an axis does not point the other way in another run.
    """
    features = scaled.shape[1]
    mean = scaled.mean(axis=0) if len(scaled) else np.zeros(features)
    if not len(scaled) or not np.any(np.ptp(scaled, axis=0) > 0):
        return FeatureSpace(mean=tuple(mean.tolist()), axes=(), shares=())
    variances, axes = _axes(scaled - mean)
    shares = variances / variances.sum()
    kept = min(int(np.searchsorted(np.cumsum(shares), variance_kept)) + 1, len(shares))
    return FeatureSpace(
        mean=tuple(mean.tolist()),
        axes=tuple(tuple(axis.tolist()) for axis in axes[:kept]),
        shares=tuple(shares[:kept].tolist()),
    )


def _axes(centred: Matrix) -> tuple[NDArray[np.float64], Matrix]:
    """Variances, greatest first, with their axes as rows."""
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    axes = vectors.T[::-1]
    largest = np.argmax(np.round(np.abs(axes), DECIMALS), axis=1)
    signs = np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)
    return np.maximum(variances[::-1], 0.0), axes * signs[:, None]
