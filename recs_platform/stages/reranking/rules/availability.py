"""Filter: only items that are available, which SQL decides."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.rule import Filter


def drop_unavailable(pairs: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Leave out items that are not available or not in `context.items`; the order stays."""
    available = context.items.filter(pl.col(c.IS_AVAILABLE))
    return pairs.join(available, on=c.ITEM_ID, how="semi", maintain_order="left")


RULE = Filter(
    "availability",
    drop_unavailable,
    by="item",
    reason="the item is not available as of the instant",
    check="only_available",
    promise="No list holds an item that is unavailable as of the instant",
)
