"""Popularity counts users, trending fades; everybody is served, from the same order."""

import numpy as np
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.sources.popularity import Popularity
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
