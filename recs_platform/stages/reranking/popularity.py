"""Counting: how many users of a group chose an item. `reasons` and `fallback` use the counts."""

import polars as pl

from recs_platform.contracts import columns as c


def item_popularity(history: pl.DataFrame, since_us: int | None = None) -> pl.DataFrame:
    """`item_id`, `user_count` Int64: distinct users with a positive interaction (weight > 0), sorted by item.

    `history`: `user_id`, `item_id`, `weight`, `occurred_us`. Only rows from `since_us` on, where it is given.
    """
    return _count(_positives(history, since_us), [c.ITEM_ID])


def group_popularity(history: pl.DataFrame, users: pl.DataFrame, group_column: str, since_us: int) -> pl.DataFrame:
    """`group_column`, `item_id`, `user_count` Int64: the group's users with a positive interaction since `since_us`.

    `users`: `user_id` (distinct) and `group_column`; users of no group count nowhere. Sorted by group and item.
    """
    groups = users.select(c.USER_ID, group_column).drop_nulls()
    return _count(_positives(history, since_us).join(groups, on=c.USER_ID), [group_column, c.ITEM_ID])


def _positives(history: pl.DataFrame, since_us: int | None) -> pl.DataFrame:
    positives = history.filter(pl.col(c.WEIGHT) > 0)
    if since_us is not None:
        positives = positives.filter(pl.col("occurred_us") >= since_us)
    return positives.select(c.USER_ID, c.ITEM_ID).unique()


def _count(pairs: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    return pairs.group_by(keys).agg(pl.len().cast(pl.Int64).alias(c.USER_COUNT)).sort(keys)
