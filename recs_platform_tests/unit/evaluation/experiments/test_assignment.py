"""Assignment: the same for ever (golden vectors), even, unmoved by coverage, exclusive within a layer, and cheap."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from recs_platform.contracts.experiments import ExperimentSettings, require_apart
from recs_platform.evaluation.experiments.assignment import NOBODY, Assigner, Experiment, Positions

DAY = date(2026, 1, 5)
EVEN = {"control": {"weight": 0.5}, "treated": {"weight": 0.5}}
UNITS = [f"user-{n}" for n in range(20_000)]
IDS = st.text(min_size=1, max_size=30)
# Whoever is in a variant today must be in it after any change of this code.
GOLDEN = {
    ("variant home", "u1"): 0.5078125076077983,
    ("variant home", "u2"): 0.7474810476650126,
    ("variant home", "Å"): 0.2835795611138052,
    ("layer default", "u1"): 0.10806654290271178,
    ("layer default", ""): 0.8941161442322355,
}


def experiment(**given: Any) -> ExperimentSettings:
    return ExperimentSettings.model_validate({"variants": EVEN} | given)


def _p_of(counts: np.ndarray, shares: np.ndarray) -> float:
    expected = counts.sum() * shares
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1))


@pytest.mark.parametrize(("salt", "unit"), GOLDEN)
def test_positions_are_those_that_were_always_given(salt: str, unit: str) -> None:
    assert Positions(salt).of(unit) == GOLDEN[salt, unit]


def test_variants_are_those_that_were_always_given() -> None:
    home = Experiment.of("home", experiment())
    assert [home.variant_of(unit) for unit in ("u1", "u2", "Å", "")] == ["treated", "treated", "control", "treated"]


@given(IDS, st.floats(0, 1), st.floats(0, 1))
def test_nobody_who_is_in_moves_when_coverage_grows(unit: str, one: float, other: float) -> None:
    few, many = sorted((one, other))
    before = Experiment.of("x", experiment(coverage=few)).variant_of(unit)
    after = Experiment.of("x", experiment(coverage=many)).variant_of(unit)
    assert before is None or after == before


@given(IDS)
def test_experiments_of_one_layer_never_have_a_user_in_common(unit: str) -> None:
    parts = {f"e{n}": experiment(start=n / 4, coverage=1 / 4) for n in range(4)}
    assert len(Assigner(parts).variants_of(unit, DAY)) == 1


@settings(max_examples=20, deadline=None)
@given(st.permutations(["a", "b", "c"]), IDS)
def test_the_order_in_the_file_says_nothing(order: list[str], unit: str) -> None:
    weights = {"a": 0.2, "b": 0.3, "c": 0.5}
    sorted_ = experiment(control="a", variants={name: {"weight": weights[name]} for name in "abc"})
    shuffled = experiment(control="a", variants={name: {"weight": weights[name]} for name in order})
    assert Experiment.of("x", sorted_).variant_of(unit) == Experiment.of("x", shuffled).variant_of(unit)


@given(st.lists(IDS, max_size=8))
@settings(max_examples=30)
def test_many_at_once_is_each_alone(units: list[str]) -> None:
    x = Experiment.of("x", experiment(coverage=0.6))
    alone = [NOBODY if (found := x.variant_of(unit)) is None else x.variants.index(found) for unit in units]
    assert x.variants_of(units).tolist() == alone


@pytest.mark.parametrize("salt", ["home", "home2", "1", "2"])
def test_positions_are_even(salt: str) -> None:
    counts = np.histogram(Positions(salt).of_all(UNITS), bins=50, range=(0, 1))[0]
    assert _p_of(counts, np.full(50, 1 / 50)) > 1e-4


def test_weights_hold_and_like_named_experiments_divide_users_independently() -> None:
    thirds = {"a": {"weight": 0.2}, "b": {"weight": 0.3}, "c": {"weight": 0.5}}
    one, two = (Experiment.of(name, experiment(control="a", variants=thirds)) for name in ("rank1", "rank2"))
    both = np.bincount(one.variants_of(UNITS) * 3 + two.variants_of(UNITS), minlength=9)
    shares = np.outer([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]).ravel()
    assert _p_of(both, shares) > 1e-4


def test_a_range_of_a_layer_takes_its_share_and_other_layers_divide_it_anew() -> None:
    tenth = Experiment.of("x", experiment(layer="rows", start=0.4, coverage=0.1)).variants_of(UNITS) != NOBODY
    half = Experiment.of("y", experiment(layer="order", coverage=0.5)).variants_of(UNITS) != NOBODY
    counts = np.bincount(tenth * 2 + half, minlength=4)
    assert _p_of(counts, np.array([0.9 * 0.5, 0.9 * 0.5, 0.1 * 0.5, 0.1 * 0.5])) > 1e-4


def test_an_experiment_takes_users_from_its_first_day_to_its_last() -> None:
    both = Assigner({"x": experiment(starts_on="2026-01-05", ends_on="2026-01-06")})
    days = (date(2026, 1, day) for day in (4, 5, 6, 7))
    assert [len(both.variants_of("u1", day)) for day in days] == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"variants": {"control": {"weight": 0.5}, "b": {"weight": 0.4}}}, "add up to 0.9"),
        ({"control": "a"}, "none of its variants: control, treated"),
        ({"start": 0.6, "coverage": 0.5}, "beyond the layer"),
        ({"starts_on": "2026-01-05", "ends_on": "2026-01-04"}, "before starts_on"),
        ({"variants": {"control": {"weight": 1}}}, "at least 2"),
        ({"variants": {"Control!": {"weight": 0.5}, "control": {"weight": 0.5}}}, "pattern"),
        ({"variants": {"control": {"weight": 0.5}, "b": {"weight": 0.5, "diversty": 1}}}, "diversty"),
    ],
)
def test_what_does_not_add_up_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        experiment(**wrong)


def test_experiments_in_each_others_way_are_refused() -> None:
    varied = {"control": {"weight": 0.5}, "treated": {"weight": 0.5, "diversity": 0.3}}
    halves = {"a": experiment(coverage=0.5), "b": experiment(start=0.5, coverage=0.5)}
    require_apart(halves)
    with pytest.raises(ValueError, match=r"a takes 0 to 0\.6 of layer 'default', b 0\.5 to 1: they overlap"):
        require_apart(halves | {"a": experiment(coverage=0.6)})
    with pytest.raises(ValueError, match="both decide diversity; put them into one layer"):
        require_apart({"a": experiment(variants=varied), "b": experiment(layer="two", variants=varied)})
    with pytest.raises(ValueError, match="at most 6 layers, not 7"):
        require_apart({f"e{n}": experiment(layer=f"l{n}") for n in range(7)})
    one, two = experiment(ends_on="2026-01-05"), experiment(starts_on="2026-01-06")
    require_apart({"a": one, "b": two})
