"""A log that lacks what the target shows says so, and why."""

from dataclasses import replace

import numpy as np

from recs_platform.evaluation.off_policy import hold_against, judge_overlap
from recs_platform.evaluation.off_policy.log import LoggedRewards
from recs_platform_tests.unit.evaluation.off_policy.logs import World


def _log(propensity: np.ndarray, target: np.ndarray, reward: np.ndarray, never: float = 0.0) -> LoggedRewards:
    n = len(reward)
    return LoggedRewards(np.arange(n), np.arange(n), reward, propensity, target, np.full(n, never))


def _even(n: int = 4000, actions: int = 4, seed: int = 0) -> LoggedRewards:
    """Each of some actions as likely as the others; the target always takes the first."""
    rng = np.random.default_rng(seed)
    action = rng.integers(actions, size=n)
    return _log(np.full(n, 1 / actions), (action == 0) * 1.0, (rng.random(n) < 0.1) * 1.0)


def test_an_even_log_can_answer():
    found = judge_overlap(_even())
    assert found.verdict == "estimable"
    assert not found.lacks
    assert found.supported_low < 1 < found.supported_high
    assert found.ess == found.n_matched  # equal weights: every matched row counts as one
    assert found.max_weight == 4.0


def test_a_log_of_always_the_same_cannot_say_what_another_item_earns():
    found = judge_overlap(_log(np.ones(2000), np.zeros(2000), np.ones(2000)))
    assert found.verdict == "not_estimable"
    assert found.lacks[0] == "the log could show 0% of what the policy shows (0% to 0%)"
    assert "the effective sample size is 0, and 100 are needed" in found.lacks


def test_items_that_are_never_shown_are_counted():
    found = judge_overlap(replace(_even(), never_logged=np.full(4000, 0.4)))
    assert found.lacks[0] == "40% of what the policy shows is never shown in the log"


def test_half_of_the_target_out_of_reach_is_noticed():
    rng = np.random.default_rng(0)
    action = rng.integers(2, size=4000)  # of 0 and 1; the target takes 1 and 2 alike
    found = judge_overlap(_log(np.full(4000, 0.5), (action == 1) * 0.5, np.ones(4000)))
    assert found.supported_high < 0.6
    assert "the log could show" in found.lacks[0]


def test_one_heavy_row_is_no_sample():
    weights = np.full(3000, 0.5)
    weights[0] = 1e-4
    found = judge_overlap(_log(weights, np.full(3000, 0.5), np.ones(3000)))
    assert found.ess < 10
    assert any("effective sample size" in lack for lack in found.lacks)


def test_too_few_rewards_are_no_sample():
    log = _even()
    found = judge_overlap(replace(log, reward=np.where(np.arange(4000) < 10, log.reward, 0.0)))
    assert any("rewarded rows" in lack for lack in found.lacks)


def test_propensities_that_are_not_chances_are_noticed():
    log = _even()
    found = judge_overlap(replace(log, propensity=log.propensity / 2))
    assert any("the propensities are not the chances" in lack for lack in found.lacks)


def test_an_empty_log_answers_nothing():
    empty = np.zeros(0)
    found = judge_overlap(LoggedRewards(np.zeros(0, np.int64), np.zeros(0, np.int64), empty, empty, empty, empty))
    assert found.verdict == "not_estimable"


def test_worlds_without_overlap_are_told_from_those_with():
    rng = np.random.default_rng(5)
    for _ in range(20):
        shown, target, _ = World(1500, 300, 1, 0.05, 0.3, 300).log(rng)
        assert judge_overlap(hold_against(shown, target, 0)[0]).verdict == "not_estimable"
