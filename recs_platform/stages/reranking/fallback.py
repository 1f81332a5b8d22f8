"""The fallback: popular items for users whose list is short, cold users first of all.

The fallback ranking holds every item that no filter of items leaves out, in scan order: each category's best
`max_per_category` by popularity, then each one's next, so that its head shows many categories. A user's list takes the
first items that are not listed, pass the filters and keep to the category cap; items beyond the cap only when no other
is left. Users look at the head of the ranking, and only those it does not settle look four times as deep.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.own_rules import apply_checked
from recs_platform.stages.reranking.rules.rule import Filter

FALLBACK_SOURCE = "fallback"

_OFFERS_AT_ONCE = 4_000_000  # rows of a cross join in memory: about 200 MB
_FIRST_DEPTH = 4  # times k
_DEEPER = 4

_USER = "_user"  # code of a short user
_POSITION = "_position"  # in the fallback ranking, from 0
_GROUP = "_group"  # code of a category, missing = no category
_NEED = "_need"
_LOWEST = "_lowest"
_NTH = "_nth"
_IS_OVER = "_is_over"
_LISTED_COUNT = "_listed_count"
_PICK = "_pick"
_OFFERED = "_offered"
_WITHIN = "_within"
_FULL = "_full"


def fallback_ranking(context: RerankContext, filters: Sequence[Filter]) -> pl.DataFrame:
    """Items that no filter of items leaves out, in scan order.

    `item_id`, `_position` UInt32 from 0, `_group` UInt32 (category code).
    """
    items = context.items.select(c.ITEM_ID, c.CATEGORY)
    for rule in filters:
        if rule.by == "item":
            items = apply_checked(rule, items, context)
    nth = pl.int_range(pl.len()).over(c.CATEGORY)
    tier = pl.when(pl.col(c.CATEGORY).is_null()).then(0).otherwise(nth // context.max_per_category)
    return (
        items.join(context.fallback.select(c.ITEM_ID, c.SCORE), on=c.ITEM_ID, how="left")
        .sort(c.SCORE, c.ITEM_ID, descending=[True, False], nulls_last=True)
        .sort(tier, maintain_order=True)
        .with_row_index(_POSITION)
        .select(c.ITEM_ID, _POSITION, pl.col(c.CATEGORY).rank("dense").cast(pl.UInt32).alias(_GROUP))
    )


def fill_lists(
    lists: pl.DataFrame, ranking: pl.DataFrame, context: RerankContext, filters: Sequence[Filter]
) -> pl.DataFrame:
    """Rows to append to `lists` so that each user has k, or everything there is.

    `lists` holds at most k items a user that pass the filters, `ranking` is the fallback ranking. The new rows have the
    columns `user_id`, `item_id`, `score`, `sources` (["fallback"]) and stand in list order within each user; the user's
    scores go on below the lowest listed one in steps of 1 (below 0 for a user with an empty list), for they are no
    ranker's scores.
    """
    short = _short_users(lists, context)
    listed = (
        lists.select(c.USER_ID, c.ITEM_ID)
        .join(short.select(c.USER_ID, _USER), on=c.USER_ID)
        .join(ranking, on=c.ITEM_ID)
        .select(_USER, _POSITION, _GROUP)
    )
    theirs = replace(context, consumed=context.consumed.join(short, on=c.USER_ID, how="semi"))
    picks = [_empty_picks()]
    depth = _FIRST_DEPTH * context.k
    pending = short
    while not pending.is_empty():
        unsettled: list[pl.DataFrame] = []
        for chunk in pending.iter_slices(max(1, _OFFERS_AT_ONCE // depth)):
            offers = _offers(chunk, listed, ranking.head(depth), theirs, filters)
            chosen, left = _fill_chunk(chunk, offers, listed, ranking.slice(depth), context.max_per_category)
            picks.append(chosen)
            unsettled.append(left)
        pending = pl.concat(unsettled)
        depth *= _DEEPER
    return _named(pl.concat(picks), short, ranking)


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


def _offers(
    users: pl.DataFrame, listed: pl.DataFrame, head: pl.DataFrame, context: RerankContext, filters: Sequence[Filter]
) -> pl.DataFrame:
    """What each user may still be shown of the head of the ranking: `_user`, `_need`, `_position`, `_group`."""
    offers = (
        users.select(c.USER_ID, _USER, _NEED).join(head, how="cross").join(listed, on=[_USER, _POSITION], how="anti")
    )
    for rule in filters:
        if rule.by != "item":
            offers = apply_checked(rule, offers, context)
    return offers.drop(c.USER_ID, c.ITEM_ID)


def _fill_chunk(
    users: pl.DataFrame, offers: pl.DataFrame, all_listed: pl.DataFrame, deeper: pl.DataFrame, cap: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Picks of the users that the offers settle, and the other users; `deeper` is the rest of the ranking."""
    listed = all_listed.join(users, on=_USER, how="semi")
    listed_counts = listed.group_by(_USER, _GROUP).agg(pl.len().cast(pl.Int64).alias(_LISTED_COUNT))
    ordered = (
        offers.join(listed_counts, on=[_USER, _GROUP], how="left")
        .sort(_USER, _POSITION)
        .with_columns(
            (pl.int_range(1, pl.len() + 1).over(_USER, _GROUP) + pl.col(_LISTED_COUNT).fill_null(0)).alias(_NTH)
        )
        .with_columns((pl.col(_GROUP).is_not_null() & (pl.col(_NTH) > cap)).alias(_IS_OVER))
    )
    settled = _settled(users, ordered, listed, deeper.select(_GROUP).unique(), cap)
    picks = (
        ordered.join(settled, on=_USER, how="semi")
        .sort(_USER, _IS_OVER, _POSITION)
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
    return pl.DataFrame(schema={_USER: pl.UInt32, _POSITION: pl.UInt32, _PICK: pl.Int64})


def _named(picks: pl.DataFrame, short: pl.DataFrame, ranking: pl.DataFrame) -> pl.DataFrame:
    return (
        picks.join(short, on=_USER)
        .join(ranking, on=_POSITION)
        .sort(_USER, _PICK)
        .select(
            c.USER_ID,
            c.ITEM_ID,
            (pl.col(_LOWEST) - pl.col(_PICK)).cast(pl.Float64).alias(c.SCORE),
            pl.concat_list(pl.lit(FALLBACK_SOURCE)).alias(c.SOURCES),
        )
    )
