"""Rule: nothing the user has consumed already, unless repeats are allowed. What counts as consumed, SQL decides."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.rule import Rule


def drop_consumed(ranked: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Leave out pairs of `context.consumed`; the order stays."""
    if context.allow_repeats:
        return ranked
    return ranked.join(context.consumed, on=[c.USER_ID, c.ITEM_ID], how="anti", maintain_order="left")


RULE = Rule("consumed", drop_consumed)
