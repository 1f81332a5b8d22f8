"""The operator's vectors decide: means and products worked out by hand, and nothing where there is no vector."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval.embeddings import index_embeddings
from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.problem import encode
from recs_platform.stages.retrieval.sources.vectors import Vectors, VectorsConfig, scaled, unit_rows

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)


def problem(clicks, vectors, items="abcd"):
    """`clicks`: (user, item) from the oldest to the latest; `vectors`: by item."""
    schema = {"user_id": pl.String, "item_id": pl.String}
    interactions = pl.DataFrame(clicks, schema=schema, orient="row").with_columns(
        occurred_us=pl.int_range(pl.len()), weight=pl.lit(1.0)
    )
    brought = pl.DataFrame(
        {"item_id": list(vectors), "vector": list(vectors.values())},
        schema={"item_id": pl.String, "vector": pl.List(pl.Float64)},
    )
    return encode(
        interactions,
        pl.DataFrame({"user_id": ["nobody"]}),
        pl.DataFrame({"item_id": list(items), "is_available": [True] * len(items)}),
        as_of=AS_OF,
        allow_repeats=False,
        vectors=brought,
    )


def embed(encoded, threads=1, **config):
    return Vectors(config=VectorsConfig(**config)).embed(encoded, seed=7, threads=threads)


def offered(encoded, user="u", n=5, **config):
    source = Vectors(config=VectorsConfig(**config))
    space = index_embeddings(encoded, embed(encoded, **config))
    target = np.array([encoded.user_ids.tolist().index(user)], dtype=np.int32)
    lists = source.retrieve(RetrievalFit(encoded, {source.name: space}), target, n)
    return dict(zip(encoded.item_ids[lists.items].tolist(), lists.scores.tolist(), strict=True))


def test_normalized_scores_are_cosines_with_the_decayed_mean():
    encoded = problem([("u", "a"), ("u", "b")], {"a": [5, 0], "b": [0, 0.1], "c": [3, 4], "d": [2, 0]})
    length = np.hypot(0.5, 1)
    expected = {"c": (0.5 * 0.6 + 1 * 0.8) / length, "d": 0.5 / length}
    assert offered(encoded, decay=0.5) == pytest.approx(expected)


def test_longer_vectors_score_higher_where_nothing_is_normalized():
    encoded = problem([("u", "a"), ("u", "b")], {"a": [1, 0], "b": [0, 1], "c": [1, 1], "d": [4, 0]})
    # All are divided by the longest, 4; the mean of the history is (1/2 a + b) / 1.5.
    mean = np.array([0.5, 1]) / 1.5 / 4
    expected = {"d": mean @ [1, 0], "c": mean @ [1 / 4, 1 / 4]}
    assert offered(encoded, decay=0.5, normalize=False) == pytest.approx(expected)
    assert list(offered(encoded, decay=0.5)) == ["c", "d"]


def test_a_new_item_alike_to_the_users_one_click_comes_first():
    encoded = problem([("u", "a"), ("v", "b")], {"a": [1, 2], "b": [2, 1], "d": [1.1, 2]})
    assert list(offered(encoded)) == ["d", "b"]


@pytest.mark.parametrize("normalize", [True, False])
def test_items_without_a_vector_are_not_offered_and_no_part_of_the_mean(normalize):
    vectors = {"a": [1, 0], "b": [1, 0.5], "d": [0, 0]}
    with_unknown = problem([("u", "a"), ("u", "c"), ("u", "d")], vectors)
    scores = offered(with_unknown, normalize=normalize, decay=1)
    assert scores == offered(problem([("u", "a")], vectors), normalize=normalize, decay=1)
    assert list(scores) == ["b"]


def test_only_the_latest_items_count():
    encoded = problem([("u", "a"), ("u", "b")], {"a": [1, 0], "b": [0, 1], "c": [1, 0], "d": [0, 1]})
    assert list(offered(encoded, history=1)) == ["d"]
    assert set(offered(encoded, history=2)) == {"c", "d"}


def test_users_without_a_vector_in_their_history_get_nothing():
    encoded = problem([("u", "c")], {"a": [1, 0]})
    assert offered(encoded) == offered(encoded, "nobody") == {}


@pytest.mark.parametrize("normalize", [True, False])
def test_no_vectors_give_one_column_of_zeros_and_empty_lists(normalize):
    encoded = problem([("u", "a")], {})
    embeddings = embed(encoded, normalize=normalize)
    assert embeddings.item_factors.tolist() == [[0.0]] * 4
    assert embeddings.user_factors.tolist() == [[0.0]] * 2
    assert offered(encoded, normalize=normalize) == {}


@pytest.mark.parametrize("normalize", [True, False])
def test_huge_and_tiny_vectors_neither_overflow_nor_vanish(normalize):
    vectors = np.array([[3e38, 3e38], [1e-30, 0], [0, 0]], dtype=np.float32)
    result = scaled(vectors, normalize=normalize)
    assert np.isfinite(result).all()
    np.testing.assert_allclose(result[0], 0.5**0.5, rtol=1e-6)
    assert scaled(vectors[1:], normalize=normalize).tolist() == [[1, 0], [0, 0]]


def test_rows_no_longer_than_the_least_become_zero():
    rows = unit_rows(np.array([[3.0, 4.0], [0.1, 0.0]]), least=0.1)
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_one_and_two_threads_give_the_same_bytes():
    generator = np.random.default_rng(2)
    items = "abcdefghijklmnop"
    vectors = {item: row.tolist() for item, row in zip(items, generator.standard_normal((16, 24)), strict=True)}
    clicks = [(f"u{user}", items[item]) for user, item in generator.integers(0, 16, (90, 2))]
    one, two = (embed(problem(clicks, vectors, items), threads=threads) for threads in (1, 2))
    assert one.user_factors.tobytes() == two.user_factors.tobytes()
    assert one.item_factors.tobytes() == two.item_factors.tobytes()
