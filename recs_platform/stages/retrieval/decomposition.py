"""The leading directions of a sparse matrix."""

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.threads import limited
from recs_platform.stages.retrieval.sparse import SparseRows, times, transposed

# Directions sought beyond those asked for: they take the error of the iteration upon themselves.
_OVERSAMPLING = 16
# What is below this share of the greatest singular value is rounding in float32.
_LEAST_SHARE = 1e-3
# Eigenvalues of a Gram matrix below this share of the greatest may be rounding of its float32 factor alone.
_LEAST_EIGENVALUE = 1e-10
# Rows summed in float64 at once: 25 MB at 784 columns.
_BLOCK_ROWS = 4096


def right_directions(
    matrix: SparseRows, rank: int, *, iterations: int, seed: int, threads: int
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The `rank` greatest singular values (k,) descending and right singular vectors (n_columns, k) of `matrix`.

    1 <= k <= rank: what is below a thousandth of the greatest value is left out; a matrix of nothing gives 1 and a
    zero vector. Randomized subspace iteration on the shorter side (Halko, Martinsson & Tropp 2011), started from
    `seed`; exact where `rank` is about that side's length.
    """
    if not len(matrix.columns):
        return np.ones(1), np.zeros((matrix.n_columns, 1), dtype=np.float32)
    columns_are_fewer = matrix.n_columns < matrix.n_rows
    across = transposed(matrix)
    up, down = (matrix, across) if columns_are_fewer else (across, matrix)
    with limited(threads):
        basis = _leading_basis(up, down, rank + _OVERSAMPLING, iterations, seed)
        image = times(up, basis)
        eigenvalues, mix = _descending_eigen(_gram(image))
        kept = np.flatnonzero(eigenvalues > _LEAST_SHARE**2 * eigenvalues[0])[:rank]
        values = np.sqrt(eigenvalues[kept])
        mix = mix[:, kept] if columns_are_fewer else mix[:, kept] / values
        vectors = (basis if columns_are_fewer else image) @ mix.astype(np.float32)
    vectors *= _signs(vectors)
    return values, vectors


def _leading_basis(up: SparseRows, down: SparseRows, width: int, iterations: int, seed: int) -> NDArray[np.float32]:
    """Orthonormal columns (shorter side, <= width) that nearly span the leading singular vectors of that side."""
    if width >= down.n_rows:
        return np.eye(down.n_rows, dtype=np.float32)
    basis = np.random.default_rng(seed).standard_normal((down.n_rows, width), dtype=np.float32)
    for _ in range(iterations):
        image = times(down, times(up, basis))
        eigenvalues, mix = _descending_eigen(_gram(image))
        # Through the Gram matrix: LAPACK's QR of so tall a matrix takes ten times as long.
        kept = eigenvalues > _LEAST_EIGENVALUE * eigenvalues[0]
        basis = image @ (mix[:, kept] / np.sqrt(eigenvalues[kept])).astype(np.float32)
    return basis


def _gram(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Products of all columns with each other, summed in float64."""
    total = np.zeros((matrix.shape[1], matrix.shape[1]))
    for start in range(0, len(matrix), _BLOCK_ROWS):
        block = matrix[start : start + _BLOCK_ROWS].astype(np.float64)
        total += block.T @ block
    return total


def _descending_eigen(symmetric: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, vectors = np.linalg.eigh(symmetric)
    return values[::-1], vectors[:, ::-1]


def _signs(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 or -1 for each column: what makes its entry of greatest size positive."""
    return np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
