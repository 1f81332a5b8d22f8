"""Analysis of experiments against truth: A/A looked at daily, planted lifts, CUPED, broken splits, plain sums."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import ttest_ind

from recs_platform.evaluation.experiments.anytime import ALPHA, critical_value, detectable, p_value
from recs_platform.evaluation.experiments.lift import Moments, difference
from recs_platform.evaluation.experiments.reading import Exposed, Outcome, Reading, read_experiment
from recs_platform.evaluation.experiments.sample_ratio import sample_ratio_p
from recs_platform_tests.unit.evaluation.experiments.streams import look_daily

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("planned_share", [0.1, 1.0])
def test_looking_daily_raises_no_more_false_alarms_than_alpha(at_once: bool, planned_share: float) -> None:
    looks = look_daily(1, streams=600, users=400, days=10, at_once=at_once)
    z = np.abs(looks.estimate.difference / looks.estimate.error)
    alarms = (z > critical_value(looks.clock, looks.clock[-1] * planned_share)).any(axis=1)
    assert alarms.mean() <= ALPHA
    # What a fixed interval would do, looked at as often: the reason for all this.
    assert (z > 1.96).any(axis=1).mean() > 2 * ALPHA


def test_a_planted_lift_is_found_as_often_as_was_stated() -> None:
    looks = look_daily(2, streams=400, users=500, days=8, lift=0.45, at_once=True)
    critical = critical_value(looks.clock, looks.clock[-1])
    found = (np.abs(looks.estimate.difference / looks.estimate.error) > critical).any(axis=1).mean()
    # A beta(2, 18) rate is .1 in the mean: the lift adds .045.
    least = detectable(float(np.mean(looks.estimate.error[:, -1])), float(critical[-1]))
    assert least < 0.1 * 0.45
    assert found >= 0.8
    assert looks.estimate.difference[:, -1].mean() == pytest.approx(0.045, rel=0.03)
    assert looks.estimate.lift[:, -1].mean() == pytest.approx(0.45, rel=0.05)


def test_an_interval_of_lift_holds_the_truth() -> None:
    looks = look_daily(3, streams=400, users=500, days=3, lift=0.3, at_once=True)
    off = np.abs(looks.estimate.lift[:, -1] - 0.3) / looks.estimate.lift_error[:, -1]
    assert (off > 1.96).mean() == pytest.approx(0.05, abs=0.03)


def test_cuped_takes_the_correlations_square_away() -> None:
    before = RNG.normal(size=40_000)
    now = 0.8 * before + 0.6 * RNG.normal(size=40_000)
    one = np.ones(20_000)
    sides = [Moments.of(now[part], one, before[part]) for part in (slice(0, 20_000), slice(20_000, 40_000))]
    found, plain = difference(*sides), difference(*sides, adjusts=False)
    rho = np.corrcoef(now, before)[0, 1]
    assert (found.error / plain.error) ** 2 == pytest.approx(1 - rho**2, rel=0.01)
    assert found.narrowed == pytest.approx(0.64, abs=0.01)


def test_a_covariate_that_says_nothing_changes_nothing() -> None:
    y, one = RNG.poisson(3.0, size=(2, 500)).astype(float), np.ones(500)
    sides = [Moments.of(part, one, np.full(500, 7.0)) for part in y]
    assert difference(*sides).difference == difference(*sides, adjusts=False).difference


def test_means_are_those_of_welchs_test() -> None:
    a, b = RNG.exponential(2.0, 300), RNG.exponential(2.5, 400)
    found = difference(Moments.of(b, np.ones(400), np.zeros(400)), Moments.of(a, np.ones(300), np.zeros(300)))
    welch = ttest_ind(b, a, equal_var=False)
    assert found.difference / found.error == pytest.approx(welch.statistic)


def _plain(clicks: list[float], shown: list[float]) -> tuple[float, float]:
    """A ratio, and its variance by the jackknife over users: no formula in common with the delta method."""
    n, ratio = len(clicks), sum(clicks) / sum(shown)
    without = [(sum(clicks) - y) / (sum(shown) - x) for y, x in zip(clicks, shown, strict=True)]
    middle = sum(without) / n
    return ratio, (n - 1) / n * sum((each - middle) ** 2 for each in without)


def test_ratios_are_those_of_a_plain_jackknife() -> None:
    shown = RNG.integers(1, 20, size=(2, 800)).astype(float)
    clicks = RNG.binomial(shown.astype(int), RNG.beta(2, 8, size=(2, 800))).astype(float)
    found = difference(*(Moments.of(clicks[side], shown[side], np.zeros(800)) for side in (1, 0)))
    (control, spread), (variant, other) = (_plain(clicks[side].tolist(), shown[side].tolist()) for side in (0, 1))
    assert found.difference == pytest.approx(variant - control)
    assert found.error == pytest.approx(np.sqrt(spread + other), rel=0.01)


def test_p_values_and_intervals_say_the_same() -> None:
    clock = np.geomspace(10, 1e6, 30)
    edge = critical_value(clock, 1000)
    assert p_value(edge, clock, 1000) == pytest.approx(np.full(30, ALPHA))
    assert (p_value(edge * 1.01, clock, 1000) < ALPHA).all()
    assert (p_value(0.0, clock, 1000) == 1).all()


def test_the_interval_is_narrowest_when_it_was_planned_to_be() -> None:
    widths = [float(critical_value(2000.0, planned)) for planned in (20, 200, 2000, 20_000, 200_000)]
    assert all(a > b for a, b in pairwise(widths[:3]))
    assert all(a < b for a, b in pairwise(widths[2:]))


def exposed(users: int, *, lift: float = 0.0, lost: float = 0.0, variants: int = 2, seed: int = 11) -> Exposed:
    """Users of as many variants, the last with `lift` clicks more, and a share of its users `lost`."""
    draw = np.random.default_rng(seed)
    names = ("control", "a", "b", "c")[:variants]
    variant = draw.integers(0, variants, users)
    variant = variant[(variant != variants - 1) | (draw.random(users) >= lost)]
    n = len(variant)
    shown = draw.poisson(20, n) + 1.0
    clicks = draw.binomial(shown.astype(int), 0.1 * (1 + lift * (variant == variants - 1))).astype(float)
    one, device = np.ones(n), np.where(draw.random(n) < 0.5, "mobile", "desktop")
    outcomes = {"ctr": Outcome(clicks, shown, one * 0), "clicks_per_user": Outcome(clicks, one, one * 0)}
    days = np.full(n, 7, dtype=np.int64)
    shares = np.full(variants, 1 / variants)
    return Exposed(names, shares, variant, days, outcomes, {"device": device}, 7.0 * n)


def _found(reading: Reading) -> set[tuple[str, str, str]]:
    return {(row.variant, row.segment, row.metric) for row in reading.rows if row.is_found}


def test_the_variant_that_differs_is_found_in_every_metric_and_segment_and_no_other_is() -> None:
    found = _found(read_experiment(exposed(9_000, lift=0.3, variants=3)))
    segments = ("all", "device=desktop", "device=mobile")
    assert found == {("b", segment, metric) for segment in segments for metric in ("ctr", "clicks_per_user")}


def test_nothing_is_found_where_nothing_is_and_correction_never_lowers_a_p_value() -> None:
    reading = read_experiment(exposed(4_000, variants=4))
    assert not _found(reading)
    assert all(row.adjusted_p >= row.p for row in reading.rows)
    assert len(reading.rows) == 3 * 2 * 3


def test_a_broken_split_is_caught_and_stops_the_analysis() -> None:
    broken = read_experiment(exposed(20_000, lift=0.3, lost=0.06))
    assert broken.is_split_broken
    assert broken.rows == ()
    assert not read_experiment(exposed(20_000, lift=0.3)).is_split_broken


def test_sample_ratio_alarms_are_as_rare_as_stated() -> None:
    counts = np.random.default_rng(3).multinomial(10_000, [0.2, 0.3, 0.5], size=4000)
    p = np.array([sample_ratio_p(row, np.array([0.2, 0.3, 0.5])) for row in counts])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.012)
    assert np.mean(p < 0.001) < 0.004


def test_few_users_are_counted_and_not_judged() -> None:
    reading = read_experiment(exposed(150, lift=3.0))
    assert all(np.isnan(row.low) and np.isnan(row.p) and row.users > 0 for row in reading.rows)
    assert not _found(reading)
    empty = exposed(0)
    assert read_experiment(empty).users == {"control": 0, "a": 0}
