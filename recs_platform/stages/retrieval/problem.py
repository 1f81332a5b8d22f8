"""One as-of's interactions as dense codes: what every source is fitted on. `fit` holds what they made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.time import SECOND_MICROSECONDS
from recs_platform.evaluation.ties import tie_keys
from recs_platform.stages.retrieval.regional_eligibility import offers_by_region_group
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs

# What may be known of items and users beyond interactions; a frame that lacks a column has NULL in it.
CATALOGUE_COLUMNS = {
    c.TITLE: pl.String(),
    c.CATEGORY: pl.String(),
    c.CREATOR: pl.String(),
    c.TAGS: pl.List(pl.String),
    c.LANGUAGE: pl.String(),
    c.PUBLISHED_AT: pl.Datetime("us", "UTC"),
    c.AVAILABLE_FROM: pl.Datetime("us", "UTC"),
    c.FIRST_SEEN_AT: pl.Datetime("us", "UTC"),
}
PROFILE_COLUMNS = {
    c.COUNTRY: pl.String(),
    c.REGION: pl.String(),
    c.AGE_BAND: pl.String(),
    c.TOP_DEVICE: pl.String(),
    c.SEGMENT_ID: pl.String(),
}

_TIE = "tie_key"
# Cached properties that depend neither on what is eligible nor on profiles.
_OF_ALL_REGIONS = ("user_series", "item_series", "preferences", "consumed", "excluded", "recent")


@dataclass(frozen=True, eq=False)
class RetrievalProblem:
    """Users and items as codes (positions in the sorted ids); one entry an interaction.

    `user_ids`, `item_ids`: str, ascending. `users`, `items`: int32, `occurred_us`: int64, `weights`: float32, all of
    one length, sorted by user, time, and within an instant without a pattern (`tie_keys`).
    `eligible`: bool (n_items,), what may be recommended to anybody.
    `catalogue`: CATALOGUE_COLUMNS, a row an item in the order of the codes; `profiles`: PROFILE_COLUMNS, a row a user.
    `vectors`: float32 (n_items, d) that the operator brought, zero where there is none; d = 0 without any.
    `region_group_of`: int32 (n_users,), the region group of each user; `offered`: bool (n_groups, n_items), what may
    be recommended to a group, rows distinct; both None where everybody may be recommended all that is eligible.
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
    catalogue: pl.DataFrame
    profiles: pl.DataFrame
    vectors: NDArray[np.float32]
    region_group_of: NDArray[np.int32] | None = None
    offered: NDArray[np.bool_] | None = None

    def with_profiles(self, users: pl.DataFrame) -> "RetrievalProblem":
        """The same with other profiles: `user_id` and PROFILE_COLUMNS of `users`, NULL where a user or column lacks."""
        profiles = _aligned(users, c.USER_ID, self.user_series.alias(c.USER_ID), PROFILE_COLUMNS)
        view = replace(self, profiles=profiles)
        for name in _OF_ALL_REGIONS:
            if name in vars(self):
                vars(view)[name] = getattr(self, name)
        return view

    def at_region_group(self, group: int) -> "RetrievalProblem":
        """The same where only what may be recommended to the group is eligible.

        What follows from interactions alone is computed here, once for all groups, and shared.
        """
        if self.offered is None:
            return self
        view = replace(self, eligible=self.eligible & self.offered[group], region_group_of=None, offered=None)
        for name in _OF_ALL_REGIONS:
            # Where a cached property keeps its value.
            vars(view)[name] = getattr(self, name)
        return view

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
        """Users by items: position of each positive item in the user's history, 0 = the latest."""
        pairs = np.flatnonzero(self.weights > 0)[::-1]
        _, latest = np.unique(self._pair_keys(pairs), return_index=True)
        # Back in time within a user: entries are sorted by user and time, so a later entry has the greater index.
        kept = pairs[latest]
        users = self.users[kept]
        order = np.lexsort((-kept, users))
        positions = np.empty(len(kept), dtype=np.int64)
        positions[order] = np.arange(len(kept)) - np.searchsorted(users[order], users[order])
        return from_sorted_pairs(users, self.items[kept], positions.astype(np.float32), self.shape)

    def _sum_weights(self, chosen: NDArray[np.bool_]) -> SparseRows:
        pairs = np.flatnonzero(chosen)
        keys, inverse = np.unique(self._pair_keys(pairs), return_inverse=True)
        sums = np.bincount(inverse, weights=self.weights[pairs], minlength=len(keys)).astype(np.float32)
        n_items = max(self.n_items, 1)
        return from_sorted_pairs(keys // n_items, (keys % n_items).astype(np.int32), sums, self.shape)

    def _pair_keys(self, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.users[pairs].astype(np.int64) * self.n_items + self.items[pairs]


def encode(
    interactions: pl.DataFrame,
    users: pl.DataFrame,
    items: pl.DataFrame,
    *,
    as_of: datetime,
    allow_repeats: bool,
    vectors: pl.DataFrame | None = None,
    user_regions: pl.DataFrame | None = None,
    exclusions: pl.DataFrame | None = None,
) -> RetrievalProblem:
    """Map ids to codes. Frames of staging.stg_interactions, stg_users and stg_items as of `as_of`, rows in any order.

    Reads user_id, item_id, occurred_us, weight of `interactions`; user_id and PROFILE_COLUMNS of `users`; item_id,
    is_available and CATALOGUE_COLUMNS of `items`; item_id and vector of `vectors`, see `aligned_vectors`. Users and
    items that only occur in interactions get codes too; such items are not eligible. `user_regions`: user_id and
    availability_region; `exclusions`: availability_region and item_id of what may not be recommended there, see
    `offers_by_region_group`.
    """
    user_ids = _sorted_ids(users, interactions, c.USER_ID)
    item_ids = _sorted_ids(items, interactions, c.ITEM_ID)
    available = items.filter(pl.col(c.IS_AVAILABLE))[c.ITEM_ID].unique()
    rows = interactions.select(
        _codes(c.USER_ID, user_ids),
        _codes(c.ITEM_ID, item_ids),
        pl.col(c.OCCURRED_US),
        pl.col(c.WEIGHT),
        tie_keys(interactions[c.USER_ID], interactions[c.ITEM_ID]).alias(_TIE),
    ).sort(c.USER_ID, c.OCCURRED_US, _TIE, c.ITEM_ID, c.WEIGHT)
    is_available = item_ids.is_in(available.implode()).to_numpy().astype(np.bool_)
    region_group_of, offered = offers_by_region_group(user_ids, item_ids, is_available, user_regions, exclusions)
    return RetrievalProblem(
        as_of_us=round(as_of.timestamp() * SECOND_MICROSECONDS),
        user_ids=user_ids.to_numpy().astype(np.object_),
        item_ids=item_ids.to_numpy().astype(np.object_),
        users=rows[c.USER_ID].to_numpy().astype(np.int32),
        items=rows[c.ITEM_ID].to_numpy().astype(np.int32),
        occurred_us=rows[c.OCCURRED_US].to_numpy().astype(np.int64),
        weights=rows[c.WEIGHT].to_numpy().astype(np.float32),
        eligible=np.logical_or.reduce(offered),
        allow_repeats=allow_repeats,
        catalogue=_aligned(items, c.ITEM_ID, item_ids, CATALOGUE_COLUMNS),
        profiles=_aligned(users, c.USER_ID, user_ids, PROFILE_COLUMNS),
        vectors=aligned_vectors(vectors, item_ids),
        region_group_of=region_group_of if len(offered) > 1 else None,
        offered=offered if len(offered) > 1 else None,
    )


def aligned_vectors(vectors: pl.DataFrame | None, item_ids: pl.Series) -> NDArray[np.float32]:
    """float32 (len(item_ids), d) of frames with item_id and vector (a list of numbers).

    Vectors of items that are not in `item_ids` are left out. Raises ContractError for vectors of different lengths, an
    item named twice, and values that are missing or not finite: which, and how many.
    """
    if vectors is None or vectors.is_empty():
        return np.zeros((len(item_ids), 0), dtype=np.float32)
    lengths = vectors[c.VECTOR].list.len().unique().to_list()
    if len(lengths) != 1 or lengths[0] in {None, 0}:
        raise ContractError(f"item vectors must all have one length above 0; there are {sorted(lengths, key=str)[:5]}")
    twice = vectors[c.ITEM_ID].is_duplicated().sum()
    if twice:
        raise ContractError(f"{twice} rows of the item vectors share their item_id with another")
    found = pl.DataFrame({c.ITEM_ID: item_ids}).join(
        vectors.select(pl.col(c.ITEM_ID).cast(pl.String), c.VECTOR), on=c.ITEM_ID, how="left", maintain_order="left"
    )[c.VECTOR]
    aligned = np.zeros((len(item_ids), lengths[0]), dtype=np.float32)
    known = found.is_not_null().to_numpy()
    values = found.drop_nulls().explode(empty_as_null=False).cast(pl.Float32).fill_null(float("nan")).to_numpy()
    aligned[known] = values.reshape(-1, lengths[0])
    unsound = np.flatnonzero(~np.isfinite(aligned).all(axis=1))
    if len(unsound):
        named = item_ids.gather(unsound).to_list()
        raise ContractError(f"{len(named)} item vectors hold values that are missing or not finite: {named[:5]}")
    return aligned


def _aligned(frame: pl.DataFrame, key: str, ids: pl.Series, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The columns of `frame`, NULL where it lacks them, one row an id in the order of `ids`."""
    present = frame.select(pl.col(key).cast(pl.String), *(name for name in columns if name in frame.columns))
    rows = pl.DataFrame({key: ids}).join(
        present.unique(key, keep="first", maintain_order=True), on=key, how="left", maintain_order="left"
    )
    return rows.with_columns(
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in columns.items()
    ).select(*columns)


def _sorted_ids(frame: pl.DataFrame, interactions: pl.DataFrame, column: str) -> pl.Series:
    both = [frame[column].cast(pl.String), interactions[column].cast(pl.String)]
    return pl.concat(both).unique().drop_nulls().sort()


def _codes(column: str, ids: pl.Series) -> pl.Expr:
    return pl.col(column).cast(pl.Enum(ids)).to_physical().cast(pl.Int32)
