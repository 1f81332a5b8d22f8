"""Reorder: relevance against variety, by maximal marginal relevance over categories."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.rule import Reorder

_USER, _PLACE, _CATEGORY, _ORDER = "_user", "_place", "_category", "_order"
_USERS_AT_ONCE = 50_000


def vary(ranked: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Choose each user's first k one by one: the item with the most of (1 - d) relevance - d likeness, d the setting.

    Maximal marginal relevance (Carbonell and Goldstein 1998). Relevance is 1 / log2(rank + 1), by score, ties by
    item_id; likeness the share of those chosen so far that have the item's category, 0 for an item of none. What is not
    chosen follows by score. Nothing moves where `context.diversity` is 0.
    """
    if not context.diversity or ranked.is_empty():
        return ranked
    keyed = _keyed(ranked, context)
    order = np.concatenate([_chosen_order(part, context) for part in _blocks(keyed)])
    return ranked[pl.Series(order)]


def _keyed(ranked: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Row number, user, place by score within the user from 0, code of the category (-1 = none); by user and place."""
    categories = context.items.select(c.ITEM_ID, (pl.col(c.CATEGORY).rank("dense") - 1).cast(pl.Int32).alias(_CATEGORY))
    rows = ranked.select(
        pl.int_range(pl.len()).alias(_ORDER), pl.col(c.USER_ID).rle_id().alias(_USER), c.ITEM_ID, c.SCORE
    ).join(categories, on=c.ITEM_ID, how="left", maintain_order="left")
    rows = rows.with_columns(pl.col(_CATEGORY).fill_null(-1)).sort(
        _USER, c.SCORE, c.ITEM_ID, descending=[False, True, False]
    )
    return rows.select(_ORDER, _USER, _CATEGORY, pl.int_range(pl.len()).over(_USER).alias(_PLACE))


def _blocks(keyed: pl.DataFrame) -> list[pl.DataFrame]:
    """Whole users, so many at once that memory does not grow with them."""
    block = (pl.col(_USER) // _USERS_AT_ONCE).alias("_block")
    return keyed.with_columns(block).partition_by("_block", maintain_order=True, include_key=False)


def _chosen_order(keyed: pl.DataFrame, context: RerankContext) -> NDArray[np.int64]:
    """Row numbers in the new order, users as they are."""
    users = (keyed[_USER] - keyed[_USER].min()).to_numpy().astype(np.int64)
    place = keyed[_PLACE].to_numpy().astype(np.int64)
    shape = (int(users[-1]) + 1, int(place.max()) + 1)
    rows = np.full(shape, -1, dtype=np.int64)
    rows[users, place] = keyed[_ORDER].to_numpy()
    category = np.full(shape, -1, dtype=np.int64)
    category[users, place] = keyed[_CATEGORY].to_numpy()
    rank = _greedy(rows >= 0, category, context.k, context.diversity)
    taken = rank[users, place]
    return keyed[_ORDER].to_numpy().astype(np.int64)[np.lexsort((taken, users))]


def _greedy(exists: NDArray[np.bool_], category: NDArray[np.int64], k: int, diversity: float) -> NDArray[np.int64]:
    """Rank (users, places) of each item: what is chosen from 0, the others behind by place."""
    n_users, width = exists.shape
    relevance = (1 - diversity) / np.log2(np.arange(2, width + 2, dtype=np.float64))
    rank = np.tile(np.arange(k, k + width, dtype=np.int64), (n_users, 1))
    alike = np.zeros(exists.shape)
    is_open = exists.copy()
    every = np.arange(n_users, dtype=np.int64)
    for position in range(min(k, width)):
        gain = np.where(is_open, relevance - diversity * alike / max(position, 1), -np.inf)
        best = gain.argmax(axis=1)
        there = is_open[every, best]
        rank[every[there], best[there]] = position
        is_open[every, best] = False
        same = (category == category[every, best][:, None]) & (category >= 0) & there[:, None]
        alike += same
    return rank


RULE = Reorder("diversity", vary)
