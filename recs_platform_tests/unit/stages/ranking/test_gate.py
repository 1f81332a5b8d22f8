"""The promotion gate on drawn metrics: equals rarely pass, a better ranker does, a segment that loses blocks."""

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.shared_settings import PromotionSettings
from recs_platform.stages.ranking import gate
from recs_platform_tests.matches import EQUAL_LISTS, drawn_match

SETTINGS = PromotionSettings()


def is_promoted(match: gate.Match) -> bool:
    return gate.passes(gate.judge_match(match, SETTINGS, seed=1))


@pytest.mark.trial
def test_of_two_hundred_equals_no_more_pass_than_stated():
    promoted = sum(is_promoted(drawn_match(seed, n=60)) for seed in range(200))
    # 200 draws at the stated rate: above 17 in one of 50 worlds.
    assert promoted <= 17


def test_a_better_ranker_passes():
    # 1,200 differences of noise .14 give an error of .004: .02 lies five of them above zero.
    assert sum(is_promoted(drawn_match(seed, gain=0.02)) for seed in range(20)) >= 18


def test_a_loss_in_a_small_segment_blocks_although_the_mean_rises():
    match = drawn_match(3, gain=0.03, loss=0.25)
    lines = gate.judge_match(match, SETTINGS, seed=1)
    main = lines.filter(pl.col(c.LINE) == gate.SUPERIORITY).row(0, named=True)
    assert main[c.DIFFERENCE] > 0
    assert main[c.IS_PASSED]
    blocked = lines.filter(~pl.col(c.IS_PASSED), pl.col(c.LINE) == gate.NO_SEGMENT_LOSES)
    assert blocked[c.SEGMENT].to_list() == ["small"]
    assert not gate.passes(lines)
    assert [message for message in gate.failures(lines) if message.startswith("small")]


@pytest.mark.parametrize(
    ("lists", "cost"),
    [
        ({**EQUAL_LISTS, "coverage": (0.8, 1.0)}, (100.0, 100.0)),
        ({**EQUAL_LISTS, gate.LIST_LENGTH: (8.0, 10.0)}, (100.0, 100.0)),
        ({**EQUAL_LISTS, gate.MISCALIBRATION: (1.2, 1.0)}, (100.0, 100.0)),
        (EQUAL_LISTS, (1000.0, 100.0)),
    ],
)
def test_a_guard_that_is_crossed_blocks_a_better_ranker(lists, cost):
    better = drawn_match(5, gain=0.05)
    assert gate.passes(gate.judge_match(better, SETTINGS, seed=1))
    lines = gate.judge_match(gate.Match(better.users, lists, cost), SETTINGS, seed=1)
    assert not gate.passes(lines)
    assert len(gate.failures(lines)) == 1


def test_fewer_users_than_asked_for_never_pass():
    few = drawn_match(5, gain=0.3)
    match = gate.Match(few.users.filter(pl.col(c.USER_ID).is_in([f"u{n}" for n in range(10)])), EQUAL_LISTS)
    assert not is_promoted(match)
    assert match.n_pairs < SETTINGS.users_min


def test_no_users_at_all_are_lines_that_fail():
    lines = gate.judge_match(gate.Match(drawn_match(1).users.clear(), {}), SETTINGS, seed=1)
    assert not lines[c.IS_PASSED].any()
    assert not gate.passes(lines)


def test_non_inferior_with_a_gain_elsewhere_passes():
    match = drawn_match(9)
    # The main metric is the same for both, recall gains.
    same = match.users.with_columns(
        pl.when(pl.col(c.METRIC) == "recall")
        .then(pl.col(c.OPPONENT) + 0.05)
        .otherwise(pl.col(c.OPPONENT))
        .alias(c.CHALLENGER)
    )
    lines = gate.judge_match(gate.Match(same, EQUAL_LISTS), SETTINGS, seed=1)
    assert not lines.filter(pl.col(c.LINE) == gate.SUPERIORITY)[c.IS_PASSED].item()
    assert gate.passes(lines)


def test_a_segment_that_nobody_serves_and_a_champion_without_trees_block_nobody():
    better = drawn_match(5, gain=0.05)
    nobody = pl.col(c.SEGMENT) == "small"
    served = [pl.when(nobody).then(0.0).otherwise(pl.col(side)).alias(side) for side in (c.CHALLENGER, c.OPPONENT)]
    match = gate.Match(better.users.with_columns(served), EQUAL_LISTS, (360.0, 0.0))
    assert gate.passes(gate.judge_match(match, SETTINGS, seed=1))
