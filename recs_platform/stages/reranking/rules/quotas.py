"""Reorder: at most, or at least, so many items of a category or of a creator."""

from typing import cast

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import QuotaSettings
from recs_platform.stages.reranking.caps import caps_of
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.demands import Cap, Demand, Floor
from recs_platform.stages.reranking.offered_items import best_for_all
from recs_platform.stages.reranking.rules.slate_rule import Plan, slate_rule
from recs_platform.stages.reranking.slates import Slate


def demand_quotas(slate: Slate, plan: Plan) -> list[Demand]:
    """A cap for each kind of group that has one, a floor for each group that has one."""
    quotas, items = cast("QuotaSettings", plan), slate.items
    found = list[Demand]()
    for column, limit in caps_of(quotas, items):
        found.append(Cap(slate.category if column == c.CATEGORY else slate.creator, limit[slate.item]))
    for column, name, count in floors_of(quotas):
        members = items.is_named(column, name)[slate.item] & slate.exists
        found.append(Floor(members, np.full(len(slate.users), count, dtype=np.int64)))
    return found


def floors_of(quotas: QuotaSettings) -> list[tuple[str, str, int]]:
    """Column, name and least number of each group that has one."""
    kinds = ((c.CATEGORY, quotas.category_min), (c.CREATOR, quotas.creator_min))
    return [(column, name, count) for column, least in kinds for name, count in sorted(least.items()) if count]


def offer_quotas(users: pl.DataFrame, context: RerankContext, plan: Plan) -> pl.DataFrame:
    """The best items of the fallback in each group of which a list has a least number."""
    parts = [users.select(c.USER_ID, pl.lit(None, pl.String).alias(c.ITEM_ID)).clear()]
    for column, name, count in floors_of(cast("QuotaSettings", plan)):
        if column in context.items.columns:
            members = context.items.filter(pl.col(column) == name).select(c.ITEM_ID)
            parts.append(best_for_all(users, members, context, 2 * count))
    return pl.concat(parts)


RULE = slate_rule("quotas", demands=demand_quotas, offers=offer_quotas)
