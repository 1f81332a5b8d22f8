"""What reads alike is near: by TF-IDF worked out by hand, and for an item nobody has touched yet."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval.embeddings import index_embeddings
from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.problem import CATALOGUE_COLUMNS, encode
from recs_platform.stages.retrieval.sources.content import (
    Content,
    ContentConfig,
    item_terms,
    text_vectors,
    tf_idf,
)

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)


def catalogue(rows):
    frame = pl.DataFrame(rows, schema_overrides={"tags": pl.List(pl.String)})
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in CATALOGUE_COLUMNS.items() if name not in frame]
    return frame.with_columns(missing)


def problem(clicks, rows):
    """`clicks`: (user, item) from the oldest to the latest."""
    schema = {"user_id": pl.String, "item_id": pl.String}
    interactions = pl.DataFrame(clicks, schema=schema, orient="row").with_columns(
        occurred_us=pl.int_range(pl.len()), weight=pl.lit(1.0)
    )
    items = catalogue(rows).with_columns(is_available=pl.lit(value=True))
    return encode(interactions, pl.DataFrame({"user_id": ["nobody"]}), items, as_of=AS_OF, allow_repeats=False)


def offered(encoded, user, n=5, **config):
    source = Content(config=ContentConfig(**config))
    space = index_embeddings(encoded, source.embed(encoded, seed=7, threads=1))
    target = np.array([encoded.user_ids.tolist().index(user)], dtype=np.int32)
    lists = source.retrieve(RetrievalFit(encoded, {source.name: space}), target, n)
    return dict(zip(encoded.item_ids[lists.items].tolist(), lists.scores.tolist(), strict=True))


def terms_of(**row):
    return item_terms(catalogue({name: [value] for name, value in row.items()}))["term"].to_list()


GARDEN = {
    "item_id": ["bulbs", "goal", "new", "roses", "spade"],
    "title": ["Spring bulbs", "Late goal", "Roses in spring", "Roses", "A garden spade"],
    "category": ["garden", "sport", "garden", "garden", "garden"],
    "creator": ["ann", "bob", "ann", "ann", "cem"],
}


def test_a_new_item_alike_to_the_users_one_click_comes_first():
    encoded = problem([("u", "roses"), ("v", "goal"), ("w", "bulbs"), ("w", "spade")], GARDEN)
    assert next(iter(offered(encoded, "u"))) == "new"
    assert offered(encoded, "nobody") == {}


def test_an_items_own_words_lead_to_its_like_and_to_no_other():
    assert offered(problem([("v", "goal")], GARDEN), "v") == {}
    assert "goal" not in offered(problem([("u", "roses")], GARDEN), "u")


def test_weights_are_sublinear_tf_idf():
    rows = catalogue({"item_id": ["a", "b", "c"], "title": ["red red blue", "red", None]})
    weights = tf_idf(item_terms(rows), 3, ContentConfig(items_min=1))
    # Two items speak. red is in both: 1 + ln(3/3); blue in one: 1 + ln(3/2).
    blue, red = 1 + np.log(3 / 2), 1 + np.log(2)
    length = np.hypot(blue, red)
    assert weights.lengths.tolist() == [2, 1, 0]
    assert weights.columns.tolist() == [0, 1, 1]
    np.testing.assert_allclose(weights.values, [blue / length, red / length, 1], rtol=1e-6)


def test_terms_that_too_few_items_have_and_those_beyond_the_limit_are_left_out():
    rows = catalogue({"item_id": ["a", "b", "c"], "title": ["x y only", "x y", "x"]})
    assert tf_idf(item_terms(rows), 3, ContentConfig()).lengths.tolist() == [2, 2, 1]
    assert tf_idf(item_terms(rows), 3, ContentConfig(terms_max=1)).lengths.tolist() == [1, 1, 1]


def test_cosines_are_those_of_the_tf_idf_rows_where_every_direction_is_kept():
    rows = catalogue(GARDEN)
    weights = tf_idf(item_terms(rows), 5, ContentConfig())
    dense = np.zeros((5, weights.n_columns))
    dense[weights.rows, weights.columns] = weights.values
    vectors = text_vectors(rows, ContentConfig(), seed=7, threads=1)
    np.testing.assert_allclose(vectors @ vectors.T, dense @ dense.T, atol=1e-5)


def test_spellings_that_read_alike_are_one_term():
    composed, decomposed = "BL\N{LATIN CAPITAL LETTER A WITH RING ABOVE}", "bla\N{COMBINING RING ABOVE}"
    assert terms_of(item_id="a", title=f"{composed} {decomposed}") == ["blå"]
    wide = "".join(chr(ord(letter) - ord("A") + ord("\N{FULLWIDTH LATIN CAPITAL LETTER A}")) for letter in "SELF")
    assert terms_of(item_id="a", title=f"{wide} 日本 naïve") == ["naïve", "self", "日本"]
    assert terms_of(item_id="a", title=" -- ", category=" ", tags=["", None]) == []


def test_tags_are_whole_terms_that_no_word_is():
    row = {"title": "new york", "tags": ["New York", "new york", "york"], "language": "en"}
    assert terms_of(item_id="a", **row) == ["language:en", "new", "tags:new york", "tags:york", "york"]


def test_later_clicks_weigh_more():
    rows = {"item_id": ["a", "b", "c", "d"], "title": ["x", "x", "y", "y"]}
    scores = offered(problem([("u", "a"), ("u", "c")], rows), "u", decay=0.5)
    # The user's vector is (1, 1/2) over its length, in the directions of y and x.
    assert scores == pytest.approx({"d": 1 / np.hypot(1, 0.5), "b": 0.5 / np.hypot(1, 0.5)})


def test_items_that_say_nothing_change_nobody_and_are_not_offered():
    silent = {"item_id": ["0", "x", "zz"], "title": [None, "", "..."], "category": [None] * 3, "creator": [None] * 3}
    more = {name: [*GARDEN[name], *silent[name]] for name in GARDEN}
    clicks = [("u", "roses"), ("u", "x")]
    assert offered(problem(clicks, more), "u", decay=1) == offered(problem(clicks[:1], GARDEN), "u", decay=1)


@pytest.mark.parametrize("rows", [{"item_id": ["a", "b"]}, {"item_id": ["a", "b"], "title": ["one", "two"]}])
def test_a_catalogue_that_says_nothing_gives_empty_lists(rows):
    encoded = problem([("u", "a")], rows)
    embeddings = Content().embed(encoded, seed=7, threads=1)
    assert (embeddings.user_factors.shape, embeddings.item_factors.shape) == ((2, 1), (2, 1))
    assert not embeddings.item_factors.any()
    assert offered(encoded, "u") == {}


def test_nobody_and_nothing_give_empty_vectors():
    rows = {"item_id": pl.Series([], dtype=pl.String)}
    assert Content().embed(problem([], rows), seed=7, threads=1).item_factors.shape == (0, 1)


def test_one_and_two_threads_give_the_same_bytes():
    generator = np.random.default_rng(3)
    words = [" ".join(f"w{word}" for word in row) for row in generator.integers(0, 90, (200, 4))]
    rows = {"item_id": [f"i{item:03d}" for item in range(200)], "title": words}
    clicks = [(f"u{user}", f"i{item:03d}") for user, item in generator.integers(0, 200, (300, 2))]
    one, two = (Content().embed(problem(clicks, rows), seed=7, threads=threads) for threads in (1, 2))
    assert one.item_factors.tobytes() == two.item_factors.tobytes()
    assert one.user_factors.tobytes() == two.user_factors.tobytes()
    for factors in (one.item_factors, one.user_factors):
        lengths = np.linalg.norm(factors, axis=1)
        np.testing.assert_allclose(lengths[lengths > 0], 1, rtol=1e-5)
