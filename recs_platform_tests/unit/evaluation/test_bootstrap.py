"""Intervals cover the truth as often as they claim, and depend on the values and the seed alone."""

import math

import numpy as np
import pytest

from recs_platform.evaluation import bootstrap
from recs_platform.evaluation.bootstrap import cluster_intervals, mean_interval, paired_difference


def test_intervals_cover_the_true_mean_about_as_often_as_they_claim():
    generator = np.random.default_rng(3)
    intervals = [mean_interval(generator.normal(1.0, 2.0, 80), seed, samples=300) for seed in range(200)]
    covered = sum(interval.low <= 1.0 <= interval.high for interval in intervals) / len(intervals)
    assert 0.88 <= covered <= 0.99


def test_width_is_that_of_the_normal_approximation_for_many_values():
    values = np.random.default_rng(0).normal(size=4000)
    interval = mean_interval(values, seed=1)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / math.sqrt(4000), rel=0.12)
    assert interval.value == values.mean()
    assert interval.n == 4000


def test_the_block_size_does_not_change_the_interval(monkeypatch):
    values = np.random.default_rng(0).normal(size=33)
    whole = mean_interval(values, seed=5, samples=40)
    for draws in (1, 33, 100, 1319):
        monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", draws)
        assert mean_interval(values, seed=5, samples=40) == whole


def test_pairing_sees_a_small_difference_that_noise_hides():
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 10, 300)
    better = noise + 0.2 + generator.normal(0, 0.1, 300)
    assert paired_difference(better, noise, seed=0).low > 0
    assert mean_interval(better, seed=0).low < mean_interval(noise, seed=0).high


def test_no_users_give_no_number():
    interval = mean_interval(np.empty(0), seed=0)
    assert math.isnan(interval.value)
    assert interval.n == 0


def test_pairs_must_match():
    with pytest.raises(ValueError, match="2 and 1"):
        paired_difference(np.ones(2), np.ones(1), seed=0)


def test_groups_of_many_users_give_the_intervals_of_users(monkeypatch):
    """Also of a ratio, and of a column that few users have anything in."""
    generator = np.random.default_rng(0)
    users = np.repeat(np.arange(4000), 2)
    few = np.where(users < 60, generator.normal(3.0, 1.0, 8000), np.nan)
    values = np.stack([generator.normal(1.0, 2.0, 4000)[users] + generator.normal(size=8000), few], axis=1)
    alone = cluster_intervals(users, values, seed=1)
    monkeypatch.setattr(bootstrap, "GROUPS_MAX", 1000)
    grouped = cluster_intervals(users, values, seed=1)
    assert grouped.value.tolist() == alone.value.tolist()
    assert (grouped.rows.tolist(), grouped.users.tolist()) == (alone.rows.tolist(), alone.users.tolist())
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.12)
    covered = 0
    for seed in range(100):
        found = cluster_intervals(
            np.arange(2500), np.random.default_rng(seed).normal(size=(2500, 1)), seed=seed, samples=200
        )
        covered += bool(found.low[0] <= 0 <= found.high[0])
    assert 88 <= covered <= 99
