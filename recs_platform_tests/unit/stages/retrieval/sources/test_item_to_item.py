"""Similarities and transitions are the numbers their formulas give, worked out by hand."""

import numpy as np
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.sources.item_knn import ItemKnn, ItemKnnConfig, fit_similarity
from recs_platform.stages.retrieval.sources.transitions import Transitions, TransitionsConfig, fit_transitions


def dense(matrix):
    result = np.zeros((matrix.n_rows, matrix.n_columns))
    result[matrix.rows, matrix.columns] = matrix.values
    return result


def fitted(problem):
    return fit_retrieval(problem, RetrievalConfig(), seed=0, threads=1)


def offered(problem, source, user, n=5):
    lists = source.retrieve(fitted(problem), np.array([problem.user_ids.tolist().index(user)], dtype=np.int32), n)
    return dict(zip(problem.item_ids[lists.items].tolist(), lists.scores.tolist(), strict=True))


def test_similarity_is_the_shrunken_cosine(problem_of):
    problem = problem_of([("u", "a", 3, 1.0), ("u", "b", 2, 0.5), ("v", "a", 3, 1.0), ("v", "c", 1, 1.0)])
    config = ItemKnnConfig(shrinkage=1.0, activity_damping=1.0)
    # u and v have two items each and add 1/2 to every pair: |a|² = 1, |b|² = |c|² = 1/2.
    similar = 0.5 / np.sqrt((1 + 1) * (0.5 + 1))
    expected = [[0, similar, similar], [similar, 0, 0], [similar, 0, 0]]
    np.testing.assert_allclose(dense(fit_similarity(problem, config, threads=1)), expected, rtol=1e-6)


def test_only_the_nearest_neighbours_are_kept(problem_of):
    problem = problem_of([(user, item, 1, 1.0) for user in "uvw" for item in "abcd"[: "uvw".index(user) + 2]])
    similarity = fit_similarity(problem, ItemKnnConfig(neighbours=1), threads=2)
    assert similarity.lengths.tolist() == [1, 1, 1, 1]
    assert dense(similarity)[0, 1] > 0


def test_later_items_of_the_history_weigh_more(problem_of):
    crowd = [(f"x{i}", item, 5, 1.0) for i in range(3) for item in "ab"]
    crowd += [(f"y{i}", item, 5, 1.0) for i in range(3) for item in "cd"]
    problem = problem_of([*crowd, ("u", "a", 9, 1.0), ("u", "c", 2, 1.0)])
    scores = offered(problem, ItemKnn(config=ItemKnnConfig(decay=0.5)), "u")
    assert scores["b"] == pytest.approx(scores["d"] * 0.5)


def test_transitions_go_forward_only_and_fade_with_the_gap(problem_of):
    problem = problem_of([("u", item, 10 - day, 1.0) for day, item in enumerate("abbc")])
    rules = dense(fit_transitions(problem, TransitionsConfig(smoothing=1.0)))
    # b b counts as one step: a is followed by b at 1 place and by c at 2; b by c at 1.
    np.testing.assert_allclose(rules, [[0, 1 / 2.5, 0.5 / 2.5], [0, 0, 1 / 2], [0, 0, 0]], rtol=1e-6)


def test_what_was_not_liked_is_no_step(problem_of):
    problem = problem_of([("u", "a", 3, 1.0), ("u", "b", 2, 0.0), ("u", "c", 1, 1.0)])
    rules = dense(fit_transitions(problem, TransitionsConfig(smoothing=0.0)))
    np.testing.assert_allclose(rules, [[0, 0, 1], [0, 0, 0], [0, 0, 0]])


def test_the_next_step_of_others_is_offered(problem_of):
    walks = [(f"w{i}", item, 9 - day, 1.0) for i in range(4) for day, item in enumerate("abc")]
    problem = problem_of([*walks, ("u", "b", 1, 1.0), ("v", "c", 1, 1.0)])
    assert list(offered(problem, Transitions(), "u")) == ["c"]
    assert offered(problem, Transitions(), "v") == {}


def test_a_window_longer_than_the_history_is_no_error(problem_of):
    problem = problem_of([("u", "a", 2, 1.0), ("u", "b", 1, 1.0)])
    assert dense(fit_transitions(problem, TransitionsConfig(window=50, smoothing=0.0)))[0].tolist() == [0, 1]
