"""Cutoffs keep labels before the instant that learns from them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from recs_platform.evaluation.cutoffs import plan_cutoffs

START = datetime(2024, 1, 1, 9, 30, tzinfo=UTC)


def test_a_year_gets_weekly_cutoffs():
    plan = plan_cutoffs(START, START + timedelta(days=365), horizon_days=14, every_days=7, windows=12)
    assert plan.step_days == 7
    assert len(plan.tests) == 12


def test_sixty_days_get_a_denser_grid_and_leave_three_cutoffs_to_try_things_at():
    plan = plan_cutoffs(START, START + timedelta(days=60), horizon_days=14, every_days=7, windows=12)
    assert plan.step_days < 7
    assert len(plan.tests) == 11
    assert len(plan.training_cutoffs(plan.tests[0])) == 3


def test_too_little_history_has_no_tests():
    plan = plan_cutoffs(START, START + timedelta(days=20), horizon_days=14, every_days=7, windows=12)
    assert plan.tests == ()


def test_eleven_days_of_news_have_daily_tests_and_cutoffs_before_them():
    plan = plan_cutoffs(START, START + timedelta(days=11), horizon_days=1, every_days=1, windows=12)
    assert len(plan.tests) >= 5
    assert len(plan.training_cutoffs(plan.tests[0])) >= 3


def test_neighbouring_days_share_their_grid():
    plans = [
        plan_cutoffs(START, START + timedelta(days=days), horizon_days=14, every_days=7, windows=12)
        for days in (200, 201)
    ]
    assert set(plans[0].grid) <= set(plans[1].grid)


@given(days=st.integers(1, 400), horizon=st.integers(1, 30), every=st.integers(1, 30), windows=st.integers(1, 20))
def test_no_label_reaches_past_the_instant_that_learns_from_it(days: int, horizon: int, every: int, windows: int):
    as_of = START + timedelta(days=days)
    plan = plan_cutoffs(START, as_of, horizon_days=horizon, every_days=every, windows=windows)
    assert len(plan.tests) <= windows
    for test in plan.tests:
        assert test + plan.horizon <= as_of
        assert plan.training_cutoffs(test)
        assert all(cutoff + plan.horizon <= test for cutoff in plan.training_cutoffs(test))
