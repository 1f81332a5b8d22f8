"""Truths about champions: none knows the future, the one that knows most of the past wins, the same one every time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recs_platform.contracts.errors import ContractError, NotReady
from recs_platform.contracts.manifests import Manifest
from recs_platform.stages.ranking.champion import choose_champion

START = datetime(2020, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def sealed(version: str, labels_end: int, known_at: int = 0) -> Manifest:
    return Manifest(
        name="ranker",
        version=version,
        as_of=day(labels_end),
        known_at=day(100 + known_at),
        data_version="1",
        seed=7,
        parameters={"labels_end": day(labels_end).isoformat()},
        sealed_at=day(200),
    )


def test_a_ranker_that_saw_the_day_itself_is_passed_over():
    choice = choose_champion([sealed("past", 5), sealed("today", 10), sealed("future", 11)], day(10))

    assert choice.manifest.version == "today"
    assert [(each.version, each.is_allowed) for each in choice.considered] == [
        ("future", False), ("today", True), ("past", True),
    ]  # fmt: skip
    assert "2020-01-11" in choice.reason
    assert "1 would have known the future" in choice.reason


def test_of_equals_the_one_that_knew_most_then_the_greatest_version_wins():
    equals = [sealed("a", 5, known_at=1), sealed("c", 5), sealed("b", 5, known_at=1)]

    assert choose_champion(equals, day(10)).manifest.version == "b"


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.integers(0, 20), st.randoms(use_true_random=False))
def test_the_champion_is_the_latest_of_the_past_in_any_order(ends, as_of, random):
    manifests = [sealed(f"v{number}", end) for number, end in enumerate(ends)]
    past = [end for end in ends if end <= as_of]
    if not past:
        with pytest.raises(NotReady, match=f"{len(ends)} end later"):
            choose_champion(manifests, day(as_of))
        return
    choice = choose_champion(manifests, day(as_of))
    random.shuffle(manifests)

    assert choice.manifest.parameters["labels_end"] == day(max(past)).isoformat()
    assert choose_champion(manifests, day(as_of)) == choice


def test_a_manifest_without_labels_end_is_refused():
    with pytest.raises(ContractError, match="labels_end"):
        choose_champion([sealed("a", 1).model_copy(update={"parameters": {}})], day(10))
