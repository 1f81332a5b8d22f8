"""The rules, in the order they are applied: filters first, then reorders. The two types are in `rule`."""

from collections.abc import Sequence

from recs_platform.stages.reranking.rules import availability, category_cap, consumed, diversity, regions
from recs_platform.stages.reranking.rules.rule import Filter, Reorder, Rule

RULES: tuple[Rule, ...] = (consumed.RULE, availability.RULE, regions.RULE, diversity.RULE, category_cap.RULE)


def filters_of(rules: Sequence[Rule]) -> tuple[Filter, ...]:
    """The filters among rules, in their order."""
    return tuple(rule for rule in rules if isinstance(rule, Filter))


def reorders_of(rules: Sequence[Rule]) -> tuple[Reorder, ...]:
    """The reorders among rules, in their order."""
    return tuple(rule for rule in rules if isinstance(rule, Reorder))
