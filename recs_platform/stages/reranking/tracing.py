"""Where each rule puts one item of one user: the steps of `rerank`, looked at one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.exploration import Exploration
from recs_platform.stages.reranking.fallback import fallback_ranking
from recs_platform.stages.reranking.region_groups import by_region_group
from recs_platform.stages.reranking.reordering import orders, rows_to_order, with_places
from recs_platform.stages.reranking.rules import RULES, filters_of
from recs_platform.stages.reranking.rules.rule import Rule


@dataclass(frozen=True)
class Step:
    """A rule, and at which place of the user's list the item stood before it and after it."""

    rule: str
    place_before: int
    place_after: int


@dataclass(frozen=True)
class Trace:
    """The rules that moved an item, in their order, and where it stood after all of them; None: not in the order.

    Places drawn by chance come after them.
    """

    steps: tuple[Step, ...]
    place: int | None


def trace_item(
    ranked: pl.DataFrame,
    context: RerankContext,
    item_id: str,
    own_rules: Sequence[Rule] = (),
    exploration: Exploration | None = None,
) -> Trace:
    """What rules did to one item of the one user of the context; the arguments are those of `rerank`."""
    if len(context.users) != 1:
        raise ValueError(f"the context is of {len(context.users)} users, and one is traced")
    rules = (*RULES, *own_rules)
    ((rows, context),) = by_region_group(ranked, context)
    context, deep = with_places(context, exploration)
    rows = rows_to_order(rows, fallback_ranking(context, filters_of(rules)), context, deep, rules)
    steps, place = list[Step](), _place(rows, item_id)
    for step in orders(rows, context, rules, after_each=True):
        after = _place(step.rows, item_id)
        if place is not None and after is not None and after != place:
            steps.append(Step(step.rule, place, after))
        place = after
    return Trace(tuple(steps), place)


def _place(rows: pl.DataFrame, item_id: str) -> int | None:
    found = rows[c.ITEM_ID].index_of(item_id)
    return None if found is None else found + 1
