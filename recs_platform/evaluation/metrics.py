"""Metrics of each user's ranked list: ndcg, recall, hit_rate, mrr, map; and recall among candidates.

Metrics of all lists together are in `list_metrics`, confidence intervals of means in `bootstrap`.

Sums run in one order (bincount over sorted rows), so that the numbers do not depend on the number of threads.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c

CANDIDATE_RECALL = "candidate_recall"

_CODE = "user_code"
_HIT = pl.lit(1).alias("hit")


def user_metrics(lists: pl.DataFrame, held_out: pl.DataFrame, k: int) -> pl.DataFrame:
    """Measure each user's first `k` items against what was held out.

    `lists`: user_id, item_id, rank (from 1), one row an item of a user. `held_out`: distinct user_id, item_id.
    Returns user_id, metric, value (Float64), sorted by user_id, metrics in the order of USER_METRICS, for every user
    of `held_out`; a user without a list scores 0. With h = |held-out|: recall = hits / h; ndcg has gain 1 and its
    ideal over min(k, h) (Järvelin & Kekäläinen 2002); map = sum of the precision at each hit / min(k, h);
    mrr = 1 / rank of the first hit. Raises ValueError where k < 1.

    >>> lists = pl.DataFrame({"user_id": ["a"] * 3, "item_id": ["x", "y", "z"], "rank": [1, 2, 3]})
    >>> held_out = pl.DataFrame({"user_id": ["a", "a"], "item_id": ["y", "w"]})
    >>> values = user_metrics(lists, held_out, 3)["value"]
    >>> [round(value, 4) for value in values]  # .6309 / (1 + .6309), 1 of 2, any, 1/2, (1/2) / 2
    [0.3869, 0.5, 1.0, 0.5, 0.25]
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    users = held_out.group_by(c.USER_ID).len().sort(c.USER_ID).with_row_index(_CODE)
    hits = (
        lists.filter(pl.col(c.RANK) <= k)
        .join(held_out.select(c.USER_ID, c.ITEM_ID), on=[c.USER_ID, c.ITEM_ID], how="semi")
        .join(users.select(c.USER_ID, _CODE), on=c.USER_ID)
        .sort(_CODE, c.RANK)
    )
    found = Hits(
        hits[_CODE].to_numpy().astype(np.int64),
        hits[c.RANK].to_numpy().astype(np.float64),
        users["len"].to_numpy().astype(np.int64),
        k,
    )
    values = np.column_stack([measure(found) for _, measure in PER_USER])
    return pl.DataFrame(
        {
            c.USER_ID: users[c.USER_ID].gather(np.repeat(np.arange(len(users)), len(USER_METRICS))),
            c.METRIC: pl.Series(list(USER_METRICS) * len(users), dtype=pl.String),
            c.VALUE: values.ravel(),
        }
    )


@dataclass(frozen=True)
class Hits:
    """Held-out items among users' first `k`: what a metric of users is computed from.

    `users`, `ranks`: one entry a hit, code of the user and rank from 1, sorted by both. `held_out`: (n_users,) how many
    items each user has to find, at least 1.
    """

    users: NDArray[np.int64]
    ranks: NDArray[np.float64]
    held_out: NDArray[np.int64]
    k: int

    def total(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of one number a hit, by user (n_users,)."""
        return np.bincount(self.users, weights=weights, minlength=len(self.held_out)).astype(np.float64)

    @property
    def counts(self) -> NDArray[np.float64]:
        """Hits of each user."""
        return np.bincount(self.users, minlength=len(self.held_out)).astype(np.float64)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Which of its user's hits each hit is, from 1."""
        return np.arange(len(self.users)) - np.searchsorted(self.users, self.users) + 1

    @property
    def findable(self) -> NDArray[np.int64]:
        """How many hits each user could have."""
        return np.minimum(self.k, self.held_out)


def discounts(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a hit at each rank (from 1) adds to DCG: 1 / log2(rank + 1), as in Järvelin and Kekäläinen 2002."""
    return 1 / np.log2(ranks + 1)


def ideal_dcg(k: int) -> NDArray[np.float64]:
    """(k + 1,) DCG of a list whose first 0, 1, … k items are hits."""
    return np.concatenate([[0.0], np.cumsum(discounts(np.arange(1.0, k + 1)))])


def ndcg(hits: Hits) -> NDArray[np.float64]:
    """NDCG@k of each user with gain 1, its ideal over min(k, held out) (Järvelin and Kekäläinen 2002)."""
    return hits.total(discounts(hits.ranks)) / ideal_dcg(hits.k)[hits.findable]


def recall(hits: Hits) -> NDArray[np.float64]:
    """Recall@k of each user over all that was held out."""
    return hits.counts / hits.held_out


def _hit_rate(hits: Hits) -> NDArray[np.float64]:
    return (hits.counts > 0).astype(np.float64)


def _mrr(hits: Hits) -> NDArray[np.float64]:
    return hits.total(np.where(hits.numbers == 1, 1 / hits.ranks, 0.0))


def _map(hits: Hits) -> NDArray[np.float64]:
    return hits.total(hits.numbers / hits.ranks) / hits.findable


# One function a metric: another line here, and evaluation, benchmark and reports have it too.
PER_USER: tuple[tuple[str, Callable[[Hits], NDArray[np.float64]]], ...] = (
    ("ndcg", ndcg),
    ("recall", recall),
    ("hit_rate", _hit_rate),
    ("mrr", _mrr),
    ("map", _map),
)
USER_METRICS = tuple(name for name, _ in PER_USER)


def candidate_recall(offered: pl.DataFrame, held_out: pl.DataFrame) -> pl.DataFrame:
    """Share of each user's held-out items that are among those offered, whatever their order.

    `offered`: distinct user_id, item_id; `held_out`: the same. Returns user_id, metric, value (Float64), sorted by
    user_id, for every user of `held_out`; a user who was offered nothing has 0.

    >>> offered = pl.DataFrame({"user_id": ["a", "a", "b"], "item_id": ["x", "y", "x"]})
    >>> held_out = pl.DataFrame({"user_id": ["a", "a", "c"], "item_id": ["y", "w", "x"]})
    >>> candidate_recall(offered, held_out).rows()
    [('a', 'candidate_recall', 0.5), ('c', 'candidate_recall', 0.0)]
    """
    pair = [c.USER_ID, c.ITEM_ID]
    found = held_out.select(pair).join(offered.select(*pair, _HIT), on=pair, how="left", maintain_order="left")
    shares = found.group_by(c.USER_ID).agg((pl.col("hit").count() / pl.len()).alias(c.VALUE))
    return shares.select(c.USER_ID, pl.lit(CANDIDATE_RECALL).alias(c.METRIC), c.VALUE).sort(c.USER_ID)
