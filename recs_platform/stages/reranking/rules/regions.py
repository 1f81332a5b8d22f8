"""Filter: only items that may be offered in the user's region. Regions and exclusions come from the models of SQL."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.regions import UNKNOWN_REGION
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.rule import Filter


def drop_excluded(pairs: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Leave out items that may not be offered in their user's region; the order stays."""
    if context.exclusions.is_empty():
        return pairs
    regions = availability_regions(pairs[c.USER_ID].unique(), context.user_regions)
    located = pairs.join(regions, on=c.USER_ID, how="left", maintain_order="left")
    return located.join(
        context.exclusions, on=[c.AVAILABILITY_REGION, c.ITEM_ID], how="anti", maintain_order="left"
    ).drop(c.AVAILABILITY_REGION)


def availability_regions(users: pl.Series, user_regions: pl.DataFrame) -> pl.DataFrame:
    """`user_id`, `availability_region` of each of `users` (distinct), in their order."""
    known = pl.DataFrame({c.USER_ID: users}).join(
        user_regions.select(c.USER_ID, c.AVAILABILITY_REGION),
        on=c.USER_ID,
        how="left",
        maintain_order="left",
        validate="m:1",
    )
    return known.with_columns(pl.col(c.AVAILABILITY_REGION).fill_null(UNKNOWN_REGION))


RULE = Filter(
    "regions",
    drop_excluded,
    reason="the item may not be offered where the user is",
    check="only_where_offered",
    promise="No list holds an item that may not be offered where its user is",
)
