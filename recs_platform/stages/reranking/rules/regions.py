"""Filter: only items that may be offered where the user is. SQL says where that is and what is excluded there."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.places import UNKNOWN_PLACE
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.rule import Filter


def drop_excluded(pairs: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Leave out items that may not be offered in their user's region; the order stays."""
    if context.barred.is_empty():
        return pairs
    regions = user_places(pairs[c.USER_ID].unique(), context.places)
    located = pairs.join(regions, on=c.USER_ID, how="left", maintain_order="left")
    return located.join(context.barred, on=[c.PLACE, c.ITEM_ID], how="anti", maintain_order="left").drop(c.PLACE)


def user_places(users: pl.Series, places: pl.DataFrame) -> pl.DataFrame:
    """`user_id`, `place` of each of `users` (distinct), in their order."""
    known = pl.DataFrame({c.USER_ID: users}).join(
        places.select(c.USER_ID, c.PLACE), on=c.USER_ID, how="left", maintain_order="left", validate="m:1"
    )
    return known.with_columns(pl.col(c.PLACE).fill_null(UNKNOWN_PLACE))


RULE = Filter(
    "regions",
    drop_excluded,
    reason="the item may not be offered where the user is",
    check="only_where_offered",
    promise="No list holds an item that may not be offered where its user is",
)
