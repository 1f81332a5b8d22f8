"""Shares, priors and scores are the numbers their formulas give; an item of today is found by what it is."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.problem import encode
from recs_platform.stages.retrieval.sources.profiles import (
    Profiles,
    ProfilesConfig,
    fit_attributes,
    item_priors,
    user_shares,
)

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)
# Every item of prior 1: nobody's use counts beside so high a floor.
PLAIN = {"floor": 10, "freshness": 0, "rarity": 0}


def problem(clicks, gone=(), **columns):
    """`clicks`: (user, item) from the oldest to the latest; `columns`: of the items a, b, c, ..."""
    schema = {"user_id": pl.String, "item_id": pl.String}
    interactions = pl.DataFrame(clicks, schema=schema, orient="row").with_columns(
        occurred_us=pl.int_range(pl.len()), weight=pl.lit(1.0)
    )
    ids = list("abcdefgh"[: max((len(values) for values in columns.values()), default=3)])
    items = pl.DataFrame({"item_id": ids, "is_available": [item not in gone for item in ids], **columns})
    return encode(interactions, pl.DataFrame({"user_id": ["nobody"]}), items, as_of=AS_OF, allow_repeats=False)


def offered(encoded, user="u", n=5, threads=1, **config):
    target = np.array([encoded.user_ids.tolist().index(user)], dtype=np.int32)
    source = Profiles(config=ProfilesConfig(**config))
    lists = source.retrieve(RetrievalFit(encoded, {}, threads=threads), target, n)
    return dict(zip(encoded.item_ids[lists.items].tolist(), lists.scores.tolist(), strict=True))


def days_old(*days):
    return [None if day is None else AS_OF - timedelta(days=day) for day in days]


def test_a_prior_is_the_floor_its_users_and_its_freshness():
    clicks = [("u", "a"), ("v", "a"), ("w", "a"), ("w", "a"), ("u", "b")]
    encoded = problem(clicks, category=["x"] * 4, published_at=days_old(7, 14, None, -3))
    priors = item_priors(encoded, ProfilesConfig(floor=0.25, freshness=0.5, half_life_days=7))
    np.testing.assert_allclose(priors, [0.25 + 3 / 3 + 0.5 / 2, 0.25 + 1 / 3 + 0.5 / 4, 0.25, 0.25 + 0.5])


def test_an_age_counts_from_the_first_date_known():
    dates = {
        "published_at": days_old(7, None, None),
        "available_from": days_old(14, 14, None),
        "first_seen_at": days_old(21, 21, 21),
    }
    priors = item_priors(problem([], **dates), ProfilesConfig(floor=1, freshness=1, half_life_days=7))
    np.testing.assert_allclose(priors, [1 + 1 / 2, 1 + 1 / 4, 1 + 1 / 8])


def test_shares_are_decayed_and_sum_to_one_in_each_kind():
    encoded = problem([("u", "a"), ("u", "b")], creator=["k", "m"], tags=[["s", "t"], ["t"]])
    config = ProfilesConfig(decay=0.5)
    attributes = fit_attributes(encoded, config)
    shares = user_shares(encoded, attributes, np.array([0, 1], dtype=np.int32), config)
    # "nobody" has none. u: a counts 1/2, b 1; values in order: creators k, m, tags s, t.
    assert shares.lengths.tolist() == [0, 4]
    found = dict(zip(shares.columns.tolist(), shares.values.tolist(), strict=True))
    assert found == pytest.approx({0: 0.5 / 1.5, 1: 1 / 1.5, 2: 0.5 / 2, 3: 1.5 / 2})


def test_a_score_sums_the_shares_of_an_items_values():
    encoded = problem(
        [("u", "a"), ("u", "b")],
        creator=["k", "m", "k", "m", "z"],
        category=["x", "x", "y", "x", "y"],
        tags=[["s"], ["t"], ["s", "t"], None, ["t"]],
    )
    scores = offered(encoded, decay=1, creator=2, category=3, tags=4, **PLAIN)
    expected = {"c": 2 * 0.5 + 4 * (0.5 + 0.5), "d": 2 * 0.5 + 3 * 1, "e": 4 * 0.5}
    assert scores == pytest.approx({item: 10 * score for item, score in expected.items()})
    assert list(scores) == ["c", "d", "e"]


def test_a_value_of_few_items_says_more():
    encoded = problem([("u", "a"), ("u", "b")], category=["big", "small", "big", "big", "small"])
    scores = offered(encoded, decay=1, rarity=0.5, floor=1, freshness=0)
    # Priors: 2 for a and b, 1 for the rest; they sum to 2 + 1 + 1 in big and 2 + 1 in small.
    assert scores == pytest.approx({"e": 0.5 / 3**0.5, "c": 0.5 / 4**0.5, "d": 0.5 / 4**0.5})


def test_an_item_published_today_that_nobody_touched_comes_first():
    clicks = [(user, "a") for user in "stuvw"] + [("s", "b"), ("t", "d")]
    encoded = problem(clicks, category=["x", "x", "x", "y"], published_at=days_old(90, 90, 0, 0))
    assert list(offered(encoded)) == ["c", "b"]


def test_only_the_first_items_of_a_value_are_looked_at():
    clicks = [("u", "a"), ("v", "d"), ("v", "c"), ("w", "d")]
    encoded = problem(clicks, gone="e", category=["x"] * 6, published_at=days_old(*[None] * 5, 0))
    # Priors above the floor: 1 for d, 0.6 for f, 0.5 for a (consumed) and c, 0 for b; e is gone.
    assert list(offered(encoded, items_per_value=3, freshness=0.6)) == ["d", "f"]
    assert set(offered(encoded, items_per_value=6)) == {"b", "c", "d", "f"}


def test_only_the_first_values_of_a_user_are_looked_at():
    encoded = problem([("u", "a"), ("u", "b")], category=["x", "y", "x", "y"])
    assert list(offered(encoded, values_per_user=1)) == ["d"]
    assert list(offered(encoded, values_per_user=2)) == ["d", "c"]


def test_a_kind_of_weight_zero_is_not_looked_at():
    encoded = problem([("u", "a")], creator=["k", "k", "m"], category=["x", "y", "x"])
    assert list(offered(encoded, creator=0)) == ["c"]
    assert list(offered(encoded, category=0)) == ["b"]
    assert offered(encoded, creator=0, category=0) == {}


@pytest.mark.parametrize("tags", [[None] * 3, [[], [None], [""]]])
@pytest.mark.parametrize("category", [None, ""])
def test_a_catalogue_that_says_nothing_gives_empty_lists(category, tags):
    columns = {
        "category": pl.Series([category] * 3, dtype=pl.String),
        "tags": pl.Series(tags, dtype=pl.List(pl.String)),
    }
    assert offered(problem([("u", "a")])) == offered(problem([("u", "a")], **columns)) == {}


def test_users_without_history_or_with_unknown_attributes_alone_get_nothing():
    encoded = problem([("u", "a")], category=[None, "x", "x"])
    assert offered(encoded) == offered(encoded, "nobody") == {}


def test_chunks_and_threads_do_not_matter():
    generator = np.random.default_rng(4)
    clicks = [(f"u{user}", "abcdefgh"[item]) for user, item in generator.integers(0, 8, (40, 2))]
    encoded = problem(clicks, category=list("xxyyxxyy"), tags=[[tag, "all"] for tag in "stststst"])
    targets = np.arange(encoded.n_users, dtype=np.int32)
    whole = Profiles().retrieve(RetrievalFit(encoded, {}, threads=2), targets, 3)
    alone = [Profiles().retrieve(RetrievalFit(encoded, {}, threads=1), targets[[user]], 3) for user in targets]
    assert whole.scores.tobytes() == np.concatenate([lists.scores for lists in alone]).tobytes()
    assert whole.items.tolist() == np.concatenate([lists.items for lists in alone]).tolist()
