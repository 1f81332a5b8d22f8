"""The metrics agree with their definitions, written out user by user in plain Python."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.evaluation.metrics import USER_METRICS, user_metrics
from recs_platform_tests.lists import frame_of_lists, frame_of_pairs, ranked_items

worlds = st.dictionaries(st.sampled_from("uvwxyz"), st.tuples(ranked_items, ranked_items), max_size=6)


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
