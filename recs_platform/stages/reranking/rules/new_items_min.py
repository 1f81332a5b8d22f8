"""Reorder: at least a share of the list for items that were published lately."""

from math import ceil
from typing import cast

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import NewItemsSettings
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.demands import Demand, Floor
from recs_platform.stages.reranking.offered_items import best_for_all
from recs_platform.stages.reranking.rules.slate_rule import Plan, slate_rule
from recs_platform.stages.reranking.slates import ItemArrays, Slate

_SLACK = 1e-9  # 0.3 of 10 items is 3 of them, not 4


def least(plan: NewItemsSettings, k: int) -> int:
    """How many new items a list has at least."""
    return ceil(plan.share * k - _SLACK)


def demand_new(slate: Slate, plan: Plan) -> list[Demand]:
    """As many new items as the share says."""
    settings = cast("NewItemsSettings", plan)
    is_new = (slate.items.age_days <= settings.days)[slate.item]
    return [Floor(is_new & slate.exists, np.full(len(slate.users), least(settings, slate.k), dtype=np.int64))]


def offer_new(users: pl.DataFrame, context: RerankContext, plan: Plan) -> pl.DataFrame:
    """The best new items of the fallback."""
    settings, items = cast("NewItemsSettings", plan), ItemArrays(context)
    new = items.ids.filter(pl.Series(items.age_days[:-1] <= settings.days))
    return best_for_all(users, pl.DataFrame({c.ITEM_ID: new}), context, 2 * least(settings, context.k))


RULE = slate_rule("new_items_min", demands=demand_new, offers=offer_new)
