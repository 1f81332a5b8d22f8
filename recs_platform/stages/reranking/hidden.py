"""Pairs that rules of the settings leave out: what was dismissed, and what was shown often enough."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import (
    DismissedSettings,
    FrequencyCapSettings,
    RuleSettings,
    RulesSettings,
)
from recs_platform.stages.reranking.facts import RuleFacts, of_segment

DISMISSED, FREQUENCY_CAP = "dismissed", "frequency_cap"
Plan = TypeVar("Plan", bound=RuleSettings)
_PAIR = [c.USER_ID, c.ITEM_ID]
_NOTHING = {c.USER_ID: pl.String, c.ITEM_ID: pl.String}


def hidden_pairs(rules: RulesSettings, facts: RuleFacts, items: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """By rule the pairs `user_id`, `item_id` that it leaves out, each once; rules that are off are not there."""
    found = dict[str, pl.DataFrame]()
    if rules.dismissed.is_used:
        found[DISMISSED] = _by_segment(
            rules.dismissed.plans(), facts, facts.dismissed, lambda plan, rows: _dismissed(plan, rows, items)
        )
    if rules.frequency_cap.is_used:
        found[FREQUENCY_CAP] = _by_segment(rules.frequency_cap.plans(), facts, facts.shown, _shown_enough)
    return found


def _by_segment(
    plans: Mapping[str | None, Plan],
    facts: RuleFacts,
    rows: pl.DataFrame,
    pairs_of: Callable[[Plan, pl.DataFrame], pl.DataFrame],
) -> pl.DataFrame:
    """What each plan leaves out for the users it holds for."""
    named = [segment_id for segment_id in plans if segment_id is not None]
    placed = rows.join(facts.segments, on=c.USER_ID, how="left", maintain_order="left")
    parts = [pl.DataFrame(schema=_NOTHING)]
    for segment_id, plan in plans.items():
        if not plan.enabled:
            continue
        parts.append(pairs_of(plan, placed.filter(of_segment(segment_id, named))).select(_PAIR))
    return pl.concat(parts).unique(maintain_order=True)


def _dismissed(plan: DismissedSettings, rows: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    pairs = rows.filter(pl.col(c.AGE_DAYS) < plan.days).select(_PAIR)
    if not plan.creators or c.CREATOR not in items.columns:
        return pairs
    creators = items.select(c.ITEM_ID, c.CREATOR).drop_nulls()
    refused = pairs.join(creators, on=c.ITEM_ID).select(c.USER_ID, c.CREATOR).unique(maintain_order=True)
    return pl.concat([pairs, refused.join(creators, on=c.CREATOR).select(_PAIR)])


def _shown_enough(plan: FrequencyCapSettings, rows: pl.DataFrame) -> pl.DataFrame:
    return (
        rows.filter(pl.col(c.DAYS_AGO) < plan.days)
        .group_by(_PAIR, maintain_order=True)
        .agg(pl.col(c.IMPRESSION_COUNT).sum(), pl.col(c.INTERACTION_COUNT).sum())
        .filter((pl.col(c.IMPRESSION_COUNT) >= plan.shown_max) & (pl.col(c.INTERACTION_COUNT) == 0))
    )
