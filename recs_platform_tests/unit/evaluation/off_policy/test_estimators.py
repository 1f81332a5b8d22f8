"""Estimates equal their definitions, and their intervals cover the truth of worlds where the log can answer."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recs_platform.contracts.errors import ContractError
from recs_platform.evaluation.off_policy import (
    Estimate,
    Expectation,
    LoggedRewards,
    ShownItems,
    TargetPolicy,
    estimate_all,
    hold_against,
    judge_overlap,
)
from recs_platform.evaluation.off_policy.reward_model import FOLDS, PRIOR_ROWS, fit_reward_model
from recs_platform_tests.unit.evaluation.off_policy.by_hand import estimates, smoothed_mean
from recs_platform_tests.unit.evaluation.off_policy.logs import World

SMALL = World(300, 12, 4, 0.3, 1.0, 60, own_lists=True)


def test_points_equal_an_independent_implementation():
    for seed in range(5):
        shown, target, _ = SMALL.log(np.random.default_rng(seed))
        log, expectation = hold_against(shown, target, seed)
        found = {each.estimator: each.value for each in estimate_all(log, expectation)}
        assert found == pytest.approx(estimates(log, expectation), rel=1e-12)


def test_lists_of_several_items_equal_an_independent_implementation():
    rng = np.random.default_rng(1)
    request = np.repeat(np.arange(40), 5)
    log = LoggedRewards(
        request, np.arange(40) % 9, rng.random(200), rng.uniform(0.05, 1, 200), rng.random(200) / 5, np.zeros(40)
    )
    expectation = Expectation(rng.random(200), rng.random(40), rng.random(200))
    found = {each.estimator: each.value for each in estimate_all(log, expectation)}
    assert found == pytest.approx(estimates(log, expectation), rel=1e-12)


def test_the_target_and_the_model_are_looked_up_row_by_row():
    shown, target, _ = SMALL.log(np.random.default_rng(3))
    log, expectation = hold_against(shown, target, 0)
    model = fit_reward_model(shown.cluster, shown.item, shown.place_of_request, shown.reward, 0)
    lists = {
        (int(owner), int(item)): share
        for owner, item, share in zip(target.listed, target.item, target.share, strict=True)
    }
    for row in range(0, 300, 7):
        user, item, place = int(shown.cluster[row]), int(shown.item[row]), int(shown.place_of_request[row])
        assert log.target[row] == lists.get((user, item), 0.0)
        others = [
            (int(shown.item[i]), int(shown.place_of_request[i]), float(shown.reward[i]))
            for i in range(300)
            if model.fold[shown.cluster[i]] != model.fold[user]
        ]
        assert expectation.shown[row] == pytest.approx(smoothed_mean(others, item, place, PRIOR_ROWS), rel=1e-9)
        of_list = [smoothed_mean(others, each, place, PRIOR_ROWS) / 4 for owner, each in lists if owner == user]
        assert expectation.of_target[row] == pytest.approx(sum(of_list), rel=1e-9)
    assert set(model.fold.tolist()) == set(range(FOLDS))


@pytest.mark.parametrize(
    "world",
    [
        World(4000, 30, 5, 0.05, 2.0, 400),
        World(3000, 30, 5, 0.05, 2.0, 300, own_lists=True),
        World(2000, 20, 4, 0.03, 2.0, 2000),
    ],
    ids=["shared", "own lists", "rare rewards"],
)
def test_intervals_cover_the_truth_wherever_the_log_can_answer(world: World):
    rng = np.random.default_rng(11)
    covered: list[list[bool]] = []
    for _ in range(300):
        shown, target, truth = world.log(rng)
        log, expectation = hold_against(shown, target, 0)
        if judge_overlap(log).verdict == "estimable":
            covered.append([each.low <= truth <= each.high for each in estimate_all(log, expectation)])
    shares = np.mean(covered, axis=0)
    assert len(covered) >= 240
    assert shares.min() >= 0.93, shares


def test_doubly_robust_is_right_where_the_model_is_wrong():
    rng, n = np.random.default_rng(0), 40_000
    liked = rng.integers(2, size=n)  # half of the users like item 0, the others item 1: means by item say 0.5 of both
    item = (rng.random(n) < 0.5).astype(np.int64)
    reward = (item == liked).astype(np.float64)
    shown = ShownItems(np.arange(n), item, reward, np.full(n, 0.5), np.arange(n), np.zeros(n, dtype=np.int64))
    target = TargetPolicy(np.array([0, 1]), np.array([0, 1]), np.ones(2), liked)
    found = {each.estimator: each for each in estimate_all(*hold_against(shown, target, 0))}
    assert found["direct"].value == pytest.approx(0.5, abs=0.02)
    assert found["doubly_robust"].value == pytest.approx(1.0, abs=0.02)
    assert found["snips"].value == 1.0


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.floats(-5, 5)), min_size=2, max_size=40),
    st.floats(-3, 3),
)
@example([(1.0, 0.0), (1.0, 6.7e-139)], 0.0)  # powers of it are 0
def test_a_target_that_is_the_logging_policy_earns_the_mean(rows: list[tuple[float, float]], shift: float):
    n = len(rows)
    propensity, reward = (np.array(column) for column in zip(*rows, strict=True))
    nothing = Expectation(np.zeros(n), np.zeros(n), np.zeros(n))
    every, zeros = np.arange(n), np.zeros(n)

    def values(rewards: np.ndarray) -> dict[str, float]:
        log = LoggedRewards(every, every, rewards, propensity, propensity, zeros)
        return {each.estimator: each.value for each in estimate_all(log, nothing)}

    found, moved = values(reward), values(reward + shift)
    for name in ("ips", "snips", "clipped_ips", "clipped_snips", "doubly_robust"):
        assert found[name] == pytest.approx(reward.mean(), abs=1e-9)
    assert moved["snips"] == pytest.approx(found["snips"] + shift, abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 3))
def test_scaling_and_order_change_nothing_but_the_scale(seed: int, scale: float):
    rng, n = np.random.default_rng(seed), 50
    reward, propensity, target, users = rng.gamma(1.0, size=n), rng.uniform(0.1, 1, n), rng.random(n), np.arange(n) % 20

    def found(rows: np.ndarray, by: float) -> tuple[Estimate, ...]:
        rewards = reward[rows] * by
        log = LoggedRewards(np.arange(n), users[rows], rewards, propensity[rows], target[rows], np.zeros(n))
        return estimate_all(log, Expectation(rewards * 0.5, rewards * 0.4, np.ones(n)))

    first, again = found(np.arange(n), 1.0), found(rng.permutation(n), scale)
    for one, other in zip(first, again, strict=True):
        assert (one.low, one.value, one.high) == pytest.approx(
            (other.low / scale, other.value / scale, other.high / scale), rel=1e-6, abs=1e-9
        )
        assert one.low <= one.value <= one.high


def test_users_who_repeat_widen_the_interval():
    rng = np.random.default_rng(0)
    of_user = rng.random(200)
    reward = np.repeat(of_user, 50)
    n = len(reward)
    arrays = (reward, np.full(n, 0.5), np.full(n, 0.5), np.zeros(n))
    model = Expectation(np.zeros(n), np.zeros(n), np.zeros(n))
    alone = estimate_all(LoggedRewards(np.arange(n), np.arange(n), *arrays), model)[1]
    together = estimate_all(LoggedRewards(np.arange(n), np.repeat(np.arange(200), 50), *arrays), model)[1]
    assert together.high - together.low == pytest.approx((alone.high - alone.low) * 50**0.5, rel=0.02)


def test_what_is_no_log_is_refused():
    one = np.ones(1)
    for propensity in (0.0, 1.5, float("nan")):
        with pytest.raises(ContractError, match="not in"):
            LoggedRewards(np.zeros(1, np.int64), np.zeros(1, np.int64), one, np.array([propensity]), one, one)
    with pytest.raises(ContractError, match="finite"):
        LoggedRewards(np.zeros(1, np.int64), np.zeros(1, np.int64), one * np.inf, one, one, one)
    with pytest.raises(ContractError, match="differ in length"):
        LoggedRewards(np.zeros(1, np.int64), np.zeros(1, np.int64), one, one, np.ones(2), one)
