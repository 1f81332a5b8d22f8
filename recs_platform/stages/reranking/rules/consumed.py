"""Filter: nothing the user has consumed already, unless repeats are allowed. SQL decides what counts as consumed."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.rule import Filter


def drop_consumed(pairs: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Leave out pairs of `context.consumed`; the order stays."""
    if context.allow_repeats:
        return pairs
    return pairs.join(context.consumed, on=[c.USER_ID, c.ITEM_ID], how="anti", maintain_order="left")


RULE = Filter(
    "consumed",
    drop_consumed,
    reason="the user has consumed the item",
    check="nothing_consumed",
    promise="No list holds an item that its user had consumed before the as-of",
)
