"""Sources are switched where facts of the log say so, each by its own fact, and not by a few events."""

import pytest

from recs_platform.stages.retrieval.source_rules import SOURCE_RULES, source_switches
from recs_platform.stages.retrieval.sources import SOURCES

USUAL = {
    "interactions": 60_000.0,
    "log_days": 60.0,
    "item_life_days": 12.0,
    "repeated_steps_ratio": 2.0,
    "one_way_share": 0.2,
}


@pytest.mark.parametrize(
    ("facts", "switched"),
    [
        ({}, {}),
        ({"repeated_steps_ratio": 1.02, "one_way_share": 0.01}, {"transitions": False, "vs_knn": False}),
        # Of few items everybody has all: shuffled histories repeat too, and the order is strict all the same.
        ({"repeated_steps_ratio": 1.05, "one_way_share": 0.95}, {"covisitation": True, "ngrams": True}),
        ({"item_life_days": 1.4, "log_days": 6.0}, {"spectral": False}),
        # In four days nothing can be seen to live for longer.
        ({"item_life_days": 2.0, "log_days": 4.0}, {}),
        ({"item_life_days": 1.4, "interactions": 400.0}, {}),
        ({"item_life_days": None, "repeated_steps_ratio": None, "one_way_share": None}, {}),
    ],
)
def test_each_fact_switches_its_own_sources(facts: dict[str, float | None], switched: dict[str, bool]) -> None:
    found = source_switches({**USUAL, **facts})
    assert {each.source: each.enabled for each in found} == switched
    assert all(each.reason for each in found)


def test_a_rule_switches_what_is_otherwise_by_default_and_no_source_twice() -> None:
    default = {source.name: source.config.enabled for source in SOURCES}
    named = [(source, rule.enabled) for rule in SOURCE_RULES for source in rule.sources]
    assert all(default[source] is not enabled for source, enabled in named)
    assert len({source for source, _ in named}) == len(named)
