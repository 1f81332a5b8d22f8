"""Reorder: at most so many items of one category, while others last."""

import numpy as np
import polars as pl

from recs_platform.contracts.rule_settings import RuleSettings
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.slate_rule import Plan, slate_rule
from recs_platform.stages.reranking.slates import Ints, Slate, places, with_first

_SORTED_IN_ONE_PASS = 1 << 16


def excess_behind(slate: Slate, plan: Plan) -> Ints:  # noqa: ARG001  what an order is given
    """Each category's items beyond `context.max_per_category` behind the user's others, in their order.

    After the cut to k they are gone where enough others stand before them, and are back where not. Items of no
    category are never moved.
    """
    cap, columns = slate.context.max_per_category, places(slate.order)
    if cap >= slate.exists.shape[1]:
        return slate.order
    codes = np.take_along_axis(slate.category, columns, axis=1) + 1  # 0 of none
    small = codes.astype(np.uint16) if int(codes.max(initial=0)) < _SORTED_IN_ONE_PASS else codes
    by_category = np.argsort(small, axis=1, kind="stable")
    ordered = np.take_along_axis(small, by_category, axis=1)
    # The item `cap` places before is of the same category where the item is one too many of it.
    over = np.zeros(ordered.shape, dtype=np.uint16)
    over[:, cap:] = (ordered[:, cap:] == ordered[:, : ordered.shape[1] - cap]) & (ordered[:, cap:] > 0)
    key = np.zeros_like(over)
    np.put_along_axis(key, by_category, over, axis=1)
    key[~np.take_along_axis(slate.exists, columns, axis=1)] = 2  # what is not there stays behind
    return with_first(slate.order, key)


def _always(context: RerankContext) -> RuleSettings:  # noqa: ARG001  what settings are asked of
    return RuleSettings(enabled=True)


RULE = slate_rule("category_cap", order=excess_behind, settings=_always)


def move_excess_back(ranked: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """The rule applied to ranked rows."""
    return RULE.apply(ranked, context)
