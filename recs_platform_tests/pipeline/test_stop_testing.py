"""Test windows are added until the main difference is known well enough."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from recs_platform.pipeline.training.evaluation import _are_samples, stop_reason


def window(cutoff: int, final: np.ndarray, popularity: np.ndarray, protocol: str = "global") -> pl.DataFrame:
    users = [f"u{number}" for number in range(len(final))]
    return pl.concat(
        pl.DataFrame(
            {
                "protocol": protocol,
                "cutoff": cutoff,
                "model": model,
                "metric": "ndcg",
                "user_id": users,
                "value": values,
            }
        )
        for model, values in (("final", final), ("popularity", popularity))
    )


def test_a_clear_difference_needs_no_more_windows():
    rng = np.random.default_rng(1)
    popularity = rng.random(400) * 0.1
    reason = stop_reason([window(1, popularity + 0.2 + rng.normal(0, 0.1, 400), popularity)], 0.2, seed=1)
    assert reason is not None
    assert "within 20% of itself" in reason


def test_a_window_with_nobody_in_it_changes_nothing():
    rng = np.random.default_rng(1)
    clear = window(1, rng.random(400) * 0.1 + 0.5, rng.random(400) * 0.1)
    nobody = clear.clear().select(reversed(clear.columns))
    assert stop_reason([clear, nobody], 0.2, seed=1) == stop_reason([clear], 0.2, seed=1)


@pytest.mark.parametrize("users", [1, 5])
def test_a_difference_within_chance_does(users):
    rng = np.random.default_rng(1)
    assert stop_reason([window(1, rng.random(users), rng.random(users))], 0.2, seed=1) is None


def test_the_windows_of_one_user_are_no_independent_voices():
    """Ten windows that repeat the same twelve users know no more than one of them."""
    rng = np.random.default_rng(1)
    final, popularity = rng.random(12) + 0.25, rng.random(12)
    alone = stop_reason([window(1, final, popularity)], 0.5, seed=1)
    assert stop_reason([window(cutoff, final, popularity) for cutoff in range(10)], 0.5, seed=1) == alone


def test_items_new_since_the_cutoff_have_no_say_and_neither_has_a_missing_baseline():
    clear = window(1, np.full(50, 0.9), np.full(50, 0.1), protocol="global_with_new_items")
    assert stop_reason([clear], 0.2, seed=1) is None
    assert stop_reason([window(1, np.full(50, 0.9), np.full(50, 0.1)).filter(model="final")], 0.2, seed=1) is None
    assert stop_reason([], 0.2, seed=1) is None


@pytest.mark.parametrize(("users", "expected"), [([600, 600], True), ([600, 599], False)])
def test_windows_that_hold_whom_there_is_are_all_tested(users, expected):
    taken = {f"split {number}": SimpleNamespace(metrics={"evaluated_users": each}) for number, each in enumerate(users)}
    assert _are_samples(SimpleNamespace(take=taken.get), list(taken)) is expected
