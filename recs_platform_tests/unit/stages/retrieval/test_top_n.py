"""The best n are those that sorting everything would give, ties by item code."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.stages.retrieval.sparse import SparseRows
from recs_platform.stages.retrieval.top_n import best, best_of_rows, blocks_by_cost, is_excluded, pack, unpack

scores_of_rows = st.lists(
    st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, 1e-30, 3e30]), min_size=6, max_size=6),
    min_size=1,
    max_size=5,
)


def by_sorting(scores, n, allowed=None):
    chosen = [(-score, item) for item, score in enumerate(scores) if score > 0 and (allowed is None or allowed[item])]
    return [item for _, item in sorted(chosen)[:n]]


@settings(max_examples=100, deadline=None)
@given(scores_of_rows, st.integers(1, 8))
def test_dense_rows(scores, n):
    keys = best(pack(np.array(scores, dtype=np.float32), np.arange(6)), n)
    assert keys.shape == (len(scores), n)
    for row, found in zip(scores, keys, strict=True):
        items, values = unpack(found[found > 0])
        assert items.tolist() == by_sorting(row, n)
        assert values.tolist() == [np.float32(row[item]) for item in items]


@settings(max_examples=100, deadline=None)
@given(scores_of_rows, st.integers(1, 8), st.lists(st.booleans(), min_size=6, max_size=6))
def test_sparse_rows(scores, n, allowed):
    dense = np.array(scores, dtype=np.float32)
    rows, columns = np.nonzero(dense)
    starts = np.searchsorted(rows, np.arange(len(scores) + 1))
    matrix = SparseRows(starts, columns.astype(np.int32), dense[rows, columns], 6)
    keys = best_of_rows(matrix, np.array(allowed)[columns], n)
    for row, found in zip(scores, keys, strict=True):
        assert unpack(found[found > 0])[0].tolist() == by_sorting(row, n, allowed)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 60))
def test_blocks_hold_every_place_once(costs, limit):
    blocks = list(blocks_by_cost(np.array(costs, dtype=np.int64), n_items=10, limit=limit))
    assert sorted(position for block in blocks for position in block.tolist()) == list(range(len(costs)))
    assert all(sum(costs[position] for position in block) < limit + max(costs) for block in blocks)


def test_what_was_consumed_is_excluded(problem_of):
    problem = problem_of([("u", "b", 2, 1.0), ("u", "c", 1, 0.0), ("w", "a", 1, 1.0)], users="v")
    items = np.array([[0, 1, 2], [0, 1, 2], [2, 1, 0]], dtype=np.int32)
    assert is_excluded(problem, np.array([0, 1, 2], np.int32), items).tolist() == [
        [False, True, True],
        [False, False, False],
        [False, False, True],
    ]
    assert not is_excluded(problem, np.array([2], np.int32), items[:1, 1:]).any()
