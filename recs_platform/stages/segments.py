"""Checks and summaries of the segmentation that a SQL model has made. Segments themselves are made in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c

if TYPE_CHECKING:
    import polars as pl

USER_COUNT = "user_count"
USER_SHARE = "user_share"


def missing_users(segments: pl.DataFrame, users: pl.DataFrame) -> list[str]:
    """Users (`user_id` of `users`) that no row with a `segment_id` covers, ascending and distinct."""
    covered = segments.drop_nulls(c.SEGMENT_ID).select(c.USER_ID)
    return users.select(c.USER_ID).unique().join(covered, on=c.USER_ID, how="anti").sort(c.USER_ID)[c.USER_ID].to_list()


def users_in_many(segments: pl.DataFrame) -> list[str]:
    """Users that are in more than one segment, ascending: a segmentation is a partition, so there should be none."""
    import polars as pl

    counted = segments.group_by(c.USER_ID).agg(pl.col(c.SEGMENT_ID).n_unique().alias(USER_COUNT))
    return counted.filter(pl.col(USER_COUNT) > 1).sort(c.USER_ID)[c.USER_ID].to_list()


def summarize_segments(segments: pl.DataFrame) -> pl.DataFrame:
    """One row a segment: segment_id, segment_name, user_count Int64, user_share Float64 (they sum to 1).

    Largest segment first, ties by segment_id; no rows when there are no segments.
    """
    import polars as pl

    counted = segments.group_by(c.SEGMENT_ID, c.SEGMENT_NAME).agg(
        pl.col(c.USER_ID).n_unique().cast(pl.Int64).alias(USER_COUNT)
    )
    share = (pl.col(USER_COUNT) / pl.col(USER_COUNT).sum()).alias(USER_SHARE)
    return counted.with_columns(share).sort([USER_COUNT, c.SEGMENT_ID], descending=[True, False])
