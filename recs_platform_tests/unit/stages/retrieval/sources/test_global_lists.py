"""Popularity counts users, trending fades; everybody is served, from the same order."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.sources.popularity import Popularity, PopularityConfig
from recs_platform.stages.retrieval.sources.trending import Trending, TrendingConfig, trending_scores


def offered(problem, source, n=5):
    fit = fit_retrieval(problem, RetrievalConfig(), seed=0, threads=1)
    lists = source.retrieve(fit, np.arange(problem.n_users, dtype=np.int32), n)
    return {
        user: [
            (problem.item_ids[item], score)
            for row, item, score in zip(lists.users, lists.items, lists.scores.tolist(), strict=True)
            if row == code
        ]
        for code, user in enumerate(problem.user_ids)
    }


def test_popularity_counts_users_not_events(problem_of):
    rows = [("u", "a", day, 1.0) for day in range(1, 6)]
    rows += [("u", "b", 1, 1.0), ("v", "b", 1, 1.0), ("v", "c", 1, 0.0)]
    lists = offered(problem_of(rows, users="z"), Popularity())
    assert lists == {"u": [], "v": [("a", 1.0)], "z": [("b", 2.0), ("a", 1.0)]}


def test_a_positive_counts_half_after_each_half_life(problem_of):
    problem = problem_of([("u", "a", 1, 1.0), ("u", "b", 8, 1.0), ("v", "b", 15, 0.5), ("v", "c", 1, 0.0)])
    scores = trending_scores(problem, TrendingConfig(half_life_days=7))
    np.testing.assert_allclose(scores / scores[0], [1, 1 / 2 + 1 / 8, 0])


def test_data_that_ended_years_ago_still_trend(problem_of):
    problem = problem_of([("u", "a", 30_000, 1.0), ("u", "b", 30_007, 1.0)], users="z")
    assert offered(problem, Trending(config=TrendingConfig(half_life_days=7)))["z"] == [("a", 1.0), ("b", 0.5)]


def test_half_lives_stand_side_by_side_under_names_of_their_own(problem_of):
    problem = problem_of([("u", "a", 1, 1.0), ("u", "b", 2, 1.0), ("v", "b", 2, 0.5)], users="z")
    fit = fit_retrieval(problem, RetrievalConfig(), seed=0, threads=1)
    short = Trending("trending_1d", TrendingConfig(half_life_days=1))
    targets = np.array([problem.user_ids.tolist().index("z")], dtype=np.int32)
    scores = {source.name: source.retrieve(fit, targets, 2).scores.tolist() for source in (short, Trending())}
    # b's positives are a day older than a's: 1.5 of them count half after one half-life of a day.
    assert scores == {"trending_1d": [1.0, 1.5 / 2], "trending": pytest.approx([1.5 * 0.5 ** (1 / 7), 1.0])}
    assert type(short.config).model_validate({**short.config.model_dump(), "weight": 2.0}).half_life_days == 1


def test_what_faded_to_nothing_is_not_offered(problem_of):
    problem = problem_of([("u", "a", 1, 1.0), ("u", "b", 30, 1.0)], users="z")
    hours = Trending("trending_3h", TrendingConfig(half_life_days=3 / 24))
    assert offered(problem, hours)["z"] == [("a", 1.0)]


@pytest.mark.parametrize(
    "source", [Popularity(), Trending(), Trending("trending_1d", TrendingConfig(half_life_days=1))]
)
def test_heavy_and_new_users_get_the_same_order_less_what_they_consumed(problem_of, source):
    generator = np.random.default_rng(1)
    items = [f"i{item:03d}" for item in range(150)]
    rows = [
        (f"u{user}", item, int(generator.integers(1, 60)), 1.0)
        for user, share in enumerate([0.9, 0.5, 0.1, 0.02])
        for item in items
        if generator.random() < share
    ]
    problem = problem_of(rows, users="z", gone="")
    lists = {user: [item for item, _ in entries] for user, entries in offered(problem, source, n=200).items()}
    for user, listed in lists.items():
        consumed = {item for other, item, _, _ in rows if other == user}
        assert listed == [item for item in lists["z"] if item not in consumed]
    short = offered(problem, source, n=3)
    assert {user: [item for item, _ in entries] for user, entries in short.items()} == {
        user: listed[:3] for user, listed in lists.items()
    }


def _two_regions(problem_of):
    """Fifty of the north like `a`, fifty of the south `b`, ten of nowhere and all of the south's half `c`."""
    rows = [(f"n{user:02d}", "a", 1, 1.0) for user in range(50)]
    rows += [(f"s{user:02d}", item, 1, 1.0) for user in range(50) for item in "bc"[: 1 + user % 2]]
    rows += [(f"w{user}", "c", 1, 1.0) for user in range(10)]
    problem = problem_of(rows, users="xyz")
    region = {"n": "north", "s": "south", "w": "west", "x": "north", "y": "south"}
    regions = [region.get(user[0]) for user in problem.user_ids]
    return replace(problem, profiles=problem.profiles.with_columns(pl.Series("region", regions, dtype=pl.String)))


def test_popularity_within_regions_has_an_order_a_region_and_everybodys_for_others(problem_of):
    problem = _two_regions(problem_of)
    lists = offered(problem, Popularity(config=PopularityConfig(within="region", within_share=0.5)))
    everybody = {"a": 50 / 135, "b": 50 / 135, "c": 35 / 135}
    assert dict(lists["x"]) == pytest.approx({**{item: everybody[item] / 2 for item in "bc"}, "a": (1 + 50 / 135) / 2})
    assert [item for item, _ in lists["y"]] == ["b", "c", "a"]
    # Ten are no group; of z nothing is known.
    assert dict(lists["z"]) == pytest.approx(everybody)
    assert [item for item, _ in lists["w0"]] == ["a", "b"]
    assert [item for item, _ in lists["n00"]] == ["b", "c"]


def test_what_is_not_eligible_is_in_no_regions_order(problem_of):
    problem = replace(_two_regions(problem_of), eligible=np.array([False, True, True]))
    lists = offered(problem, Popularity(config=PopularityConfig(within="region")))
    assert {item for entries in lists.values() for item, _ in entries} == {"b", "c"}


def test_a_category_with_a_half_life_of_its_own_keeps_its_share(problem_of):
    rows = [("u", "old", 9, 1.0), ("v", "old", 9, 1.0), ("u", "new", 1, 1.0), ("v", "song", 9, 1.0)]
    problem = problem_of(rows, users="z")
    kind = {"old": "news", "new": "news", "song": "songs"}
    categories = pl.Series("category", [kind[item] for item in problem.item_ids])
    problem = replace(problem, catalogue=problem.catalogue.with_columns(categories))
    source = Popularity(config=PopularityConfig(category_half_lives_days={"news": 4.0}))
    # Three likes of news: two of eight days before the third count a quarter each.
    assert dict(offered(problem, source)["z"]) == pytest.approx({"new": 3 / 1.5, "old": 3 * 0.5 / 1.5, "song": 1.0})
