"""Cluster components that assign users: centres, precisions, radii. They are fitted in `trials`."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.segments.scaling import Matrix

BLOCK_ROWS = 65_536
NOISE = -1

Labels = NDArray[np.int64]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """A user belongs where `log_weights` less half the squared distance, weighted by `precisions`, is greatest.

    `means` and `precisions` are (clusters, dimensions). With precisions 1 and equal weights that is the nearest centre;
    ties go to the first. `radii` are infinite where nobody is noise.
    """

    means: Matrix
    precisions: Matrix
    log_weights: Vector
    radii: Vector

    def __len__(self) -> int:
        return len(self.means)

    def assign(self, points: Matrix) -> Labels:
        """Component of each point."""
        return _in_blocks(self._best, points)

    def is_noise(self, points: Matrix, labels: Labels) -> NDArray[np.bool_]:
        """Whether a point lies farther from its component's centre than any point that made it."""
        if not np.isfinite(self.radii).any():
            return np.zeros(len(points), dtype=np.bool_)
        return np.sqrt(((points - self.means[labels]) ** 2).sum(axis=1)) > self.radii[labels]

    def kept(self, indexes: list[int]) -> "Components":
        """Only the components at these indexes, in this order."""
        return Components(self.means[indexes], self.precisions[indexes], self.log_weights[indexes], self.radii[indexes])

    def _best(self, points: Matrix) -> Labels:
        linear = points @ (self.precisions * self.means).T
        squares = (points**2) @ self.precisions.T + (self.precisions * self.means**2).sum(axis=1)
        return np.argmax(self.log_weights + linear - squares / 2, axis=1).astype(np.int64)


def _in_blocks(best: Callable[[Matrix], Labels], points: Matrix) -> Labels:
    blocks = [best(points[start : start + BLOCK_ROWS]) for start in range(0, len(points), BLOCK_ROWS)]
    return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int64)


def nearest_centres(points: Matrix, labels: Labels, *, with_reach: bool = False) -> Components:
    """One component a label but NOISE, at the mean of its points; `with_reach` limits it to its farthest point."""
    found = [int(label) for label in np.unique(labels) if label != NOISE]
    means = np.array([points[labels == label].mean(axis=0) for label in found]).reshape(len(found), points.shape[1])
    farthest = [
        float(np.sqrt(((points[labels == label] - mean) ** 2).sum(axis=1)).max())
        for label, mean in zip(found, means, strict=True)
    ]
    radii = np.array(farthest) if with_reach else np.full(len(found), np.inf)
    return Components(means, np.ones_like(means), np.zeros(len(found)), radii)
