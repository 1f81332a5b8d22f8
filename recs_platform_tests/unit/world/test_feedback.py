"""Clicks follow taste and position; everything else follows a click."""

import numpy as np
import pytest

from recs_platform.world import Truth
from recs_platform.world.draws import Flags
from recs_platform.world.feedback import ACTIONS


def is_clicked(truth: Truth) -> Flags:
    clicked = np.zeros(len(truth.shown.item), dtype=np.bool_)
    clicked[rows_of(truth, "open")] = True
    return clicked


def rows_of(truth: Truth, action: str) -> np.ndarray:
    return truth.actions.impression[truth.actions.action == ACTIONS.index(action)]


def test_position_bias_is_recovered_from_clicks_and_attraction(truth: Truth) -> None:
    clicked, attraction = is_clicked(truth), truth.appeal.attraction
    for position, examination in enumerate(truth.examination, start=1):
        there = truth.shown.position == position
        expected = examination * attraction[there].sum()
        assert abs(clicked[there].sum() - expected) < 5 * np.sqrt(expected) + 1
    assert truth.examination[0] == 1
    assert truth.examination[3] == pytest.approx(4**-0.6)


def test_clicks_are_as_likely_as_the_truth_says(truth: Truth) -> None:
    chance = truth.appeal.click_probability
    assert abs(is_clicked(truth).sum() - chance.sum()) < 5 * np.sqrt((chance * (1 - chance)).sum())
    assert abs(chance.mean() - truth.config.click_rate) < 0.02


def test_click_rate_rises_with_true_affinity_and_falls_with_place(truth: Truth) -> None:
    clicked, affinity = is_clicked(truth), truth.appeal.affinity
    fifth = np.searchsorted(np.quantile(affinity, [0.2, 0.4, 0.6, 0.8]), affinity)
    rates = np.array([clicked[fifth == group].mean() for group in range(5)])
    assert (np.diff(rates) > 0).all()
    assert rates[4] > 2 * rates[0]
    assert clicked[truth.shown.position == 1].mean() > 1.5 * clicked[truth.shown.position == 7].mean()


def test_what_follows_a_click_answers_a_click(truth: Truth) -> None:
    clicks = set(rows_of(truth, "open").tolist())
    for action in ("read", "scroll", "like", "rate", "basket"):
        assert set(rows_of(truth, action).tolist()) <= clicks
    assert set(rows_of(truth, "buy").tolist()) <= set(rows_of(truth, "basket").tolist())
    assert clicks.isdisjoint(rows_of(truth, "hide").tolist())


def test_a_purchase_costs_the_price(truth: Truth) -> None:
    actions = truth.actions
    bought = actions.action == ACTIONS.index("buy")
    prices = truth.catalogue.price_cents[truth.shown.item[actions.impression[bought]]]
    assert bought.any()
    assert (actions.cents[bought] == prices).all()
    assert (prices > 0).all()


def test_things_clicked_in_one_visit_are_more_alike_than_things_clicked_by_one_user(truth: Truth) -> None:
    clicks = rows_of(truth, "open")
    visit, vectors = truth.shown.visit[clicks], truth.catalogue.vectors[truth.shown.item[clicks]]
    user = truth.visits.user[visit]
    order = np.lexsort((clicks, visit, user))
    left, right = order[:-1], order[1:]
    likeness = np.einsum("nd,nd->n", vectors[left], vectors[right])
    same_user = user[left] == user[right]
    same_visit = same_user & (visit[left] == visit[right])
    assert likeness[same_visit].mean() > likeness[same_user & ~same_visit].mean() + 0.1


def test_actions_come_after_being_shown_and_before_the_end(truth: Truth) -> None:
    actions = truth.actions
    assert (actions.at_ms > truth.shown.shown_ms[actions.impression]).all()
    assert actions.at_ms.max() < truth.config.end_ms
