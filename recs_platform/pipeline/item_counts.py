"""Items with how many users liked each: what the fallback ranking, novelty and windows go by."""

import polars as pl

from recs_platform.contracts import columns as c


def with_user_counts(items: pl.DataFrame, interactions: pl.DataFrame) -> pl.DataFrame:
    """Catalogue rows with the number of users who liked the item: what the fallback ranking and novelty go by."""
    counts = (
        interactions.filter(pl.col(c.WEIGHT) > 0)
        .group_by(c.ITEM_ID)
        .agg(pl.col(c.USER_ID).n_unique().alias(c.USER_COUNT))
    )
    return with_counts(items, counts)


def with_counts(items: pl.DataFrame, counts: pl.DataFrame) -> pl.DataFrame:
    """The same, given `item_id`, `user_count` of items that anybody did anything with."""
    return items.join(counts, on=c.ITEM_ID, how="left").with_columns(pl.col(c.USER_COUNT).fill_null(0)).sort(c.ITEM_ID)
