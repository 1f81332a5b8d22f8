"""What rules share that leave out the pairs which `context.hidden` holds under their name."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.rule import Filter


def filter_of_hidden(name: str, *, reason: str, check: str, promise: str) -> Filter:
    """A filter by user and item; it is on where any pair is hidden. The texts are those of Filter."""

    def is_on(context: RerankContext) -> bool:
        return name in context.hidden and not context.hidden[name].is_empty()

    def drop(pairs: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
        if not is_on(context):
            return pairs
        return pairs.join(context.hidden[name], on=[c.USER_ID, c.ITEM_ID], how="anti", maintain_order="left")

    return Filter(name, drop, reason=reason, check=check, promise=promise, is_on=is_on)
