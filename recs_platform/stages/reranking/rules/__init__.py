"""The rules, in the order they are applied: filters first, then reorders. The two types are in `rule`."""

from collections.abc import Sequence

from recs_platform.stages.reranking.rules import (
    availability,
    blend,
    boosted,
    calibration,
    category_cap,
    consumed,
    creator_exposure_floor,
    dismissed,
    diversity,
    dpp,
    frequency_cap,
    new_items_min,
    pinned,
    quotas,
    regions,
)
from recs_platform.stages.reranking.rules.rule import Filter, Reorder, Rule

# Those that always hold; the others are turned on by the settings.
ALWAYS: tuple[Rule, ...] = (consumed.RULE, availability.RULE, regions.RULE)
RULES: tuple[Rule, ...] = (
    *ALWAYS,
    dismissed.RULE,
    frequency_cap.RULE,
    boosted.RULE,
    diversity.RULE,
    calibration.RULE,
    dpp.RULE,
    blend.RULE,
    category_cap.RULE,
    new_items_min.RULE,
    creator_exposure_floor.RULE,
    quotas.RULE,
    pinned.RULE,
)


def filters_of(rules: Sequence[Rule]) -> tuple[Filter, ...]:
    """The filters among rules, in their order."""
    return tuple(rule for rule in rules if isinstance(rule, Filter))


def reorders_of(rules: Sequence[Rule]) -> tuple[Reorder, ...]:
    """The reorders among rules, in their order."""
    return tuple(rule for rule in rules if isinstance(rule, Reorder))
