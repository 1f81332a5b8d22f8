"""Filling: popular items for users whose list is short, cold users first of all. Ranked rows are never touched here.

The shelf holds every available item in scan order: each category's best `max_per_category` by popularity, then each
one's next, so that a short look at it shows many categories. A user's list takes the first items that are neither
listed nor consumed and keep to the category cap; items beyond the cap only when no other is left. Users look at the
head of the shelf, and only those it does not settle look four times as deep.
"""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.availability import IS_AVAILABLE

FALLBACK_SOURCE = "fallback"

_OFFERS_AT_ONCE = 4_000_000  # rows of a cross join in memory: about 200 MB
_FIRST_DEPTH = 4  # times k
_DEEPER = 4

_USER = "_user"  # code of a short user
_PLACE = "_place"  # place on the shelf, from 0
_GROUP = "_group"  # code of a category, missing = no category
_NEED = "_need"
_LOWEST = "_lowest"
_NTH = "_nth"
_IS_OVER = "_is_over"
_IS_LISTED = "_is_listed"
_LISTED_COUNT = "_listed_count"
_PICK = "_pick"
_OFFERED = "_offered"
_WITHIN = "_within"
_FULL = "_full"


def build_shelf(context: RerankContext) -> pl.DataFrame:
    """Available items in scan order: `item_id`, `_place` UInt32 from 0, `_group` UInt32 (category code)."""
    popularity = context.fallback.select(c.ITEM_ID, c.SCORE)
    nth = pl.int_range(pl.len()).over(c.CATEGORY)
    tier = pl.when(pl.col(c.CATEGORY).is_null()).then(0).otherwise(nth // context.max_per_category)
    return (
        context.items.filter(pl.col(IS_AVAILABLE))
        .select(c.ITEM_ID, c.CATEGORY)
        .join(popularity, on=c.ITEM_ID, how="left")
        .sort(c.SCORE, c.ITEM_ID, descending=[True, False], nulls_last=True)
        .sort(tier, maintain_order=True)
        .with_row_index(_PLACE)
        .select(c.ITEM_ID, _PLACE, pl.col(c.CATEGORY).rank("dense").cast(pl.UInt32).alias(_GROUP))
    )


def fill_lists(lists: pl.DataFrame, shelf: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Rows to append to `lists` so that each user has k, or everything there is.

    `lists` holds at most k available items a user. The new rows have its columns `user_id`, `item_id`, `score`,
    `sources` (["fallback"]) and stand in list order within each user; the user's scores go on below the lowest listed
    one in steps of 1 (below 0 for a user with an empty list), for they are no ranker's scores.
    """
    short = _short_users(lists, context)
    taken = _taken(short, lists, shelf, context)
    picks = [_empty_picks()]
    depth = _FIRST_DEPTH * context.k
    pending = short
    while not pending.is_empty():
        unsettled: list[pl.DataFrame] = []
        for chunk in pending.iter_slices(max(1, _OFFERS_AT_ONCE // depth)):
            chosen, left = _fill_chunk(chunk, taken, shelf, depth, context.max_per_category)
            picks.append(chosen)
            unsettled.append(left)
        pending = pl.concat(unsettled)
        depth *= _DEEPER
    return _named(pl.concat(picks), short, shelf)


def _short_users(lists: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    listed = lists.group_by(c.USER_ID).agg(pl.len().alias(_LISTED_COUNT), pl.col(c.SCORE).min().alias(_LOWEST))
    return (
        pl.DataFrame({c.USER_ID: context.users})
        .join(listed, on=c.USER_ID, how="left")
        .select(
            c.USER_ID,
            (context.k - pl.col(_LISTED_COUNT).fill_null(0).cast(pl.Int64)).alias(_NEED),
            pl.col(_LOWEST).fill_null(0.0),
        )
        .filter(pl.col(_NEED) > 0)
        .sort(c.USER_ID)
        .with_row_index(_USER)
    )


def _taken(short: pl.DataFrame, lists: pl.DataFrame, shelf: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Shelf places a short user cannot be offered, and whether that is because they are listed."""
    pairs = [lists.select(c.USER_ID, c.ITEM_ID, pl.lit(value=True).alias(_IS_LISTED))]
    if not context.allow_repeats:
        pairs.append(context.consumed.select(c.USER_ID, c.ITEM_ID, pl.lit(value=False).alias(_IS_LISTED)).unique())
    return (
        pl.concat(pairs)
        .join(short.select(c.USER_ID, _USER), on=c.USER_ID)
        .join(shelf, on=c.ITEM_ID)
        .select(_USER, _PLACE, _GROUP, _IS_LISTED)
    )


def _fill_chunk(
    users: pl.DataFrame, taken: pl.DataFrame, shelf: pl.DataFrame, depth: int, cap: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Picks of the users that the first `depth` places settle, and the other users."""
    listed = taken.filter(_IS_LISTED).join(users, on=_USER, how="semi")
    listed_counts = listed.group_by(_USER, _GROUP).agg(pl.len().cast(pl.Int64).alias(_LISTED_COUNT))
    offers = (
        users.select(_USER, _NEED)
        .join(shelf.head(depth).select(_PLACE, _GROUP), how="cross")
        .join(taken, on=[_USER, _PLACE], how="anti")
        .join(listed_counts, on=[_USER, _GROUP], how="left")
        .sort(_USER, _PLACE)
        .with_columns(
            (pl.int_range(1, pl.len() + 1).over(_USER, _GROUP) + pl.col(_LISTED_COUNT).fill_null(0)).alias(_NTH)
        )
        .with_columns((pl.col(_GROUP).is_not_null() & (pl.col(_NTH) > cap)).alias(_IS_OVER))
    )
    deeper = shelf.slice(depth).select(_GROUP).unique()
    settled = _settled(users, offers, listed, deeper, cap)
    picks = (
        offers.join(settled, on=_USER, how="semi")
        .sort(_USER, _IS_OVER, _PLACE)
        .with_columns(pl.int_range(1, pl.len() + 1).over(_USER).alias(_PICK))
        .filter(pl.col(_PICK) <= pl.col(_NEED))
        .select(_empty_picks().columns)
    )
    return picks, users.join(settled, on=_USER, how="anti", maintain_order="left")


def _settled(
    users: pl.DataFrame, offers: pl.DataFrame, listed: pl.DataFrame, deeper: pl.DataFrame, cap: int
) -> pl.DataFrame:
    """Users for whom a deeper look would change nothing: enough within the cap, or no category deeper has room."""
    if deeper.is_empty():
        return users.select(_USER)
    full = (
        pl.concat([offers.select(_USER, _GROUP), listed.select(_USER, _GROUP)])
        .join(deeper, on=_GROUP, how="semi")
        .group_by(_USER, _GROUP)
        .len()
        .filter(pl.col("len") >= cap)
        .group_by(_USER)
        .agg(pl.len().alias(_FULL))
    )
    return (
        offers.group_by(_USER)
        .agg(pl.len().alias(_OFFERED), (~pl.col(_IS_OVER)).sum().alias(_WITHIN), pl.col(_NEED).first())
        .join(full, on=_USER, how="left")
        .filter(
            (pl.col(_WITHIN) >= pl.col(_NEED))
            | ((pl.col(_FULL) == deeper.height) & (pl.col(_OFFERED) >= pl.col(_NEED))),
        )
        .select(_USER)
    )


def _empty_picks() -> pl.DataFrame:
    return pl.DataFrame(schema={_USER: pl.UInt32, _PLACE: pl.UInt32, _PICK: pl.Int64})


def _named(picks: pl.DataFrame, short: pl.DataFrame, shelf: pl.DataFrame) -> pl.DataFrame:
    return (
        picks.join(short, on=_USER)
        .join(shelf, on=_PLACE)
        .sort(_USER, _PICK)
        .select(
            c.USER_ID,
            c.ITEM_ID,
            (pl.col(_LOWEST) - pl.col(_PICK)).cast(pl.Float64).alias(c.SCORE),
            pl.concat_list(pl.lit(FALLBACK_SOURCE)).alias(c.SOURCES),
        )
    )
