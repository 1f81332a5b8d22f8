"""Membership: whether every user has exactly one segment. Segments are assigned in `segmenter`."""

import polars as pl

from recs_platform.contracts import columns as c


def users_not_once(users: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Users of either frame (user_id) that have not exactly one row in `members`: user_id, row_count; by user_id."""
    counted = members.group_by(c.USER_ID).agg(pl.len().alias("row_count"))
    both = (
        users.select(c.USER_ID)
        .unique()
        .with_columns(is_user=True)
        .join(counted, on=c.USER_ID, how="full", coalesce=True)
    )
    wrong = both.with_columns(pl.col("row_count").fill_null(0)).filter(
        pl.col("is_user").is_null() | (pl.col("row_count") != 1)
    )
    return wrong.select(c.USER_ID, "row_count").sort(c.USER_ID)
