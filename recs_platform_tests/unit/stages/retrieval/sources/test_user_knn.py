"""Neighbours and what they bring are the numbers that the formulas give, worked out by hand."""

import numpy as np
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.sources.user_knn import UserKnn, UserKnnConfig, fit_neighbourhood, nearest_users

PLAIN = {"popularity_damping": 0.0, "shrinkage": 0.0, "own_fading": 0.0, "fading": 0.0, "power": 1.0}


def config_of(**changes):
    return UserKnnConfig(**{**PLAIN, **changes})


def similarities(problem, config):
    """Users by users."""
    everybody = np.arange(problem.n_users, dtype=np.int32)
    nearest = nearest_users(fit_neighbourhood(problem, config), everybody, config)
    result = np.zeros((problem.n_users, problem.n_users))
    result[nearest.rows, nearest.columns] = nearest.values
    return result


def offered(problem, config=None, n=5, *, threads=1):
    """Items with their scores, best first, by user; users without a list are left out."""
    source = UserKnn(config=config or UserKnnConfig())
    everybody = np.arange(problem.n_users, dtype=np.int32)
    lists = source.retrieve(RetrievalFit(problem, {}, RetrievalConfig(), 7, threads), everybody, n)
    found = {}
    for user, item, score in zip(lists.users, lists.items, lists.scores.tolist(), strict=True):
        found.setdefault(problem.user_ids[user], {})[problem.item_ids[item]] = score
    return found


@pytest.fixture
def small(problem_of):
    """u likes a, then b; v likes a, b, then c; w likes c; what x did was not liked."""
    rows = [("u", "a", 2, 1.0), ("u", "b", 1, 1.0), ("v", "a", 3, 1.0), ("v", "b", 2, 0.5), ("v", "c", 1, 1.0)]
    return problem_of([*rows, ("w", "c", 1, 1.0), ("x", "a", 1, 0.0)])


def test_similarity_is_the_cosine(small):
    shared_uv, shared_vw = 2 / np.sqrt(2 * 3), 1 / np.sqrt(3 * 1)
    expected = [[0, shared_uv, 0, 0], [shared_uv, 0, shared_vw, 0], [0, shared_vw, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(similarities(small, config_of()), expected, rtol=1e-6)


def test_shrinkage_is_added_to_both_norms_and_the_power_follows(small):
    found = similarities(small, config_of(shrinkage=1.0, power=2.0))
    assert found[0, 1] == pytest.approx((2 / np.sqrt((2 + 1) * (3 + 1))) ** 2)


def test_popular_items_say_less_of_a_taste(problem_of):
    problem = problem_of(
        [(user, item, 1, 1.0) for user, items in (("u", "ab"), ("v", "a"), ("w", "a")) for item in items]
    )
    found = similarities(problem, config_of(popularity_damping=1.0))
    # a has three users and adds 1/3, b has one: |u|² = 1/3 + 1, |v|² = |w|² = 1/3.
    assert found[0, 1] == pytest.approx(1 / 3 / np.sqrt((1 / 3 + 1) * 1 / 3))
    assert found[1, 2] == pytest.approx(1)


def test_the_targets_own_older_items_count_less(small):
    found = similarities(small, config_of(own_fading=1.0))
    # u: b is the latest, a one position before it. v: c, b, a.
    assert found[0, 1] == pytest.approx((1 + 1 / 2) / np.sqrt(2 * 3))
    assert found[1, 0] == pytest.approx((1 / 2 + 1 / 3) / np.sqrt(2 * 3))


def test_only_the_nearest_are_asked_and_ties_go_to_the_lower_code(problem_of):
    problem = problem_of([(user, item, 1, 1.0) for user in "uvwx" for item in ("ab" if user in "ux" else "a")])
    found = similarities(problem, config_of(neighbours=2))
    assert [np.flatnonzero(row).tolist() for row in found] == [[1, 3], [0, 2], [0, 1], [0, 1]]


def test_a_long_history_is_cut_to_its_latest(small):
    # v keeps b and c: one item shared with u, of two each.
    assert similarities(small, config_of(fit_history=2))[0, 1] == pytest.approx(1 / np.sqrt(2 * 2))
    assert "c" not in offered(small, config_of(fit_history=2)).get("v", {})


def test_only_the_latest_audience_of_an_item_can_be_neighbours_through_it(problem_of):
    problem = problem_of([("u", "a", 9, 1.0), ("v", "a", 5, 1.0), ("v", "a", 3, 1.0), ("w", "a", 4, 1.0)])
    found = similarities(problem, config_of(audience=1))
    assert [np.flatnonzero(row).tolist() for row in found] == [[1], [], [1]]


def test_scores_sum_over_neighbours_and_their_latest_items_weigh_more(problem_of):
    rows = [("u", "a", 9, 1.0), ("v", "a", 9, 1.0), ("v", "b", 8, 1.0), ("v", "c", 7, 1.0), ("w", "a", 9, 1.0)]
    problem = problem_of([*rows, ("w", "b", 8, 1.0)])
    scores = offered(problem, config_of(fading=1.0))["u"]
    to_v, to_w = 1 / np.sqrt(1 * 3), 1 / np.sqrt(1 * 2)
    assert scores == pytest.approx({"b": to_v * 1 / 2 + to_w * 1, "c": to_v * 1})
    assert list(scores) == ["b", "c"]


def test_everybodys_withheld_item_comes_first(problem_of, two_tastes):
    rows, withheld = two_tastes
    assert {user: list(items) for user, items in offered(problem_of(rows)).items()} == {
        user: [item] for user, item in withheld.items()
    }


def test_nobody_like_the_user_gives_no_list(problem_of):
    for problem in (
        problem_of([("u", "a", 2, 1.0), ("u", "b", 1, 1.0)], users="z"),
        problem_of([("u", "a", 2, 0.0), ("v", "a", 1, 0.0)], items="b"),
        problem_of([(user, item, 1, 1.0) for user in "uv" for item in "ab"]),
        problem_of([]),
    ):
        assert offered(problem) == {}


def test_what_is_gone_is_compared_but_not_offered(problem_of):
    rows = [("u", "a", 2, 1.0), ("v", "a", 2, 1.0), ("v", "b", 1, 1.0), ("v", "c", 1, 1.0)]
    assert set(offered(problem_of(rows, gone="ab"))["u"]) == {"c"}
    assert set(offered(problem_of(rows, repeats=True))["u"]) == {"a", "b", "c"}


def test_threads_do_not_change_a_byte(problem_of, two_tastes):
    problem = problem_of([*two_tastes[0], *[("z", f"i{item:02d}", 1, 1.0) for item in range(0, 24, 3)]])
    whole = offered(problem)
    assert offered(problem, threads=2) == whole
