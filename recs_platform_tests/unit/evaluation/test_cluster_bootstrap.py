import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.evaluation.bootstrap import cluster_intervals


def test_the_mean_is_over_rows_and_lies_in_its_interval():
    users = np.array([0, 0, 0, 1, 2, 3])
    values = np.array([[1.0], [1.0], [1.0], [0.0], [0.0], [0.0]])
    found = cluster_intervals(users, values, seed=1)
    assert found.value[0] == 3 / 6
    assert found.low[0] <= 0.5 <= found.high[0]
    assert (found.rows[0], found.users[0]) == (6, 4)


def test_copies_of_a_users_rows_add_no_certainty():
    rng = np.random.default_rng(0)
    values = rng.random((200, 1))
    once = cluster_intervals(np.arange(200), values, seed=1)
    often = cluster_intervals(np.repeat(np.arange(200), 12), np.repeat(values, 12, axis=0), seed=1)
    width = once.high[0] - once.low[0]
    assert often.high[0] - often.low[0] == pytest.approx(width)
    # A mean's 95 % interval by the normal approximation.
    assert width == pytest.approx(2 * 1.96 * values.std() / np.sqrt(200), rel=0.15)


def test_columns_share_their_draws_so_a_constant_difference_has_no_width():
    values = np.random.default_rng(0).random(50)
    found = cluster_intervals(np.arange(50), np.column_stack([values, values + 0.25, np.full(50, 0.25)]), seed=3)
    assert found.high[1] - found.high[0] == pytest.approx(0.25)
    assert found.low[2] == found.high[2] == 0.25


def test_rows_that_do_not_count_are_left_out():
    found = cluster_intervals(np.array([0, 1, 2]), np.array([[1.0, np.nan], [np.nan, np.nan], [0.0, np.nan]]), seed=1)
    assert found.value[0] == 0.5
    assert (found.rows.tolist(), found.users.tolist()) == ([2, 0], [2, 0])
    assert np.isnan([found.value[1], found.low[1], found.high[1]]).all()


def test_one_user_has_no_interval_and_no_user_no_mean():
    assert np.isnan(cluster_intervals(np.array([4, 4]), np.array([[0.0], [1.0]]), seed=1).low[0])
    assert np.isnan(cluster_intervals(np.zeros(0, np.int64), np.zeros((0, 2)), seed=1).value).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(2, 40))
def test_the_order_of_rows_changes_nothing_to_the_last_bit(seed, n):
    rng = np.random.default_rng(seed)
    users, values, order = rng.integers(0, n, 3 * n), rng.random((3 * n, 2)), rng.permutation(3 * n)
    a = cluster_intervals(users, values, seed=seed, samples=50)
    b = cluster_intervals(users[order], values[order], seed=seed, samples=50)
    for left, right in zip((a.value, a.low, a.high), (b.value, b.low, b.high), strict=True):
        np.testing.assert_array_equal(left, right)
