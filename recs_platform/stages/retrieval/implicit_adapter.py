# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""What is taken from implicit: alternating least squares, one half of a sweep alone, and all-pairs neighbours.

No other module imports it.
"""

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.threads import limited
from recs_platform.stages.retrieval.sparse import SparseRows, to_scipy

# Of the mean diagonal of a Gram matrix: the least that float32 distinguishes from 0.
_LEAST_REGULARIZATION = 1e-5


def alternating_least_squares(
    confidence: SparseRows,
    *,
    factors: int,
    regularization: float,
    iterations: int,
    seed: int,
    threads: int,
    start: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """User and item factors (rows, `factors`) for confidences >= 1, as in Hu, Koren & Volinsky 2008.

    `start`: user and item factors to go on from, left as they are; by default small ones are drawn by `seed`. Each row
    is solved by one thread and BLAS has one, so `threads` does not change the result.
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
        if start is not None:
            model.user_factors, model.item_factors = (part.copy() for part in start)
        model.fit(matrix, show_progress=False)
    return np.asarray(model.user_factors, dtype=np.float32), np.asarray(model.item_factors, dtype=np.float32)


def solve_rows(
    confidence: SparseRows, columns: NDArray[np.float32], *, regularization: float, threads: int
) -> NDArray[np.float32]:
    """Factors of each row in closed form, those of the columns (n_columns, d) held fixed: half a sweep.

    With Y the columns and C the row's confidences on its diagonal, 1 where nothing is stored:
    (Y' C Y + regularization I)^-1 Y' c, Cholesky; a row that stores nothing is zero. The regularization is at least
    a hundred-thousandth of the mean of the diagonal of Y' Y, without which rounding makes some systems singular.
    `threads` does not change the result.
    """
    from implicit.cpu._als import least_squares

    matrix = to_scipy(confidence)
    solved = np.zeros((confidence.n_rows, columns.shape[1]), dtype=np.float32)
    fixed = np.ascontiguousarray(columns, dtype=np.float32)
    least = _LEAST_REGULARIZATION * float(np.square(fixed, dtype=np.float64).sum()) / fixed.shape[1]
    with limited(threads):
        least_squares(matrix, solved, fixed, max(regularization, least), num_threads=threads)
    return solved


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
