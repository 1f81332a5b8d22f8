"""Reorder: relevance against variety, by maximal marginal relevance over categories."""

from typing import Annotated, cast

import polars as pl
from pydantic import Field

from recs_platform.contracts.rule_settings import RuleSettings
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.likeness import Likeness
from recs_platform.stages.reranking.rules.slate_rule import Plan, slate_rule
from recs_platform.stages.reranking.slates import Bools, Floats, Ints, Slate, greedy


class DiversityPlan(RuleSettings):
    """The setting `diversity` as a rule has it."""

    strength: Annotated[float, Field(ge=0, le=1, description="weight of variety")] = 0.0


def _plan(context: RerankContext) -> DiversityPlan:
    return DiversityPlan(enabled=context.diversity > 0, strength=context.diversity)


def marginal_relevance(slate: Slate, plan: Plan) -> Ints:
    """Choose each user's first k one by one: the item with the most of (1 - d) relevance - d likeness, d the setting.

    Maximal marginal relevance (Carbonell and Goldstein 1998). Likeness is the share of those chosen so far that have
    the item's category, 0 for an item of none. What is not chosen follows by relevance, ties by score and item.
    """
    strength = cast("DiversityPlan", plan).strength
    relevance, likeness = (1 - strength) * slate.relevance, Likeness(slate)

    def gain(position: int, last: Ints, took: Bools) -> Floats:
        return relevance - strength * likeness(position, last, took)

    return greedy(slate.by_relevance(), slate.exists, slate.k, gain)


RULE = slate_rule("diversity", order=marginal_relevance, settings=_plan)


def vary(ranked: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """The rule applied to ranked rows; nothing moves where `context.diversity` is 0."""
    return RULE.apply(ranked, context)
