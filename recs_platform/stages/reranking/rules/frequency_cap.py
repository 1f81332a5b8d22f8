"""Filter: nothing that was shown to the user so often lately, without an event on it, that it is to rest."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.hidden import FREQUENCY_CAP
from recs_platform.stages.reranking.rules.rule import Filter


def drop_shown_enough(pairs: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Leave out pairs that `context.hidden` holds for the rule; the order stays."""
    if not is_on(context):
        return pairs
    return pairs.join(context.hidden[FREQUENCY_CAP], on=[c.USER_ID, c.ITEM_ID], how="anti", maintain_order="left")


def is_on(context: RerankContext) -> bool:
    """Whether anything was shown often enough."""
    return FREQUENCY_CAP in context.hidden and not context.hidden[FREQUENCY_CAP].is_empty()


RULE = Filter(
    FREQUENCY_CAP,
    drop_shown_enough,
    reason="the item was shown to the user often enough without being opened",
    check="nothing_shown_too_often",
    promise="No list holds an item that was shown to its user as often as the settings allow, without an event on it",
    is_on=is_on,
)
