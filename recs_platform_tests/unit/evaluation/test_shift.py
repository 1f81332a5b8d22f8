"""Distances are zero for no move, grow with the move, and do not care how many rows there are."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.evaluation.shift import jensen_shannon, normed_wasserstein, population_stability

numbers = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=30).map(np.array)


@settings(max_examples=100, deadline=None)
@given(numbers, numbers)
def test_wasserstein_is_the_area_between_the_two_distributions(reference, current):
    grid = np.arange(-20, 20)
    area = sum(abs((reference <= x).mean() - (current <= x).mean()) for x in grid)
    unscaled = 0.0 if area == 0 else float("inf")
    expected = area / reference.std() if np.ptp(reference) else unscaled
    assert normed_wasserstein(reference, current) == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(numbers, numbers)
def test_no_distance_is_negative_and_none_is_left_when_nothing_moved(reference, current):
    assert population_stability(reference, current) >= 0
    assert population_stability(reference, reference) == 0
    assert normed_wasserstein(reference, reference) == 0


def test_stability_index_sees_a_mean_shift_of_one_deviation():
    generator = np.random.default_rng(0)
    reference, same = generator.normal(size=20_000), generator.normal(size=20_000)
    assert population_stability(reference, same) < 0.01
    assert population_stability(reference, same + 1) > 0.5


def test_stability_index_sees_a_constant_that_moves_and_values_that_go_missing():
    constant = np.full(100, 3.0)
    for moved in (np.full(100, 2.0), np.full(100, 4.0), np.full(100, np.nan)):
        assert population_stability(constant, moved) > 5


def test_a_binary_column_has_a_cell_for_each_value():
    half, tenth = np.repeat([0.0, 1.0], [50, 50]), np.repeat([0.0, 1.0], [90, 10])
    assert population_stability(half, tenth) == pytest.approx(0.4 * np.log(1.8) - 0.4 * np.log(0.2))


def test_jensen_shannon_by_hand():
    reference, current = pl.Series(["a", "a", "b", None]), pl.Series(["a", "c"])
    p, q = np.array([0.5, 0.25, 0.25, 0.0]), np.array([0.5, 0.0, 0.0, 0.5])
    middle = (p + q) / 2
    bits = sum(0.5 * (side[i] * np.log2(side[i] / middle[i])) for side in (p, q) for i in range(4) if side[i] > 0)
    assert jensen_shannon(reference, current) == pytest.approx(np.sqrt(bits))


def test_nothing_to_compare_is_an_error():
    with pytest.raises(ValueError, match="nothing to compare"):
        population_stability(np.empty(0), np.ones(3))
    with pytest.raises(ValueError, match="nothing to compare"):
        normed_wasserstein(np.ones(3), np.full(2, np.nan))
    with pytest.raises(ValueError, match="nothing to compare"):
        jensen_shannon(pl.Series(["a"]), pl.Series([], dtype=pl.String))
