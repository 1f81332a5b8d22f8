"""Inner products plus sums over paths: the same as all pairs by hand, in any company and at any number of threads."""

from dataclasses import replace

import numpy as np
import pytest

from recs_platform.stages.retrieval.packing import unpack
from recs_platform.stages.retrieval.sparse import from_sorted_pairs, transposed
from recs_platform.stages.retrieval.sparse_tail import LikesGraph, TailedQueries, best_with_tail

USERS, ITEMS, ROWS, N = 40, 60, 25, 7


def sparse(dense):
    rows, columns = np.nonzero(dense)
    return from_sorted_pairs(rows, columns.astype(np.int32), dense[rows, columns].astype(np.float32), dense.shape)


@pytest.fixture
def drawn():
    """Some items are twins, with the same vector and the same users: their scores are equal."""
    rng = np.random.default_rng(3)
    likes, vectors = (rng.random((USERS, ITEMS)) < 0.1).astype(np.float32), rng.standard_normal((ITEMS, 4))
    likes[:, 40:] = likes[:, :1]
    vectors[40:] = vectors[0]
    weights = rng.random(USERS).astype(np.float32)
    history = (rng.random((ROWS, ITEMS)) < 0.08) * rng.random((ROWS, ITEMS))
    excluded = history > 0
    queries = rng.standard_normal((ROWS, 4)).astype(np.float32)
    graph = LikesGraph(transposed(sparse(likes)), sparse(likes), weights)
    scores = queries @ vectors.T.astype(np.float32) + history @ likes.T @ (weights[:, None] * likes)
    return (
        TailedQueries(queries, sparse(history), sparse(excluded)),
        vectors.astype(np.float32),
        graph,
        scores,
        excluded,
    )


def test_the_best_are_those_of_all_pairs(drawn):
    queries, vectors, graph, scores, excluded = drawn
    allowed = np.arange(ITEMS) % 5 > 0
    keys = best_with_tail(queries, vectors, graph, N, allowed=allowed)
    for row in range(ROWS):
        items, found = unpack(keys[row][keys[row] > 0])
        offered = np.flatnonzero(allowed & ~excluded[row] & (scores[row] > 0))
        assert len(items) == min(N, len(offered))
        best = np.sort(scores[row, offered])[::-1][: len(items)]
        np.testing.assert_allclose(found, best, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scores[row, items], best, rtol=1e-4, atol=1e-5)


def test_twins_come_in_the_order_of_their_codes(drawn):
    queries, vectors, graph, _, _ = drawn
    queries = replace(queries, excluded=sparse(np.zeros((ROWS, ITEMS))))
    keys = best_with_tail(queries, vectors, graph, 9, allowed=np.arange(ITEMS) >= 40)
    liked = keys[:, 0] > 0
    assert liked.any()
    assert (unpack(keys[liked].ravel())[0].reshape(-1, 9) == np.arange(40, 49)).all()


def test_a_row_depends_neither_on_the_others_nor_on_threads(drawn):
    queries, vectors, graph, _, _ = drawn
    allowed = np.ones(ITEMS, dtype=np.bool_)
    together = best_with_tail(queries, vectors, graph, N, allowed=allowed)
    alone = [best_with_tail(queries.take(np.array([row])), vectors, graph, N, allowed=allowed) for row in range(ROWS)]
    assert np.array_equal(np.concatenate(alone), together)
    assert np.array_equal(best_with_tail(queries, vectors, graph, N, allowed=allowed, threads=2), together)


def test_nothing_to_find(drawn):
    queries, vectors, graph, _, _ = drawn
    assert not best_with_tail(queries, vectors, graph, N, allowed=np.zeros(ITEMS, dtype=np.bool_)).any()
    assert best_with_tail(queries, vectors, graph, 0, allowed=np.ones(ITEMS, dtype=np.bool_)).shape == (ROWS, 0)
    assert best_with_tail(
        queries.take(np.arange(0)), vectors, graph, N, allowed=np.ones(ITEMS, dtype=np.bool_)
    ).shape == (0, N)
