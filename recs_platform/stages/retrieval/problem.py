"""One as-of's interactions as dense codes: what every source is fitted on. Nothing is fitted or read here."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs

OCCURRED_US = "occurred_us"
IS_AVAILABLE = "is_available"


@dataclass(frozen=True, eq=False)
class RetrievalProblem:
    """Users and items as codes (places in the sorted ids); one entry an interaction.

    `user_ids`, `item_ids`: str, ascending. `users`, `items`: int32, `occurred_us`: int64, `weights`: float32, all of
    one length, sorted by user, time, item, weight. `eligible`: bool (n_items,), what may be recommended.
    """

    as_of_us: int
    user_ids: NDArray[np.object_]
    item_ids: NDArray[np.object_]
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    occurred_us: NDArray[np.int64]
    weights: NDArray[np.float32]
    eligible: NDArray[np.bool_]
    allow_repeats: bool

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_users, self.n_items

    @cached_property
    def user_series(self) -> pl.Series:
        """The user ids as a String series, to be gathered by code."""
        return pl.Series(self.user_ids.tolist(), dtype=pl.String)

    @cached_property
    def item_series(self) -> pl.Series:
        """The item ids as a String series, to be gathered by code."""
        return pl.Series(self.item_ids.tolist(), dtype=pl.String)

    @cached_property
    def preferences(self) -> SparseRows:
        """Users by items: summed weight of the positives; only pairs with weight > 0 are stored."""
        liked = self.weights > 0
        return self._sum_weights(liked)

    @cached_property
    def consumed(self) -> SparseRows:
        """Users by items: a value wherever the user has any interaction with the item."""
        return self._sum_weights(np.ones(len(self.users), dtype=np.bool_))

    @cached_property
    def excluded(self) -> SparseRows:
        """Users by items that must not be offered: what was consumed, nothing where repeats are allowed."""
        if not self.allow_repeats:
            return self.consumed
        nothing = np.empty(0, dtype=np.int32)
        return from_sorted_pairs(nothing, nothing, np.empty(0, dtype=np.float32), self.shape)

    @cached_property
    def recent(self) -> SparseRows:
        """Users by items: place of each positive item in the user's history, 0 = the latest."""
        pairs = np.flatnonzero(self.weights > 0)[::-1]
        _, latest = np.unique(self._pair_keys(pairs), return_index=True)
        # Back in time within a user: entries are sorted by user and time, so a later entry has the greater index.
        kept = pairs[latest]
        users = self.users[kept]
        order = np.lexsort((-kept, users))
        places = np.empty(len(kept), dtype=np.int64)
        places[order] = np.arange(len(kept)) - np.searchsorted(users[order], users[order])
        return from_sorted_pairs(users, self.items[kept], places.astype(np.float32), self.shape)

    def _sum_weights(self, chosen: NDArray[np.bool_]) -> SparseRows:
        pairs = np.flatnonzero(chosen)
        keys, places = np.unique(self._pair_keys(pairs), return_inverse=True)
        sums = np.bincount(places, weights=self.weights[pairs], minlength=len(keys)).astype(np.float32)
        n_items = max(self.n_items, 1)
        return from_sorted_pairs(keys // n_items, (keys % n_items).astype(np.int32), sums, self.shape)

    def _pair_keys(self, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.users[pairs].astype(np.int64) * self.n_items + self.items[pairs]


def encode(
    interactions: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame, *, as_of: datetime, allow_repeats: bool
) -> RetrievalProblem:
    """Map ids to codes. Frames of staging.stg_interactions, stg_users and stg_items as of `as_of`, rows in any order.

    Reads user_id, item_id, occurred_us, weight of `interactions`; user_id of `users`; item_id and is_available of
    `items`. Users and items that only occur in interactions get codes too; such items are not eligible.
    """
    user_ids = _sorted_ids(users, interactions, c.USER_ID)
    item_ids = _sorted_ids(items, interactions, c.ITEM_ID)
    available = items.filter(pl.col(IS_AVAILABLE))[c.ITEM_ID].unique()
    rows = interactions.select(
        _codes(c.USER_ID, user_ids), _codes(c.ITEM_ID, item_ids), pl.col(OCCURRED_US), pl.col(c.WEIGHT)
    ).sort(c.USER_ID, OCCURRED_US, c.ITEM_ID, c.WEIGHT)
    return RetrievalProblem(
        as_of_us=round(as_of.timestamp() * 1_000_000),
        user_ids=user_ids.to_numpy().astype(np.object_),
        item_ids=item_ids.to_numpy().astype(np.object_),
        users=rows[c.USER_ID].to_numpy().astype(np.int32),
        items=rows[c.ITEM_ID].to_numpy().astype(np.int32),
        occurred_us=rows[OCCURRED_US].to_numpy().astype(np.int64),
        weights=rows[c.WEIGHT].to_numpy().astype(np.float32),
        eligible=item_ids.is_in(available.implode()).to_numpy().astype(np.bool_),
        allow_repeats=allow_repeats,
    )


def _sorted_ids(frame: pl.DataFrame, interactions: pl.DataFrame, column: str) -> pl.Series:
    both = [frame[column].cast(pl.String), interactions[column].cast(pl.String)]
    return pl.concat(both).unique().drop_nulls().sort()


def _codes(column: str, ids: pl.Series) -> pl.Expr:
    return pl.col(column).cast(pl.Enum(ids)).to_physical().cast(pl.Int32)
