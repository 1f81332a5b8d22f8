"""The metrics agree with their definitions, written out user by user in plain Python."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.evaluation.metrics import (
    USER_METRICS,
    catalogue_coverage,
    gini_exposure,
    novelty,
    user_metrics,
)

ITEMS = "abcdefgh"
ranked_items = st.lists(st.sampled_from(ITEMS), unique=True, max_size=8)
worlds = st.dictionaries(st.sampled_from("uvwxyz"), st.tuples(ranked_items, ranked_items), max_size=6)


def frame_of_lists(lists: dict[str, list[str]]) -> pl.DataFrame:
    rows = [(user, item, rank) for user, items in lists.items() for rank, item in enumerate(items, 1)]
    return pl.DataFrame(
        rows, schema={"user_id": pl.String, "item_id": pl.String, "rank": pl.Int32}, orient="row"
    ).reverse()


def frame_of_pairs(pairs: dict[str, list[str]]) -> pl.DataFrame:
    rows = [(user, item) for user, items in pairs.items() for item in items]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")


def by_definition(items: list[str], held_out: list[str], k: int) -> dict[str, float]:
    hits = [rank for rank, item in enumerate(items[:k], 1) if item in held_out]
    best = min(k, len(held_out))
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, best + 1))
    precisions = [sum(1 for other in hits if other <= rank) / rank for rank in hits]
    return {
        "ndcg": sum(1 / math.log2(rank + 1) for rank in hits) / ideal,
        "recall": len(hits) / len(held_out),
        "hit_rate": 1.0 if hits else 0.0,
        "mrr": 1 / hits[0] if hits else 0.0,
        "map": sum(precisions) / best,
    }


@settings(max_examples=150, deadline=None)
@given(worlds, st.integers(1, 9))
def test_user_metrics_follow_their_definitions(world, k):
    lists = frame_of_lists({user: items for user, (items, _) in world.items()})
    held_out = frame_of_pairs({user: items for user, (_, items) in world.items()})
    expected = [
        (user, metric, pytest.approx(by_definition(items, wanted, k)[metric], abs=1e-12))
        for user, (items, wanted) in sorted(world.items())
        if wanted
        for metric in USER_METRICS
    ]
    assert user_metrics(lists, held_out, k).rows() == expected


def test_a_perfect_list_scores_one_and_a_missing_list_zero():
    held_out = frame_of_pairs({"perfect": ["a", "b"], "unserved": ["a"]})
    measured = user_metrics(frame_of_lists({"perfect": ["a", "b", "c"]}), held_out, k=2)
    assert measured.filter(pl.col("user_id") == "perfect")["value"].to_list() == [1.0] * 5
    assert measured.filter(pl.col("user_id") == "unserved")["value"].to_list() == [0.0] * 5


def test_nothing_held_out_gives_an_empty_frame_with_its_columns():
    measured = user_metrics(frame_of_lists({"a": ["x"]}), frame_of_pairs({}), k=3)
    assert measured.is_empty()
    assert measured.schema == {"user_id": pl.String, "metric": pl.String, "value": pl.Float64}


def test_a_list_must_have_a_length():
    with pytest.raises(ValueError, match="k must be at least 1"):
        user_metrics(frame_of_lists({}), frame_of_pairs({}), k=0)


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
