"""Bots work where no person would, are as many as asked for, and leave what people do as it was."""

import numpy as np
import polars as pl
import pytest

from recs_platform.world import Truth, World, WorldConfig, simulate
from recs_platform.world.config import HOUR_MS
from recs_platform.world.feedback import ACTIONS

BOTTED = WorldConfig(users=400, items=200, days=28, events=40_000, bot_rate=0.02)


@pytest.fixture(scope="module")
def botted() -> World:
    return simulate(BOTTED)


@pytest.fixture(scope="module")
def bots(botted: World) -> Truth:
    return botted.truth


def test_there_are_as_many_as_asked_for(bots: Truth) -> None:
    assert len(bots.bot_users) == 0.02 * 400
    assert simulate(BOTTED.model_copy(update={"bot_rate": 0.0})).truth.bot_users == frozenset()


def test_people_do_the_same_with_bots_and_without(bots: Truth) -> None:
    without = simulate(BOTTED.model_copy(update={"bot_rate": 0.0})).truth
    n = len(bots.shown.item)
    assert 0.7 * len(without.shown.item) < n < len(without.shown.item)  # bots' events count among those asked for
    for name in ("visit", "request", "item", "position", "propensity", "shown_ms"):
        assert np.array_equal(getattr(bots.shown, name), getattr(without.shown, name)[:n]), name
    then = without.actions.impression < n
    for name in ("impression", "action", "at_ms", "dwell_ms", "cents", "stars"):
        assert np.array_equal(getattr(bots.actions, name), getattr(without.actions, name)[then]), name


def test_events_of_bots_are_as_many_as_the_truth_says_and_answer_no_list(botted: World, bots: Truth) -> None:
    asked = botted.events.filter(pl.Series(bots.bot_rows))
    assert set(asked["uid"].drop_nulls()) == bots.bot_users
    assert asked["eid"].n_unique() == pytest.approx(len(bots.bots.item), abs=0.01 * len(bots.bots.item))
    assert asked["rid"].null_count() == asked["prob"].null_count() == asked.height
    assert set(asked["action"]) <= {"open", "read", "teleport"}
    assert set(asked["iid"]) <= set(botted.items["iid"])
    assert 0.04 < asked.height / botted.events.height < 0.25


def test_a_bot_goes_on_day_and_night_until_it_is_done(bots: Truth) -> None:
    script = bots.bots
    opened = script.action == ACTIONS.index("open")
    for user in script.users:
        at_ms = np.sort(script.at_ms[opened & (script.user[script.session] == user)])
        assert np.diff(at_ms).max() < HOUR_MS
        assert at_ms[-1] - at_ms[0] > 12 * HOUR_MS
        assert at_ms[-1] < bots.config.end_ms
        assert at_ms[0] > bots.population.signed_up_ms[user]


def test_a_bot_asks_for_items_on_offer_only(bots: Truth) -> None:
    script, catalogue = bots.bots, bots.catalogue
    opened = script.action == ACTIONS.index("open")
    item, at_ms = script.item[opened], script.at_ms[opened]
    assert (catalogue.published_ms[item] <= at_ms).all()
    assert (catalogue.until_ms[item] > at_ms).all()
    assert len(np.unique(item)) > 100
