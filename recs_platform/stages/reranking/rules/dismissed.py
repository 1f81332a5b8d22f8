"""Filter: nothing the user dismissed lately, nor, where the settings say so, anything of its creator."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.hidden import DISMISSED
from recs_platform.stages.reranking.rules.rule import Filter


def drop_dismissed(pairs: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Leave out pairs that `context.hidden` holds for the rule; the order stays."""
    if not is_on(context):
        return pairs
    return pairs.join(context.hidden[DISMISSED], on=[c.USER_ID, c.ITEM_ID], how="anti", maintain_order="left")


def is_on(context: RerankContext) -> bool:
    """Whether anything was dismissed that counts."""
    return DISMISSED in context.hidden and not context.hidden[DISMISSED].is_empty()


RULE = Filter(
    DISMISSED,
    drop_dismissed,
    reason="the user has dismissed the item, or one of its creator",
    check="nothing_dismissed",
    promise="No list holds an item that its user has dismissed, or of such a creator, as long as the settings say",
    is_on=is_on,
)
