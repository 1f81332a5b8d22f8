"""Items that a rule needs in lists whether or not they were ranked: the best of the fallback among some."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext

# Items beyond the number asked for: the user may have consumed the first.
_SPARE = 5
_PLACE = "_place"


def available(context: RerankContext) -> pl.DataFrame:
    """Items that are available to somebody."""
    return context.items.filter(pl.col(c.IS_AVAILABLE))


def in_fallback_order(items: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Items as the fallback has them, greatest score first, ties by item; those that it lacks last."""
    scores = context.fallback.select(c.ITEM_ID, pl.col(c.SCORE).alias(_PLACE))
    ranked = items.join(scores, on=c.ITEM_ID, how="left")
    return ranked.sort(_PLACE, c.ITEM_ID, descending=[True, False], nulls_last=True).drop(_PLACE)


def best_for_all(users: pl.DataFrame, items: pl.DataFrame, context: RerankContext, count: int) -> pl.DataFrame:
    """The best available of `items` for each user: so many, and a few more."""
    there = items.join(available(context), on=c.ITEM_ID, how="semi")
    best = in_fallback_order(there.select(c.ITEM_ID), context)
    return for_all(users, best.head(count + _SPARE))


def for_all(users: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """`user_id`, `item_id`: every item for every user, in the order of both."""
    return users.select(c.USER_ID).join(items.select(c.ITEM_ID), how="cross", maintain_order="left_right")
