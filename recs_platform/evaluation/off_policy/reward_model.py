"""The reward model of the direct and the doubly robust estimators: smoothed means by item and place, cross-fitted.

It is small on purpose: what it misses, the doubly robust estimate corrects; what it says of an item never shown is the
mean of all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

FOLDS = 5
# A mean counts as so many rows against the coarser mean it is drawn to.
PRIOR_ROWS = 20.0


@dataclass(frozen=True, eq=False)
class RewardModel:
    """What each fold's model expects: fitted without the users of the fold.

    Attributes:
        by_item: (folds, n_items, n_places), the expected reward.
        fold: (n_clusters,), the fold of each user.
        counts: (n_items, n_places), logged rows.
    """

    by_item: Floats
    fold: NDArray[np.int64]
    counts: Codes

    def predict(self, clusters: Codes, items: Codes, places: Codes) -> Floats:
        """Expected reward of each row; arrays of one shape, -1 for an item that the log never shows."""
        known = np.maximum(items, 0)
        means = self.by_item.mean(axis=1)
        folds = self.fold[clusters]
        return np.where(items >= 0, self.by_item[folds, known, places], means[folds, places])


def fit_reward_model(clusters: Codes, items: Codes, places: Codes, rewards: Floats, seed: int) -> RewardModel:
    """Fit on rows (n,) of user, item and place codes from 0.

    The mean of an item at a place is drawn to the item's, and that to the mean at the place: as if PRIOR_ROWS rows of
    the coarser mean had been seen beside. Users are dealt into folds by the seed.
    """
    n_clusters, n_items, n_places = (int(each.max(initial=-1)) + 1 for each in (clusters, items, places))
    fold = np.random.default_rng(seed).permutation(n_clusters).astype(np.int64) % FOLDS
    cell, size = items * n_places + places, n_items * n_places
    shape = (n_items, n_places)
    row_fold = fold[clusters]
    keys, width = row_fold * size + cell, FOLDS * size
    counts = np.bincount(keys, minlength=width).reshape(FOLDS, *shape)
    sums = np.bincount(keys, weights=rewards, minlength=width).reshape(FOLDS, *shape)
    others = [(counts.sum(axis=0) - counts[f], sums.sum(axis=0) - sums[f]) for f in range(FOLDS)]
    return RewardModel(np.stack([_smoothed(n, total) for n, total in others]), fold, counts.sum(axis=0))


def _smoothed(counts: NDArray[np.int64], sums: Floats) -> Floats:
    """(n_items, n_places) from counts and sums of that shape."""
    overall = float(sums.sum()) / max(int(counts.sum()), 1)
    place = (sums.sum(axis=0) + PRIOR_ROWS * overall) / (counts.sum(axis=0) + PRIOR_ROWS)
    # What the places where an item was shown would have earned on average: its own mean is relative to that.
    due = (counts * place).sum(axis=1)
    lift = (sums.sum(axis=1) + PRIOR_ROWS * overall) / np.maximum(due + PRIOR_ROWS * overall, 1e-300)
    expected = lift[:, None] * place
    return (sums + PRIOR_ROWS * expected) / (counts + PRIOR_ROWS)
