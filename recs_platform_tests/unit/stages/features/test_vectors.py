"""Vectors say what items are about, whatever the script; the same texts give the same bytes."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from recs_platform.contracts import columns as c
from recs_platform.stages.features import ItemVectors, VectorConfig, faulty_vectors, vectorize_items

SCHEMA = {
    c.ITEM_ID: pl.String(), c.TITLE: pl.String(), c.BODY: pl.String(), c.CATEGORY: pl.String(),
    c.TAGS: pl.List(pl.String()), c.CREATOR: pl.String(),
}  # fmt: skip
DEFAULT = VectorConfig()
TOPICS = ("flour oven bread yeast crust", "stage guitar chord drum chorus", "goal match league keeper pitch")


def catalogue(items: dict[str, dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([{c.ITEM_ID: item, **columns} for item, columns in items.items()], schema=SCHEMA)


def titled(*titles: str) -> pl.DataFrame:
    return catalogue({f"i{place:03d}": {c.TITLE: title} for place, title in enumerate(titles)})


def vectors(items: pl.DataFrame, config: VectorConfig = DEFAULT, seed: int = 7) -> ItemVectors:
    found = vectorize_items(items, config, seed=seed)
    assert faulty_vectors(found.frame) == []
    return found


def matrix(found: ItemVectors) -> np.ndarray:
    return np.array(found.frame[c.VECTOR].to_list(), dtype=np.float64)


def cosine(items: pl.DataFrame) -> float:
    first, second = matrix(vectors(items))
    return float(first @ second)


def topical(items: int) -> pl.DataFrame:
    rng = np.random.default_rng(7)
    words = [topic.split() for topic in TOPICS]
    titles = [" ".join(rng.choice(words[code % 3], 4)) + f" the{rng.integers(9)}" for code in range(items)]
    return titled(*titles)


def test_the_nearest_item_is_about_the_same():
    vector = matrix(vectors(topical(60), VectorConfig(dimensions=3)))
    near = vector @ vector.T
    np.fill_diagonal(near, -1)
    assert [int(code) % 3 for code in near.argmax(axis=1)] == [code % 3 for code in range(60)]


def test_with_all_directions_kept_inner_products_are_cosines_of_tf_idf():
    # a is in both of 2 items, b and c in one each: weights ln(3 / 3) + 1 and ln(3 / 2) + 1
    rare = math.log(3 / 2) + 1
    assert cosine(titled("a b", "a c")) == pytest.approx(1 / (1 + rare**2), abs=1e-6)
    # said three times, a weighs 1 + ln 3
    often = 1 + math.log(3)
    assert cosine(titled("a a a b", "a c")) == pytest.approx(
        often / math.hypot(often, rare) / math.hypot(1, rare), abs=1e-6
    )


def test_categories_creators_and_tags_are_whole_and_are_no_words():
    def of(**columns: Any) -> float:
        return cosine(catalogue({"a": columns, "b": {c.TITLE: "jazz", c.TAGS: ["jazz"]}}))

    assert of(category="jazz") == pytest.approx(0, abs=1e-6)
    assert of(creator="jazz") == pytest.approx(0, abs=1e-6)
    assert of(tags=["jazz club"]) == pytest.approx(0, abs=1e-6)
    assert of(title="jazz", tags=["jazz"]) == pytest.approx(1)
    assert of(body="Jazz", tags=["JAZZ", "jazz", None]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Blåbär", "BLA\u030aBA\u0308R"),
        ("\uff34\uff2f\uff2b\uff39\uff2f", "tokyo"),
        ("Straße", "STRASSE"),
        ("日本語", "日本語"),
        ("كتاب", "كتاب"),
    ],
)
def test_what_reads_alike_is_alike(one: str, other: str):
    assert cosine(titled(one, other)) == pytest.approx(1)


@pytest.mark.parametrize(
    "items",
    [
        catalogue({}),
        catalogue({"a": {}, "b": {c.TITLE: "", c.BODY: " \n", c.CATEGORY: "", c.TAGS: [], c.CREATOR: None}}),
        catalogue({"a": {c.TITLE: "😀 — !", c.TAGS: [None, ""]}}),
    ],
)
def test_where_nobody_says_anything_there_are_no_rows(items: pl.DataFrame):
    found = vectors(items)
    assert found.frame.is_empty()
    assert found.frame.schema == {c.ITEM_ID: pl.String, c.VECTOR: pl.List(pl.Float32), c.TERM_COUNT: pl.Int64}
    assert (found.dimensions, found.terms, found.explained_variance) == (0, 0, None)


def test_one_item_has_one_direction_and_an_item_without_terms_no_row():
    found = vectors(catalogue({"b": {}, "a": {c.TITLE: "one two two", c.TAGS: ["x"]}}))
    assert found.frame.rows() == [("a", [1.0], 3)]
    assert found.explained_variance == pytest.approx(1)


def test_alike_items_have_like_vectors_in_as_many_dimensions_as_there_are():
    found = vectors(titled(*["same words"] * 5))
    assert found.dimensions == 2
    np.testing.assert_allclose(matrix(found), np.tile([1.0, 0.0], (5, 1)), atol=1e-6)


def test_thousands_of_categories():
    items = catalogue(
        {f"i{code:04d}": {c.CATEGORY: f"category {code}", c.TITLE: TOPICS[code % 3]} for code in range(3000)}
    )
    found = vectors(items)
    assert (found.frame.height, found.dimensions, found.terms) == (3000, 64, 3000 + 15)
    assert found.frame[c.TERM_COUNT].unique().to_list() == [6]
    vector = matrix(found)
    assert (vector[::3] @ vector[0]).min() > (vector[1::3] @ vector[0]).max()


def test_the_most_frequent_terms_are_kept():
    found = vectors(titled("often rare", "often", "never again"), VectorConfig(terms_max=1))
    assert found.frame.rows() == [("i000", [1.0], 1), ("i001", [1.0], 1)]


def test_what_directions_leave_out_is_reported():
    found = vectors(titled("a", "a", "a", "b"), VectorConfig(dimensions=1))
    assert found.explained_variance == pytest.approx(3 / 4)
    assert found.frame[c.ITEM_ID].to_list() == ["i000", "i001", "i002"]  # the direction of a holds nothing of b


def test_the_same_bytes_at_one_and_two_threads_and_in_any_order():
    items = topical(400)
    results = []
    for threads, rows in ((1, items), (2, items.sample(fraction=1, shuffle=True, seed=1))):
        with threadpool_limits(threads):
            results.append(vectors(rows, VectorConfig(dimensions=12)))
    assert matrix(results[0]).tobytes() == matrix(results[1]).tobytes()
    assert results[0].frame.equals(results[1].frame)


def test_no_sign_is_chance():
    items = topical(90)
    first, *others = (matrix(vectors(items, VectorConfig(dimensions=3), seed=seed)) for seed in (1, 2, 3))
    for other in others:
        np.testing.assert_allclose(other, first, atol=0.01)


def test_faulty_vectors_are_found():
    sound: list[tuple[str, Sequence[float] | None]] = [("sound", [0.6, 0.8]), ("rounded", [0.60001, 0.8])]
    faulty = [
        ("a-nan", [math.nan, 1.0]), ("b-infinite", [math.inf, 0.0]), ("c-long", [1.0, 1.0]), ("d-zero", [0.0, 0.0]),
        ("e-shorter", [1.0]), ("f-empty", []), ("g-missing", None), ("h-hole", [1.0, None]),
    ]  # fmt: skip
    frame = pl.DataFrame([*sound, *faulty], schema={c.ITEM_ID: pl.String, c.VECTOR: pl.List(pl.Float32)}, orient="row")
    assert faulty_vectors(frame) == [item for item, _ in faulty]
    assert faulty_vectors(frame.head(2)) == []
    assert faulty_vectors(frame.head(0)) == []


words = st.text(max_size=12)
items_of_any_kind = st.lists(
    st.fixed_dictionaries(
        {
            c.TITLE: st.none() | words,
            c.CATEGORY: st.none() | words,
            c.TAGS: st.none() | st.lists(st.none() | words, max_size=3),
        }
    ),
    max_size=6,
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(given_items=items_of_any_kind)
def test_any_catalogue_gives_sound_vectors_of_items_with_terms(given_items: list[dict[str, Any]]):
    items = catalogue({f"i{place}": columns for place, columns in enumerate(given_items)})
    found = vectors(items).frame
    assert found[c.ITEM_ID].is_sorted()
    assert found[c.TERM_COUNT].min() is None or found[c.TERM_COUNT].min() >= 1
    tagged = {f"i{place}" for place, columns in enumerate(given_items) if columns[c.CATEGORY]}
    assert tagged <= set(found[c.ITEM_ID])
