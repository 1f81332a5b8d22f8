"""Lists hold what may be shown, and the logged propensity is the chance of being shown."""

import numpy as np

from recs_platform.world import Truth
from recs_platform.world.config import DAY_MS


def test_a_list_shows_each_item_once_in_places_from_one(truth: Truth) -> None:
    shown = truth.shown
    pairs = shown.request.astype(np.int64) * truth.config.items + shown.item
    assert len(np.unique(pairs)) == len(pairs)
    length = np.bincount(shown.request)
    assert (shown.position == np.concatenate([np.arange(1, n + 1) for n in length])).all()
    assert 6 < length.mean() <= truth.config.draws_per_list


def test_items_are_shown_between_publication_and_expiry_only(truth: Truth) -> None:
    shown, catalogue = truth.shown, truth.catalogue
    assert (catalogue.published_ms[shown.item] <= shown.shown_ms).all()
    assert (catalogue.until_ms[shown.item] > shown.shown_ms).all()


def test_each_item_is_shown_as_often_as_propensities_say(truth: Truth) -> None:
    # Every list against every item: the sum of chances is the expected number of times an item is shown.
    shown, items = truth.shown, truth.config.items
    _, first = np.unique(shown.request, return_index=True)
    visit = shown.visit[first]
    day, focus = np.repeat(truth.visits.day[visit], items), np.repeat(truth.visits.focus[visit], items)
    every_item = np.tile(np.arange(items, dtype=np.int32), len(visit))
    chance = truth.policy.propensity(truth.policy.draw_probability(day, focus, every_item)).reshape(len(visit), items)
    logged = chance[shown.request, shown.item]
    np.testing.assert_allclose(shown.propensity, logged, rtol=1e-12)
    surprise = np.bincount(shown.item, minlength=items) - chance.sum(axis=0)
    spread = np.sqrt((chance * (1 - chance)).sum(axis=0))
    assert (np.abs(surprise) <= 5 * spread + 1e-9).all()


def test_inverse_propensities_count_the_items_on_offer(truth: Truth) -> None:
    shown = truth.shown
    assert shown.propensity.min() > 0
    assert shown.propensity.max() <= 1
    _, first = np.unique(shown.request, return_index=True)
    on_offer = truth.policy.available.sum(axis=1)[truth.visits.day[shown.visit[first]]].mean()
    counted = (1 / shown.propensity).sum() / len(first)
    assert abs(counted / on_offer - 1) < 0.03


def test_a_new_item_is_shown_less_as_it_ages(truth: Truth) -> None:
    shown, catalogue = truth.shown, truth.catalogue
    age_days = (shown.shown_ms - catalogue.published_ms[shown.item]) / DAY_MS
    is_new = catalogue.published_ms[shown.item] > truth.config.start_ms
    half_life = truth.config.half_life_days
    # Items young enough to have lived through both spans.
    lived = catalogue.published_ms[shown.item] < truth.config.end_ms - (3 * half_life + 1) * DAY_MS
    early = (is_new & lived & (age_days >= 1) & (age_days < 1 + half_life)).sum()
    late = (is_new & lived & (age_days >= 1 + 2 * half_life) & (age_days < 1 + 3 * half_life)).sum()
    assert early > 1.5 * late
