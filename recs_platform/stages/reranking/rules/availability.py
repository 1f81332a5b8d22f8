"""Rule: only items that are available. When an item is available is decided in SQL."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.rule import Rule

IS_AVAILABLE = "is_available"


def drop_unavailable(ranked: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Leave out items that are not available or not in `context.items`; the order stays."""
    available = context.items.filter(pl.col(IS_AVAILABLE))
    return ranked.join(available, on=c.ITEM_ID, how="semi", maintain_order="left")


RULE = Rule("availability", drop_unavailable)
