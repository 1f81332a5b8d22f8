"""Reorder: items at fixed places, as of the instant; last of all, so that no other rule moves them."""

from typing import cast

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import Pin, PinnedSettings
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.demands import Demand, Pins
from recs_platform.stages.reranking.offered_items import for_all
from recs_platform.stages.reranking.rules.slate_rule import Plan, slate_rule
from recs_platform.stages.reranking.slates import Slate


def pins_of(plan: PinnedSettings, context: RerankContext) -> list[Pin]:
    """Pins that hold as of the instant."""
    as_of = context.facts.as_of
    return [pin for pin in plan.items if as_of is None or pin.holds(as_of)]


def demand_pins(slate: Slate, plan: Plan) -> list[Demand]:
    """The place of each pinned item."""
    by_item = np.full(len(slate.items.ids) + 1, -1, dtype=np.int64)
    for pin in pins_of(cast("PinnedSettings", plan), slate.context):
        by_item[slate.items.is_named(c.ITEM_ID, pin.item_id)] = pin.place - 1
    return [Pins(by_item[slate.item])]


def offer_pins(users: pl.DataFrame, context: RerankContext, plan: Plan) -> pl.DataFrame:
    """The pinned items."""
    pins = pins_of(cast("PinnedSettings", plan), context)
    named = pl.DataFrame({c.ITEM_ID: [pin.item_id for pin in pins]}, schema={c.ITEM_ID: pl.String})
    return for_all(users, named.join(context.items, on=c.ITEM_ID, how="semi", maintain_order="left"))


RULE = slate_rule("pinned", demands=demand_pins, offers=offer_pins)
