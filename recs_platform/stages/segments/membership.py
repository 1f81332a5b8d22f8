"""Membership: whether every user has exactly one segment. Segments are assigned in `segmenter`."""

import polars as pl

from recs_platform.contracts import columns as c


def users_not_once(users: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Users of either frame (user_id) that have not exactly one row in `members`: user_id, row_count; by user_id."""
    counted = members.group_by(c.USER_ID).agg(pl.len().alias(c.ROW_COUNT))
    both = (
        users.select(c.USER_ID)
        .unique()
        .with_columns(is_user=True)
        .join(counted, on=c.USER_ID, how="full", coalesce=True)
    )
    wrong = both.with_columns(pl.col(c.ROW_COUNT).fill_null(0)).filter(
        pl.col("is_user").is_null() | (pl.col(c.ROW_COUNT) != 1)
    )
    return wrong.select(c.USER_ID, c.ROW_COUNT).sort(c.USER_ID)
