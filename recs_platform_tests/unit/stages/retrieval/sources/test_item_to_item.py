"""Similarities and transitions are the numbers their formulas give, worked out by hand."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.sources import item_knn, transitions
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
    rules = dense(fit_transitions(problem, TransitionsConfig(smoothing=1.0, gap_decay=0.5)))
    # b b counts as one step: a is followed by b at 1 position and by c at 2; b by c at 1.
    np.testing.assert_allclose(rules, [[0, 1 / 2.5, 0.5 / 2.5], [0, 0, 1 / 2], [0, 0, 0]], rtol=1e-6)


def test_plain_transitions_are_counts_whatever_the_smoothing(problem_of):
    problem = problem_of([("u", item, 10 - day, 1.0) for day, item in enumerate("abc")])
    rules = dense(fit_transitions(problem, TransitionsConfig(normalization="plain", gap_decay=0.5)))
    np.testing.assert_allclose(rules, [[0, 1, 0.5], [0, 0, 1], [0, 0, 0]])


def test_damping_divides_by_what_led_to_the_item(problem_of):
    problem = problem_of([("u", item, 10 - day, 1.0) for day, item in enumerate("abc")])
    config = TransitionsConfig(normalization="plain", gap_decay=0.5, popularity_damping=2.0)
    # b is reached with weight 1, c with 0.5 + 1.
    expected = [[0, 1, 0.5 / 1.5**2], [0, 0, 1 / 1.5**2], [0, 0, 0]]
    np.testing.assert_allclose(dense(fit_transitions(problem, config)), expected, rtol=1e-6)


def test_blocks_of_rules_do_not_change_a_byte(problem_of, two_tastes, monkeypatch):
    problem = problem_of(two_tastes[0])
    config = TransitionsConfig(rules=5, popularity_damping=0.5)
    whole = fit_transitions(problem, config)
    monkeypatch.setattr(transitions, "_BLOCK_RULES", 100)
    parts = fit_transitions(problem, config)
    for name in ("starts", "columns", "values"):
        assert getattr(parts, name).tobytes() == getattr(whole, name).tobytes()


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


def described(problem, **columns):
    """The problem with those columns of its catalogue given, a value an item."""
    return replace(
        problem,
        catalogue=problem.catalogue.with_columns(
            pl.Series(name, values, dtype=problem.catalogue.schema[name]) for name, values in columns.items()
        ),
    )


def test_attributes_add_to_neighbours(problem_of):
    problem = described(
        problem_of([("u", item, 1, 1.0) for item in "abc"]),
        category=["x", "x", None],
        creator=["m", "n", "m"],
        tags=[["p", "q"], ["q", "r", "q"], []],
    )
    config = ItemKnnConfig(shrinkage=0.0, category_weight=0.5, creator_weight=0.25, tag_weight=3.0)
    # All are liked by the same user, cosine 1. a and b share a category and one tag of three, a and c the creator.
    ab, ac, bc = 1 + 0.5 + 3.0 * 1 / 3, 1 + 0.25, 1
    found = dense(fit_similarity(problem, config, threads=1))
    np.testing.assert_allclose(found, [[0, ab, ac], [ab, 0, bc], [ac, bc, 0]], rtol=1e-6)


def test_items_with_few_neighbours_gain_the_most_liked_of_their_category(problem_of):
    liked = [("u", "a", 1, 1.0), ("u", "b", 2, 1.0), ("v", "c", 3, 1.0), ("w", "c", 4, 1.0), ("v", "d", 5, 1.0)]
    problem = described(problem_of(liked, items="ez", gone="z"), category=["x", "y", "x", "x", "x", "x"])
    config = ItemKnnConfig(neighbours=2, shrinkage=0.0, activity_damping=0.0, category_weight=0.5)
    found = dense(fit_similarity(problem, config, threads=1))
    # Of the category x c, a and d are offered, the three most liked that are eligible; a keeps b, whom its user likes.
    np.testing.assert_allclose(found[0], [0, 1, 0.5, 0, 0, 0])
    # e, which nobody likes, takes a and c; ties go to the lower code.
    np.testing.assert_allclose(found[4], [0.5, 0, 0.5, 0, 0, 0])
    # z may not be recommended and is offered to nobody, yet has neighbours itself.
    assert not found[:, 5].any()
    assert found[5].any()


def test_blocks_of_attributes_do_not_change_a_byte(problem_of, two_tastes, monkeypatch):
    plain = problem_of(two_tastes[0])
    problem = described(plain, creator=[f"m{code % 3}" for code in range(plain.n_items)])
    config = ItemKnnConfig(neighbours=20, creator_weight=0.1)
    whole = fit_similarity(problem, config, threads=1)
    monkeypatch.setattr(item_knn, "_BLOCK_PAIRS", 10)
    parts = fit_similarity(problem, config, threads=2)
    for name in ("starts", "columns", "values"):
        assert getattr(parts, name).tobytes() == getattr(whole, name).tobytes()


def test_attributes_that_are_all_missing_change_no_value(problem_of, two_tastes):
    problem = problem_of(two_tastes[0])
    weighted = ItemKnnConfig(category_weight=1.0, creator_weight=1.0, tag_weight=1.0)
    plain = fit_similarity(problem, ItemKnnConfig(), threads=1)
    np.testing.assert_array_equal(dense(fit_similarity(problem, weighted, threads=1)), dense(plain))


def test_attributes_are_off_by_default():
    assert ItemKnnConfig().attribute_weights == {}
