"""A walk is the rules plus theta times their square, pruned, without the way back."""

import numpy as np

from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.sources import two_step
from recs_platform.stages.retrieval.sources.transitions import fit_transitions
from recs_platform.stages.retrieval.sources.two_step import TwoStep, TwoStepConfig, fit_walk


def dense(matrix):
    result = np.zeros((matrix.n_rows, matrix.n_columns))
    result[matrix.rows, matrix.columns] = matrix.values
    return result


def walk(user, items):
    return [(user, item, 100 - day, 1.0) for day, item in enumerate(items)]


def test_two_steps_reach_what_never_followed(problem_of):
    problem = problem_of([*walk("u", "ab"), *walk("v", "bc")])
    config = TwoStepConfig(smoothing=1.0, theta=0.5)
    # One step: a to b and b to c, each 1 / (1 + 1); two steps: a to c, 0.5 * 1/2 * 1/2.
    np.testing.assert_allclose(dense(fit_walk(problem, config)), [[0, 1 / 2, 1 / 8], [0, 0, 1 / 2], [0, 0, 0]])


def test_nobody_walks_back_to_the_start(problem_of):
    problem = problem_of([*walk("u", "ab"), *walk("v", "ba")])
    config = TwoStepConfig(smoothing=0.0, theta=1.0)
    np.testing.assert_allclose(dense(fit_walk(problem, config)), [[0, 1], [1, 0]])


def test_the_walk_is_the_square_of_the_rules(problem_of, two_tastes):
    problem = problem_of(two_tastes[0])
    config = TwoStepConfig(theta=2.0, step_rules=100)
    rules = dense(fit_transitions(problem, config))
    expected = rules + 2.0 * rules @ rules
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(dense(fit_walk(problem, config)), expected, rtol=1e-5)


def test_only_the_best_are_followed_and_kept(problem_of, two_tastes):
    problem = problem_of(two_tastes[0])
    config = TwoStepConfig(theta=1.0, step_rules=2, rules=3)
    rules = fit_transitions(problem, config.model_copy(update={"rules": 2}))
    assert rules.lengths.max() == 2
    found = fit_walk(problem, config)
    assert found.lengths.max() == 3
    expected = dense(rules) + dense(rules) @ dense(rules)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(found.values[: found.lengths[0]], np.sort(expected[0])[::-1][:3], rtol=1e-5)


def test_blocks_do_not_change_a_byte(problem_of, two_tastes, monkeypatch):
    problem = problem_of(two_tastes[0])
    whole = fit_walk(problem, TwoStepConfig(rules=5))
    monkeypatch.setattr(two_step, "_BLOCK_COST", 100)
    parts = fit_walk(problem, TwoStepConfig(rules=5))
    for name in ("starts", "columns", "values"):
        assert getattr(parts, name).tobytes() == getattr(whole, name).tobytes()


def test_two_steps_away_is_offered_after_one_step_away(problem_of):
    problem = problem_of([*walk("s", "ab"), *walk("t", "bc"), *walk("u", "a"), *walk("v", "c")])
    lists = TwoStep(config=TwoStepConfig(theta=0.5)).retrieve(RetrievalFit(problem, {}), np.array([2, 3], np.int32), 5)
    assert problem.item_ids[lists.items].tolist() == ["b", "c"]
    assert lists.users.tolist() == [2, 2]


def test_no_items_have_no_walks(problem_of):
    assert fit_walk(problem_of([]), TwoStepConfig()).n_rows == 0
