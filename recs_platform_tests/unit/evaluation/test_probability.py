"""Calibrated probabilities beside planted ones and beside independent implementations."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from recs_platform.evaluation.probability import (
    CHOSEN_MIN,
    brier_skill,
    learn_calibration,
    reliability,
    wilson_interval,
)


def drawn(n, seed=0):
    """Scores, ranks, planted probabilities and what was drawn by them."""
    rng = np.random.default_rng(seed)
    scores, ranks = rng.normal(3.0, 2.0, n), rng.integers(1, 11, n)
    planted = 1 / (1 + np.exp(-(-3.0 + 0.4 * scores - 0.5 * np.log2(ranks))))
    return scores, ranks, planted, rng.random(n) < planted


def test_planted_probabilities_are_found_again_on_items_that_were_not_learned_from():
    scores, ranks, _, chosen = drawn(40_000)
    found = learn_calibration(scores, ranks, chosen)
    later_scores, later_ranks, planted, later = drawn(40_000, seed=1)
    predicted = found.probabilities(later_scores, later_ranks)
    assert np.abs(predicted - planted).max() < 0.03
    assert reliability(predicted, later).calibration_error < 0.01
    assert brier_skill(predicted, later, chosen.mean()) > 0.03


def test_ten_times_the_score_gives_the_same_probabilities_and_one_score_for_all_goes_by_rank():
    scores, ranks, _, chosen = drawn(5_000)
    found, scaled = learn_calibration(scores, ranks, chosen), learn_calibration(10 * scores + 7, ranks, chosen)
    same = found.probabilities(scores, ranks), scaled.probabilities(10 * scores + 7, ranks)
    np.testing.assert_allclose(*same, atol=1e-6)
    flat = learn_calibration(np.zeros(5_000), ranks, chosen).probabilities(np.zeros(2), np.array([1, 10]))
    assert flat[0] > flat[1]


@pytest.mark.parametrize("score", [0.1, 1e6 / 3])  # which the mean of many misses by a rounding error
def test_from_equal_scores_nothing_is_learned_of_scores(score):
    _, ranks, _, chosen = drawn(5_000)
    found = learn_calibration(np.full(5_000, score), ranks, chosen)
    one, other = found.probabilities(np.array([score, 2 * score]), np.array([1, 1]))
    assert one == other


@pytest.mark.parametrize("n_chosen", [0, CHOSEN_MIN - 1, 200 - CHOSEN_MIN + 1, 200])
def test_one_outcome_or_hardly_another_teaches_nothing(n_chosen):
    scores, ranks, _, _ = drawn(200)
    assert learn_calibration(scores, ranks, np.arange(200) < n_chosen) is None


def test_bins_intervals_and_skill_are_those_of_known_libraries():
    _, _, planted, chosen = drawn(1_000)
    found = reliability(planted, chosen)
    observed, predicted = calibration_curve(chosen, planted, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(found.predicted, predicted)
    np.testing.assert_allclose(found.observed, observed)
    for share, count, low, high in zip(found.observed, found.counts, found.low, found.high, strict=True):
        known = binomtest(round(share * count), count).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx((known.low, known.high), abs=1e-6)
    constant = np.full(1_000, 0.25)
    skill = 1 - brier_score_loss(chosen, planted) / brier_score_loss(chosen, constant)
    assert brier_skill(planted, chosen, 0.25) == pytest.approx(skill)


def test_fewer_items_than_bins_are_a_bin_each_and_none_is_an_error():
    found = reliability(np.array([0.2, 0.1]), np.array([True, False]))
    assert (found.predicted.tolist(), found.observed.tolist(), found.counts.tolist()) == ([0.1, 0.2], [0, 1], [1, 1])
    with pytest.raises(ValueError, match="no item"):
        reliability(np.array([]), np.array([], dtype=bool))


def test_the_interval_of_nothing_seen_begins_at_zero():
    low, high = wilson_interval(np.array([0.0, 1.0]), np.array([10, 10]))
    assert (low[0], high[1]) == pytest.approx((0, 1))
    assert 0 < high[0] < 0.3
