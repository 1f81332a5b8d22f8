"""The context of re-ranking: the catalogue with how many users liked each item, and the settings of lists."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.pipeline.geo_availability import GeoAvailability
from recs_platform.pipeline.platform import Platform
from recs_platform.stages import reranking

# Rows of a user that re-ranking chooses from.
RANKED_PER_USER = 50


def with_user_counts(items: pl.DataFrame, interactions: pl.DataFrame) -> pl.DataFrame:
    """Catalogue rows with the number of users who liked the item: what the fallback ranking and novelty go by."""
    counts = (
        interactions.filter(pl.col(c.WEIGHT) > 0)
        .group_by(c.ITEM_ID)
        .agg(pl.col(c.USER_ID).n_unique().alias(c.USER_COUNT))
    )
    return items.join(counts, on=c.ITEM_ID, how="left").with_columns(pl.col(c.USER_COUNT).fill_null(0)).sort(c.ITEM_ID)


def rerank_context(
    platform: Platform, items: pl.DataFrame, consumed: pl.DataFrame, users: pl.Series, geo: GeoAvailability
) -> reranking.RerankContext:
    """What rules and fallback look at; `items` come with user counts, which order the fallback ranking."""
    settings = platform.settings
    return reranking.RerankContext(
        items=items,
        consumed=consumed,
        users=users,
        fallback=items.select(c.ITEM_ID, pl.col(c.USER_COUNT).cast(pl.Float64).alias(c.SCORE)),
        k=settings.k,
        max_per_category=settings.max_per_category,
        allow_repeats=settings.allow_repeats,
        user_regions=geo.user_regions,
        exclusions=geo.exclusions,
    )
