"""Codes follow from ids alone; histories are what the rows say, whatever their order."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.stages.retrieval.problem import encode

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)
rows_of_events = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from("abcde"), st.integers(0, 9), st.sampled_from([0.0, 0.5, 1.0])),
    max_size=40,
)


def frame(rows):
    schema = {"user_id": pl.String, "item_id": pl.String, "occurred_us": pl.Int64, "weight": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def problem(rows):
    users = pl.DataFrame({"user_id": list("uvwx")})
    items = pl.DataFrame({"item_id": list("abcde"), "is_available": [True, True, False, None, True]})
    return encode(frame(rows), users, items, as_of=AS_OF, allow_repeats=False)


def stored(matrix):
    return {
        (int(row), int(column)): float(value)
        for row, column, value in zip(matrix.rows, matrix.columns, matrix.values, strict=True)
    }


@settings(max_examples=60, deadline=None)
@given(rows_of_events, st.randoms(use_true_random=False))
def test_row_order_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    one, other = problem(rows), problem(shuffled)
    for name in ("users", "items", "occurred_us", "weights", "user_ids", "item_ids", "eligible"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


@settings(max_examples=60, deadline=None)
@given(rows_of_events)
def test_matrices_hold_what_the_rows_say(rows):
    encoded = problem(rows)
    consumed, liked, latest = set(), {}, {}
    for user, item, time, weight in rows:
        pair = ("uvwx".index(user), "abcde".index(item))
        consumed.add(pair)
        if weight > 0:
            liked[pair] = liked.get(pair, 0.0) + weight
            latest[pair] = max(latest.get(pair, 0), time)
    assert set(stored(encoded.consumed)) == consumed
    assert stored(encoded.preferences) == liked
    for user in range(4):
        positions = {pair: position for pair, position in stored(encoded.recent).items() if pair[0] == user}
        in_order = sorted(positions, key=positions.get)
        assert [positions[pair] for pair in in_order] == list(range(len(in_order)))
        assert set(positions) == {pair for pair in latest if pair[0] == user}
        times = [latest[pair] for pair in in_order]
        assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("names", [str, lambda item: f"{9 - item}"], ids=["as they are", "renamed in reverse"])
def test_of_one_instant_the_latest_item_is_not_the_same_for_everybody(names):
    rows = [(f"u{user}", names(item), 1, 1.0) for user in range(200) for item in range(5)]
    users = pl.DataFrame({"user_id": sorted({row[0] for row in rows})})
    items = pl.DataFrame({"item_id": [names(item) for item in range(5)]}).with_columns(is_available=True)
    encoded = encode(frame(rows), users, items, as_of=AS_OF, allow_repeats=False)
    latest = [item for (_, item), position in stored(encoded.recent).items() if position == 0]
    # Each of five items is the latest of a fifth of 200 users; 60 is 3.5 deviations of the binomial away.
    assert max(latest.count(item) for item in range(5)) < 60


def test_only_items_known_to_be_available_are_eligible():
    assert problem([]).eligible.tolist() == [True, True, False, False, True]


def test_an_item_seen_in_interactions_alone_has_a_code_but_is_not_eligible():
    encoded = problem([("new", "ghost", 1, 1.0)])
    assert encoded.item_ids.tolist() == ["a", "b", "c", "d", "e", "ghost"]
    assert not encoded.eligible[5]
    assert "new" in encoded.user_ids.tolist()


def test_repeats_exclude_nothing():
    users, items = pl.DataFrame({"user_id": ["u"]}), pl.DataFrame({"item_id": ["a"], "is_available": [True]})
    encoded = encode(frame([("u", "a", 1, 1.0)]), users, items, as_of=AS_OF, allow_repeats=True)
    assert encoded.consumed.lengths.tolist() == [1]
    assert encoded.excluded.lengths.tolist() == [0]
