"""Groups lean the way they are said to, by their separation; nothing else in the world knows of them."""

import numpy as np
import pytest

from recs_platform.world import GROUP_NAMES, Truth, WorldConfig, simulate
from recs_platform.world.config import DAY_MS, HOUR_MS
from recs_platform.world.draws import Flags, Floats
from recs_platform.world.feedback import ACTIONS
from recs_platform.world.groups import GROUPS
from recs_platform.world.population import DEVICES
from recs_platform_tests.unit.world.conftest import SMALL

NIGHT = GROUP_NAMES.index("night-time mobile")
LEANS = {
    "lists": [group.to_more_lists for group in GROUPS],
    "weekend": [group.to_weekend for group in GROUPS],
    "baskets": [group.to_basket for group in GROUPS],
}


@pytest.fixture(scope="module")
def alike() -> Truth:
    return separated(0.0)


def separated(separation: float) -> Truth:
    return simulate(SMALL.model_copy(update={"group_separation": separation})).truth


def group_of_visits(truth: Truth) -> np.ndarray:
    return truth.group[truth.visits.user]


def is_night(truth: Truth) -> Flags:
    hour = truth.visits.start_ms // HOUR_MS % 24
    return (hour >= 22) | (hour < 6)


def by_group(truth: Truth, what: str) -> Floats:
    """Mean over each group's visits, or clicks for baskets."""
    group = group_of_visits(truth)
    if what == "lists":
        values = truth.visits.list_count
    elif what == "weekend":
        values = (truth.visits.start_ms // DAY_MS + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    elif what == "night":
        values = is_night(truth)
    else:
        clicked, basket = (np.bincount(impressions_of(truth, action), minlength=len(truth.shown.item)) for action in
                           ("open", "basket"))  # fmt: skip
        group, values = group_of_visits(truth)[truth.shown.visit][clicked > 0], basket[clicked > 0]
    return np.array([values[group == code].mean() for code in range(len(GROUPS))])


def impressions_of(truth: Truth, action: str) -> np.ndarray:
    return truth.actions.impression[truth.actions.action == ACTIONS.index(action)]


def test_groups_are_as_large_as_their_shares() -> None:
    truth = simulate(WorldConfig(users=5_000, items=40, days=7, events=1_000)).truth
    shares = np.bincount(truth.group) / 5_000
    assert sum(group.share for group in GROUPS) == pytest.approx(1)
    assert shares == pytest.approx([group.share for group in GROUPS], abs=5 * np.sqrt(0.25 / 5_000))


@pytest.mark.parametrize("what", LEANS)
def test_groups_stand_in_the_order_of_their_leans(truth: Truth, what: str) -> None:
    found = by_group(truth, what)
    least, most = np.argmin(LEANS[what]), np.argmax(LEANS[what])
    assert found.argmin() in np.flatnonzero(np.array(LEANS[what]) <= LEANS[what][least] + 0.2)
    assert found.argmax() == most
    assert found[most] > 1.5 * found[least]


def test_the_night_time_group_is_there_at_night_on_its_telephones(truth: Truth) -> None:
    night = by_group(truth, "night")
    assert night[NIGHT] > 0.7
    assert np.delete(night, NIGHT).max() < 0.3
    device = truth.visits.device[group_of_visits(truth) == NIGHT]
    assert (device == DEVICES.index("mobile")).mean() > 0.8


def test_half_the_separation_lies_between(truth: Truth, alike: Truth) -> None:
    night = [by_group(each, "night")[NIGHT] for each in (alike, separated(0.5), truth)]
    assert night[0] + 0.1 < night[1] < night[2] - 0.1


@pytest.mark.parametrize("what", [*LEANS, "night"])
def test_without_separation_groups_are_alike(alike: Truth, what: str) -> None:
    found, overall = by_group(alike, what), by_group(alike, what).mean()
    assert found == pytest.approx([overall] * len(GROUPS), abs=0.12 if what == "lists" else 0.05)


def test_who_there_is_what_they_like_and_what_there_is_to_like_knows_no_groups(truth: Truth, alike: Truth) -> None:
    assert np.array_equal(truth.group, alike.group)
    for name in ("taste", "category_weights", "signed_up_ms", "activity", "region", "age_band", "gender", "plan"):
        assert np.array_equal(getattr(truth.population, name), getattr(alike.population, name)), name
    for name in ("vectors", "popularity", "published_ms", "price_cents"):
        assert np.array_equal(getattr(truth.catalogue, name), getattr(alike.catalogue, name)), name
    assert np.array_equal(truth.bots.users, alike.bots.users)
    assert np.array_equal(truth.bots.at_ms, alike.bots.at_ms)


def test_clicks_are_as_frequent_with_groups_as_without(truth: Truth, alike: Truth) -> None:
    rates = [len(impressions_of(each, "open")) / len(each.shown.item) for each in (truth, alike)]
    assert rates[0] == pytest.approx(rates[1], rel=0.05)
