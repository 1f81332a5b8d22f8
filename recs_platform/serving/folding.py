"""A user's vector folded in from the vectors of items: a few least squares, no fitting. What was chosen: `learning`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recs_platform.stages.releases.bundle import Bundle

# Set before any replay; `benchmarks.session_replay` says what they do.
FADE = 0.9
PULL = 1.0
OTHERS = 10.0
_CONSUMED_MAX = 200
_SAMPLE = 50_000
_MEANS: WeakKeyDictionary[Bundle, NDArray[np.float64]] = WeakKeyDictionary()


def fold_in(
    vectors: NDArray[np.float32], mean: NDArray[np.float64], codes: NDArray[np.int32], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The vector (d,) that is near 1 on items `codes`, as `weights` (above 0) count, and near 0 on all others.

    Hu, Koren and Volinsky 2008, equation 4, with `mean` (d, d) = the mean of v vᵀ over all items, counted OTHERS times.
    No item: all zero.

    >>> v = np.eye(2, dtype=np.float32)
    >>> fold_in(v, v.T @ v / 2, np.array([0]), np.array([4.0])).round(3).tolist()
    [0.4, 0.0]
    """
    if not len(codes):
        return np.zeros(len(mean))
    rows = vectors[codes].astype(np.float64)
    weighted = rows * weights[:, None]
    left: NDArray[np.float64] = OTHERS * mean + rows.T @ weighted
    right: NDArray[np.float64] = weighted.sum(axis=0)
    left[np.diag_indices_from(left)] += PULL
    return np.linalg.solve(left, right).astype(np.float64)


def user_vector(bundle: Bundle, user: int | None, chosen: Sequence[int]) -> NDArray[np.float64]:
    """The vector of a user from what the release knows they consumed and what they chose since, newest first."""
    before = np.zeros(0, dtype=np.int32) if user is None else bundle.consumed(user)[:_CONSUMED_MAX]
    codes = np.concatenate([np.asarray(chosen, dtype=np.int32), before])
    oldest = FADE ** len(chosen)
    weights: NDArray[np.float64] = np.concatenate([FADE ** np.arange(len(chosen)), np.full(len(before), oldest)])
    return fold_in(bundle.vectors, _mean_of(bundle), codes, weights)


def _mean_of(bundle: Bundle) -> NDArray[np.float64]:
    """The mean of v vᵀ over at most 50,000 items, worked out once a bundle."""
    found = _MEANS.get(bundle)
    if found is None:
        step = max(1, len(bundle.vectors) // _SAMPLE)
        sample = np.asarray(bundle.vectors[::step], dtype=np.float64)
        found = _MEANS[bundle] = sample.T @ sample / max(len(sample), 1)
    return found
