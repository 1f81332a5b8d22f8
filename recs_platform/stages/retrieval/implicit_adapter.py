# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The two algorithms taken from implicit: alternating least squares and all-pairs neighbours. Nothing else calls it.

Which weights go in, and what is made of the result, is decided by the callers.
"""

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.sparse import SparseRows, to_scipy
from recs_platform.stages.retrieval.threads import limited


def alternating_least_squares(
    confidence: SparseRows, *, factors: int, regularization: float, iterations: int, seed: int, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """User and item factors (rows, `factors`) for confidences >= 1, as in Hu, Koren & Volinsky 2008.

    Each row is solved by one thread and BLAS has one, so `threads` does not change the result.
    """
    from implicit.cpu.als import AlternatingLeastSquares

    matrix = to_scipy(confidence)  # loads scipy's BLAS, which can only be limited once it is there
    with limited(threads):
        model = AlternatingLeastSquares(
            factors=factors,
            regularization=regularization,
            iterations=iterations,
            num_threads=threads,
            random_state=seed,
        )
        model.fit(matrix, show_progress=False)
    return np.asarray(model.user_factors, dtype=np.float32), np.asarray(model.item_factors, dtype=np.float32)


def nearest_columns(
    matrix: SparseRows, n: int, *, threads: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """The `n` greatest inner products of each column with any column: columns, their neighbours, products.

    Never dense: one column is accumulated at a time, by one thread.
    """
    from implicit.nearest_neighbours import all_pairs_knn

    doubles = to_scipy(matrix).astype(np.float64)
    pairs = all_pairs_knn(doubles, n, num_threads=threads, show_progress=False).tocoo()
    return pairs.row.astype(np.int32), pairs.col.astype(np.int32), pairs.data.astype(np.float64)
