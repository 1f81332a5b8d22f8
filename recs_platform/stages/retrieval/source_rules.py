"""Which sources suit which data: switched on or off by facts of the log, where nobody names them.

The facts are those of `evaluation.data_profile`; thresholds lie far from what the logs that they were found on have.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Facts = Mapping[str, float | None]
# With fewer interactions facts are chance.
INTERACTIONS_MIN = 5_000
ORDERED, UNORDERED, BY_CHANCE = 0.5, 0.1, 1.1
SHORT_LIFE_DAYS, LIVES_IN_LOG = 3.0, 3.0


@dataclass(frozen=True)
class SourceSwitch:
    """A source that is on or off other than by default, and the fact that made it so."""

    source: str
    enabled: bool
    reason: str


@dataclass(frozen=True)
class SourceRule:
    """Sources that are switched where facts say so; `reason` gives the fact, None where it does not hold."""

    sources: tuple[str, ...]
    enabled: bool
    reason: Callable[[Facts], str | None]


def _order_says_nothing(facts: Facts) -> str | None:
    ratio, one_way = facts["repeated_steps_ratio"], facts["one_way_share"]
    if ratio is None or one_way is None or ratio >= BY_CHANCE or one_way >= UNORDERED:
        return None
    return f"steps from item to item repeat {ratio:.2f} times as often as in shuffled histories, below {BY_CHANCE:g}"


def _items_have_an_order(facts: Facts) -> str | None:
    one_way = facts["one_way_share"]
    if one_way is None or one_way < ORDERED:
        return None
    return f"users go through items in one order: {one_way:.2f}, {ORDERED:g} or more"


def _items_die_fast(facts: Facts) -> str | None:
    life, log = facts["item_life_days"], facts["log_days"]
    if life is None or log is None or life >= SHORT_LIFE_DAYS or life * LIVES_IN_LOG >= log:
        return None
    return f"items live {life:.1f} days, below {SHORT_LIFE_DAYS:g} and a third of the log's {log:.1f}"


SOURCE_RULES: tuple[SourceRule, ...] = (
    SourceRule(("transitions", "vs_knn"), enabled=False, reason=_order_says_nothing),
    SourceRule(("covisitation", "ngrams"), enabled=True, reason=_items_have_an_order),
    # What lived for days has too few users in common with what is offered now: it finds what others find.
    SourceRule(("spectral",), enabled=False, reason=_items_die_fast),
)


def source_switches(facts: Facts) -> list[SourceSwitch]:
    """What the rules say of a log with these facts, in their order; nothing of a log with few interactions."""
    if (facts["interactions"] or 0) < INTERACTIONS_MIN:
        return []
    said = [(rule, rule.reason(facts)) for rule in SOURCE_RULES]
    return [
        SourceSwitch(source, rule.enabled, reason)
        for rule, reason in said
        if reason is not None
        for source in rule.sources
    ]
