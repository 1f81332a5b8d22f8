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
        count = max(1, math.floor(len(first) * fraction)) if len(first) >= 5 else 0
        early = set(kept.filter(pl.col("user_id") == user)["item_id"])
        late = set(held_out.filter(pl.col("user_id") == user)["item_id"])
        assert len(late) == count
        assert early | late == set(first)
        assert not early & late
        assert not late or max((first[item] for item in early), default=0) <= min(first[item] for item in late)
    assert len(kept) + len(held_out) == len(rows)


def test_of_one_instant_no_item_is_held_out_for_everybody():
    rows = [(f"u{user}", f"i{item}", 0) for user in range(200) for item in range(5)]
    held_out = per_user_holdout(frame(rows), 0.2)[1]["item_id"].value_counts()["count"].to_list()
    assert len(held_out) == 5
    # Each of five items is drawn by a fifth of 200 users; 60 is 3.5 deviations of the binomial away.
    assert max(held_out) < 60


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
