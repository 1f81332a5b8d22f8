"""How popular items are, overall and finer: users who like them, each fading with a half-life.

The scores serve in `stages.retrieval.sources.popularity`; which half-lives suit a log is tried in `popularity_trials`.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.time import DAY_MICROSECONDS

# A smaller group than this is no group: what it likes is chance.
GROUP_USERS_MIN = 50
GROUPS_MAX = 30


def item_scores(
    items: NDArray[np.int32], occurred_us: NDArray[np.int64], n_items: int, half_life_days: float | None
) -> NDArray[np.float64]:
    """Score of each item (n_items,): sum of 2 ** (-age / half-life) of its likes, one a user; None: their number.

    >>> item_scores(np.array([0, 1, 1]), np.array([0, 0, DAY_MICROSECONDS]), 3, 1.0).tolist()
    [0.5, 1.5, 0.0]
    """
    weights = faded(occurred_us, half_life_days)
    return np.bincount(items, weights=weights, minlength=n_items).astype(np.float64)


def group_scores(
    groups: NDArray[np.int64],
    items: NDArray[np.int32],
    occurred_us: NDArray[np.int64],
    everybody: NDArray[np.float64],
    *,
    n_groups: int,
    half_life_days: float | None,
    own_share: float,
) -> NDArray[np.float64]:
    """Scores (n_groups + 1, n_items) of items in each group; in the last row, of no group, those of everybody.

    `own_share` of an item's score is its share of the group's faded likes, the rest its share of `everybody`
    (n_items,): Jelinek and Mercer 1980. `groups`: the group of each like's user, `n_groups` for none.

    >>> likes = np.array([0, 1, 1]), np.array([0, 1, 1]), np.zeros(3, np.int64)
    >>> group_scores(*likes, np.array([1.0, 3.0]), n_groups=1, half_life_days=None, own_share=0.5).tolist()
    [[0.625, 0.375], [0.25, 0.75]]
    """
    n_items, inside = len(everybody), groups < n_groups
    cells = groups[inside] * n_items + items[inside]
    weights = faded(occurred_us, half_life_days)[inside]
    sums: NDArray[np.float64] = np.bincount(cells, weights=weights, minlength=n_groups * n_items).astype(np.float64)
    shares = _shares(everybody[None])
    return np.vstack([own_share * _shares(sums.reshape(n_groups, n_items)) + (1 - own_share) * shares, shares])


def category_scores(
    items: NDArray[np.int32],
    occurred_us: NDArray[np.int64],
    everybody: NDArray[np.float64],
    categories: NDArray[np.int64],
    half_lives_days: Mapping[int, float | None],
) -> NDArray[np.float64]:
    """Scores (n_items,): each category has its sum of `everybody`, shared out by its own half-life.

    `categories` (n_items,): code of each item's; those without a half-life of their own stay as they are.

    >>> day = np.array([0, DAY_MICROSECONDS])
    >>> category_scores(np.array([0, 1]), day, np.array([1.5, 1.5, 4.0]), np.array([0, 0, 1]), {0: 1.0}).tolist()
    [1.0, 2.0, 4.0]
    """
    scores = everybody.copy()
    for half_life in dict.fromkeys(half_lives_days.values()):
        own = item_scores(items, occurred_us, len(everybody), half_life)
        for code in (code for code, days in half_lives_days.items() if days == half_life):
            members = categories == code
            mass = own[members].sum()
            if mass > 0:
                scores[members] = own[members] * (everybody[members].sum() / mass)
    return scores


def _shares(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row over its sum, zeros where that is 0."""
    totals = sums.sum(axis=1, keepdims=True)
    return np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)


def faded(occurred_us: NDArray[np.int64], half_life_days: float | None) -> NDArray[np.float64]:
    """2 ** (-age / half-life) of each instant (n,), ages counted from the youngest; ones where it is None.

    >>> faded(np.array([0, DAY_MICROSECONDS]), 1.0).tolist(), faded(np.array([0, 5]), None).tolist()
    ([0.5, 1.0], [1.0, 1.0])
    """
    if half_life_days is None or not len(occurred_us):
        return np.ones(len(occurred_us))
    return np.exp2(-(occurred_us.max() - occurred_us) / DAY_MICROSECONDS / half_life_days)
