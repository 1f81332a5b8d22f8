"""The best n items of many users at once, ties by item code; keys are those of `packing`."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.packing import Keys
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sparse import SparseRows

# Keys of targets by items held at once: 128 MB.
_BLOCK_KEYS = 16_000_000


def best(keys: Keys, n: int) -> Keys:
    """The `n` greatest keys of each row (rows, n), descending, filled up with 0."""
    n_rows, width = keys.shape
    if width > n:
        # Partitioning takes ten times as long on rows full of equal zeros: make what is nothing distinct, below all.
        keys = np.where(keys > 0, keys, np.arange(-1, -1 - width, -1, dtype=np.int64))
        keys = np.maximum(np.partition(keys, width - n, axis=1)[:, width - n :], 0)
    result = np.zeros((n_rows, n), dtype=np.int64)
    result[:, : keys.shape[1]] = np.sort(keys, axis=1)[:, ::-1]
    return result


def best_of_matrix(scores: SparseRows, n: int) -> Keys:
    """The `n` best stored values above 0 of each row."""
    from recs_platform.stages.retrieval.kernels import best_of_stored

    keys = np.zeros((scores.n_rows, n), dtype=np.int64)
    if n:
        best_of_stored(0, scores.n_rows, scores.starts, scores.columns, scores.values, keys)
    return keys


def best_of_product(
    left: SparseRows,
    right: SparseRows,
    n: int,
    *,
    excluded: SparseRows | None = None,
    allowed: NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> Keys:
    """The `n` greatest values above 0 of each row of a product, less the row's `excluded` and what is not `allowed`.

    `allowed`: flags by column. The product is never held: each row is summed, in the order of its stored values, and
    cut before the next.
    """
    from recs_platform.contracts.compiled_loops import by_rows
    from recs_platform.stages.retrieval.kernels import best_of_product as of_rows

    keys = np.zeros((left.n_rows, n), dtype=np.int64)
    barred = _nothing(left.n_rows) if excluded is None else excluded
    flags = np.ones(right.n_columns, dtype=np.bool_) if allowed is None else allowed

    def work(first: int, last: int) -> None:
        matrices = (left.starts, left.columns, left.values, right.starts, right.columns, right.values)
        of_rows(first, last, *matrices, flags, barred.starts, barred.columns, keys)

    if n:
        by_rows(left.n_rows, threads, work)
    return keys


def first_allowed(orders: Keys, order_of: NDArray[np.int64], excluded: SparseRows, n: int, *, threads: int = 1) -> Keys:
    """The first `n` of each row's order that are not the row's `excluded`.

    `orders`: keys (n_orders, width), each row descending; `order_of`: the order of each row, -1 for none.
    """
    from recs_platform.contracts.compiled_loops import by_rows
    from recs_platform.stages.retrieval.kernels import first_allowed as of_rows

    keys = np.zeros((len(order_of), n), dtype=np.int64)

    def work(first: int, last: int) -> None:
        given = (orders, order_of, excluded.starts, excluded.columns, excluded.n_columns)
        of_rows(first, last, *given, keys)

    by_rows(len(order_of), threads, work)
    return keys


def _nothing(n_rows: int) -> SparseRows:
    return SparseRows(np.zeros(n_rows + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32), 0)


def is_excluded(problem: RetrievalProblem, targets: NDArray[np.int32], items: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Flags (n_targets, width): whether `items`, a row a target, were consumed by it; eligibility is not asked."""
    excluded = problem.excluded.take(targets)
    keys = np.append(excluded.rows * problem.n_items + excluded.columns, np.iinfo(np.int64).max)
    asked = np.arange(len(targets))[:, None] * problem.n_items + items
    return keys[np.searchsorted(keys, asked)] == asked


def blocks_by_width(
    problem: RetrievalProblem, targets: NDArray[np.int32], n: int, *, rows_max: int | None = None
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Positions of `targets` in blocks, each with a width: so many of the best are enough to find `n` not excluded.

    A block has `rows_max` targets, or as many as keep its keys small.
    """
    needed = n + problem.excluded.lengths[targets]
    widths = 2 ** np.ceil(np.log2(np.maximum(needed, 1))).astype(np.int64)
    for width in np.unique(widths):
        positions = np.flatnonzero(widths == width)
        rows = rows_max or max(1, _BLOCK_KEYS // int(width))
        for start in range(0, len(positions), rows):
            yield positions[start : start + rows], int(width)
