"""Metrics of all lists together agree with their definitions, written out in plain Python."""

import math
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.evaluation.list_metrics import (
    catalogue_coverage,
    gini_exposure,
    intra_list_diversity,
    miscalibration,
    novelty,
    popularity_lift,
    serendipity,
)
from recs_platform_tests.lists import ITEMS, frame_of_lists, frame_of_pairs, ranked_items

CATEGORY = {item: None if item == "h" else "xyz"[number % 3] for number, item in enumerate(ITEMS)}
USED = {item: 2 ** (7 - number) for number, item in enumerate(ITEMS)}
CATEGORIES = pl.DataFrame({"item_id": list(CATEGORY), "category": list(CATEGORY.values())})
COUNTS = pl.DataFrame({"item_id": list(USED), "user_count": list(USED.values())})
everybody = st.dictionaries(st.sampled_from("uvwxyz"), st.tuples(ranked_items, ranked_items), max_size=6)


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def shares(items: list[str]) -> dict[str, float]:
    known = [CATEGORY[item] for item in items if CATEGORY[item] is not None]
    return {category: known.count(category) / len(known) for category in known if category is not None}


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("uvwxyz"), ranked_items, max_size=6), st.integers(1, 9))
def test_catalogue_metrics_follow_their_definitions(lists, k):
    frame = frame_of_lists(lists)
    shown = [item for items in lists.values() for item in items[:k]]
    exposure = [shown.count(item) for item in ITEMS]
    pairs = sum(abs(a - b) for a in exposure for b in exposure)
    gini = pairs / (2 * len(ITEMS) * sum(exposure)) if shown else 0.0
    assert catalogue_coverage(frame, len(ITEMS), k) == len(set(shown)) / len(ITEMS)
    assert gini_exposure(frame, len(ITEMS), k) == pytest.approx(gini, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from("uvwxyz"), ranked_items, max_size=6), st.integers(1, 9))
def test_novelty_is_the_mean_surprise_of_what_is_shown(lists, k):
    used = {"a": 16, "b": 4, "c": 1}
    counts = pl.DataFrame({"item_id": list(used), "user_count": list(used.values())})
    shown = [item for items in lists.values() for item in items[:k]]
    surprise = [math.log2(32 / used.get(item, 1)) for item in shown]
    expected = sum(surprise) / len(surprise) if surprise else 0.0
    assert novelty(frame_of_lists(lists), counts, n_users=32, k=k) == pytest.approx(expected, abs=1e-12)


def test_an_empty_catalogue_is_covered_by_nothing():
    assert catalogue_coverage(frame_of_lists({}), 0, 5) == 0.0
    assert gini_exposure(frame_of_lists({}), 0, 5) == 0.0


@settings(max_examples=80, deadline=None)
@given(everybody, st.integers(1, 9))
def test_what_lists_owe_to_tastes_and_chance_follows_its_definition(world, k):
    lists = {user: shown[:k] for user, (shown, _) in world.items()}
    others = {user: other for user, (_, other) in world.items() if other}
    frame, pairs = frame_of_lists({user: shown for user, (shown, _) in world.items()}), frame_of_pairs(others)

    known = {user: [CATEGORY[item] for item in shown if CATEGORY[item]] for user, shown in lists.items()}
    apart = [mean([float(a != b) for a, b in combinations(each, 2)]) for each in known.values() if len(each) > 1]
    assert intra_list_diversity(frame, CATEGORIES, k) == pytest.approx(mean(apart), abs=1e-12)

    diverged: list[float] = []
    for user, history in others.items():
        p, q = shares(history), shares(lists[user])
        if p and q:
            mixed = {name: 0.99 * q.get(name, 0) + 0.01 * share for name, share in p.items()}
            diverged.append(sum(share * math.log2(share / mixed[name]) for name, share in p.items()))
    assert miscalibration(frame, pairs, CATEGORIES, k) == pytest.approx(mean(diverged), abs=1e-12)

    obvious = set(ITEMS[:k])
    hits = sum(item in history and item not in obvious for user, history in others.items() for item in lists[user])
    expected = hits / (len(others) * k) if others else 0.0
    assert serendipity(frame, pairs, COUNTS, k) == pytest.approx(expected, abs=1e-12)

    both = [user for user in others if lists[user]]
    shown, taken = (mean([mean([USED[i] for i in of[user]]) for user in both]) for of in (lists, others))
    assert popularity_lift(frame, pairs, COUNTS, k) == pytest.approx(shown / taken - 1 if taken else 0.0, abs=1e-9)
