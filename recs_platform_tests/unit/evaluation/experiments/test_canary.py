"""A planted bad release is taken back, a planted good one passes, and looking often seldom takes back an equal one."""

from dataclasses import replace

import numpy as np
import pytest

from recs_platform.evaluation.experiments.canary import GROUPS, Decision, Limits, Side, decide

LIMITS = Limits(minutes=60, exposures_min=2_000)


def grown(side: Side, rng: np.random.Generator, *, fail: float = 0.0, slow: float = 0.01, click: float = 0.1) -> Side:
    """A side after 500 more lists with an impression each."""
    groups = rng.integers(GROUPS, size=500)
    chances = {"lists": 1.0, "failed": fail, "slow": slow, "impressions": 1.0, "clicks": click}
    return Side(
        **{
            name: getattr(side, name) + np.bincount(groups[rng.random(500) < chance], minlength=GROUPS)
            for name, chance in chances.items()
        }
    )


def watched(seed: int, looks: int = 20, **planted: float) -> Decision:
    """The first decision of looks 5 minutes apart at a release with these chances."""
    rng, new, old = np.random.default_rng(seed), Side.empty(), Side.empty()
    found = decide(new, old, 0, LIMITS)
    for look in range(1, looks + 1):
        new, old = grown(new, rng, **planted), grown(old, rng)
        found = decide(new, old, 5 * look, LIMITS)
        if found.action != "wait":
            break
    return found


@pytest.mark.parametrize(
    ("planted", "named"),
    [({"fail": 0.05}, "failed lists"), ({"slow": 0.1}, "slow lists"), ({"click": 0.03}, "clicks an impression")],
)
def test_a_planted_loss_is_found_and_named(planted: dict[str, float], named: str):
    found = [watched(seed, **planted) for seed in range(10)]
    assert {each.action for each in found} == {"take_back"}
    assert all(each.reason.startswith(named) for each in found)


def test_a_better_release_passes_after_its_time_and_an_equal_one_is_seldom_taken_back():
    assert {watched(seed, slow=0.0, click=0.15).action for seed in range(10)} == {"promote"}
    assert sum(watched(seed).action == "take_back" for seed in range(100)) <= 5


def test_neither_time_nor_impressions_alone_are_enough():
    rng = np.random.default_rng(0)
    side = grown(Side.empty(), rng)
    assert decide(side, side, 600, LIMITS).action == "wait"
    for _ in range(4):
        side = grown(side, rng)
    assert decide(side, side, 59, LIMITS).action == "wait"
    assert decide(side, side, 60, LIMITS).action == "promote"


def test_a_release_most_of_whose_lists_fail_is_taken_back_before_statistics_can_tell():
    few = np.zeros(GROUPS, dtype=np.int64)
    few[:5] = 4
    broken = replace(Side.empty(), lists=few, failed=few)
    found = decide(broken, replace(Side.empty(), lists=few), 1, LIMITS)
    assert found == Decision("take_back", "20 of 20 lists failed; of the release before 0.0%")
    assert decide(broken, broken, 1, LIMITS).action == "wait"  # the fault is not the release's
