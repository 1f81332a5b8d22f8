"""The best n are those that sorting everything would give, ties by item code."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.stages.retrieval.packing import pack, unpack
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs, product
from recs_platform.stages.retrieval.top_n import best, best_of_matrix, best_of_product, first_allowed, is_excluded

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
@given(scores_of_rows, st.integers(1, 8))
def test_sparse_rows(scores, n):
    dense = np.array(scores, dtype=np.float32)
    rows, columns = np.nonzero(dense)
    starts = np.searchsorted(rows, np.arange(len(scores) + 1))
    matrix = SparseRows(starts, columns.astype(np.int32), dense[rows, columns], 6)
    keys = best_of_matrix(matrix, n)
    assert keys.shape == (len(scores), n)
    for row, found in zip(scores, keys, strict=True):
        assert unpack(found[found > 0])[0].tolist() == by_sorting(row, n)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 3))
def test_rows_of_a_product(seed, n, threads):
    """Against the whole product and one sort; 40 rows are shared out among threads."""
    rng = np.random.default_rng(seed)
    left, right, excluded = (random_rows(rng, *shape) for shape in ((40, 7), (7, 9), (40, 9)))
    allowed = rng.random(9) < 0.8
    whole = product(left, right)
    scores, kept = np.zeros((40, 9), dtype=np.float32), np.broadcast_to(allowed, (40, 9)).copy()
    scores[whole.rows, whole.columns] = whole.values
    kept[excluded.rows, excluded.columns] = False
    keys = best_of_product(left, right, n, excluded=excluded, allowed=allowed, threads=threads)
    assert keys.shape == (40, n)
    for row, barred, found in zip(scores, kept, keys, strict=True):
        items, values = unpack(found[found > 0])
        assert items.tolist() == by_sorting(row.tolist(), n, barred)
        assert values.tolist() == row[items].tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 3))
def test_the_first_of_an_order_that_are_not_excluded(seed, n, threads):
    rng = np.random.default_rng(seed)
    excluded = random_rows(rng, 40, 9)
    orders = best(pack(rng.integers(0, 3, (4, 9)).astype(np.float32), np.arange(9)), 9)
    order_of = rng.integers(-1, 4, 40)
    keys = first_allowed(orders, order_of, excluded, n, threads=threads)
    for row, order in enumerate(order_of.tolist()):
        barred = excluded.columns[excluded.starts[row] : excluded.starts[row + 1]].tolist()
        expected = (
            [] if order < 0 else [item for item in unpack(orders[order][orders[order] > 0])[0] if item not in barred]
        )
        assert unpack(keys[row][keys[row] > 0])[0].tolist() == expected[:n]


def random_rows(rng, n_rows, n_columns):
    dense = np.where(rng.random((n_rows, n_columns)) < 0.4, rng.integers(-1, 4, (n_rows, n_columns)) / 4, 0)
    rows, columns = np.nonzero(dense)
    return from_sorted_pairs(rows, columns.astype(np.int32), dense[rows, columns].astype(np.float32), dense.shape)


def test_what_was_consumed_is_excluded(problem_of):
    problem = problem_of([("u", "b", 2, 1.0), ("u", "c", 1, 0.0), ("w", "a", 1, 1.0)], users="v")
    items = np.array([[0, 1, 2], [0, 1, 2], [2, 1, 0]], dtype=np.int32)
    assert is_excluded(problem, np.array([0, 1, 2], np.int32), items).tolist() == [
        [False, True, True],
        [False, False, False],
        [False, False, True],
    ]
    assert not is_excluded(problem, np.array([2], np.int32), items[:1, 1:]).any()
