"""What is known of items and users, and the vectors brought, follow the codes, whatever the order they came in."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.problem import CATALOGUE_COLUMNS, PROFILE_COLUMNS, aligned_vectors, encode

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)
IDS = pl.Series(["a", "b", "c"])


def problem(items, users=None, vectors=None):
    interactions = pl.DataFrame({"user_id": ["u"], "item_id": ["ghost"], "occurred_us": [1], "weight": [1.0]})
    users = pl.DataFrame({"user_id": ["w", "v"], **(users or {})})
    items = pl.DataFrame({"item_id": ["b", "a"], "is_available": [True, True], **items})
    return encode(interactions, users, items, as_of=AS_OF, allow_repeats=False, vectors=vectors)


def frame(ids, vectors):
    return pl.DataFrame({"item_id": ids, "vector": pl.Series(vectors, dtype=pl.List(pl.Float64))})


def test_rows_stand_in_the_order_of_the_codes_and_unknown_items_have_none_of_it():
    encoded = problem({"title": ["B", "A"], "tags": [["x"], None], "published_at": [AS_OF, None]})
    assert encoded.item_ids.tolist() == ["a", "b", "ghost"]
    assert encoded.catalogue["title"].to_list() == ["A", "B", None]
    assert encoded.catalogue["tags"].to_list() == [None, ["x"], None]
    assert encoded.catalogue["published_at"].to_list() == [None, AS_OF, None]


def test_columns_that_a_frame_lacks_are_missing_values_of_their_type():
    encoded = problem({}, {"country": ["SE", "IN"]})
    assert dict(encoded.catalogue.schema) == CATALOGUE_COLUMNS
    assert dict(encoded.profiles.schema) == PROFILE_COLUMNS
    assert encoded.catalogue.null_count().row(0) == (3,) * len(CATALOGUE_COLUMNS)
    assert encoded.profiles["country"].to_list() == [None, "IN", "SE"]  # u, v, w


def test_vectors_stand_in_the_order_of_the_ids_and_zero_where_there_is_none():
    aligned = aligned_vectors(frame(["c", "stranger", "a"], [[1, 2], [9, 9], [0, 3]]), IDS)
    assert aligned.dtype == np.float32
    assert aligned.tolist() == [[0, 3], [0, 0], [1, 2]]


def test_ids_that_are_numbers_are_matched_as_strings():
    assert aligned_vectors(frame([2, 10], [[1], [2]]), pl.Series(["10", "2"])).tolist() == [[2], [1]]


@pytest.mark.parametrize("vectors", [None, frame([], [])])
def test_no_vectors_have_no_dimensions(vectors):
    assert aligned_vectors(vectors, IDS).shape == (3, 0)
    assert problem({}, vectors=vectors).vectors.shape == (3, 0)


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        (["a", "b"], [[1], [1, 2]], r"there are \[1, 2\]"),
        (["a", "b"], [[], []], r"there are \[0\]"),
        (["a", "b"], [None, [1]], r"there are \[1, None\]"),
        (["a", "a", "b"], [[1], [1], [2]], "2 rows .* share their item_id"),
        (["a", "b", "c"], [[float("nan")], [1], [float("inf")]], r"2 item vectors .* not finite: \['a', 'c'\]"),
        (["a", "b"], [[None], [1]], r"1 item vectors .* missing .*: \['a'\]"),
    ],
)
def test_unsound_vectors_are_refused(ids, vectors, message):
    with pytest.raises(ContractError, match=message):
        aligned_vectors(frame(ids, vectors), IDS)
