"""What is held out comes after what is kept, by the user's own clock, and no pair is in both."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.evaluation.splits import new_pairs, per_user_holdout

events = st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdefghij"), st.integers(0, 6)), max_size=60)


def frame(rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        rows, schema={"user_id": pl.String, "item_id": pl.String, "occurred_us": pl.Int64}, orient="row"
    )


@settings(max_examples=100, deadline=None)
@given(events, st.sampled_from([0.1, 0.2, 0.5]))
def test_each_user_loses_the_last_share_of_their_items(rows, fraction):
    kept, held_out = per_user_holdout(frame(rows), fraction)
    for user in "uvw":
        first = {}
        for row_user, item, time in rows:
            if row_user == user:
                first[item] = min(time, first.get(item, time))
        order = [item for _, item in sorted((time, item) for item, time in first.items())]
        count = max(1, math.floor(len(order) * fraction)) if len(order) >= 5 else 0
        split = len(order) - count
        assert set(kept.filter(pl.col("user_id") == user)["item_id"]) == set(order[:split])
        assert set(held_out.filter(pl.col("user_id") == user)["item_id"]) == set(order[split:])
    assert len(kept) + len(held_out) == len(rows)


def test_rows_keep_their_order():
    rows = [("u", item, time) for time, item in enumerate("fedcbabcdef")]
    kept, held_out = per_user_holdout(frame(rows), 0.4)
    assert kept.rows() == [row for row in rows if row[1] in "fedc"]
    assert held_out.rows() == [row for row in rows if row[1] in "ba"]


def test_the_share_lies_between_nothing_and_everything():
    with pytest.raises(ValueError, match="between 0 and 1"):
        per_user_holdout(frame([]), 1.0)


def test_only_first_time_positives_are_new():
    window = pl.DataFrame(
        {
            "user_id": ["u", "u", "u", "u", "v"],
            "item_id": ["seen", "new", "new", "disliked", "seen"],
            "weight": [1.0, 0.5, 0.0, 0.0, 0.5],
        }
    )
    known = pl.DataFrame({"user_id": ["u"], "item_id": ["seen"]})
    assert new_pairs(window, known).rows() == [("u", "new"), ("v", "seen")]
