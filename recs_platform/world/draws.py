"""Ways to draw many choices at once, free of BLAS: threads cannot change a bit."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
Codes = NDArray[np.int32]
Instants = NDArray[np.int64]
Flags = NDArray[np.bool_]


def unit_rows(values: NDArray[np.floating]) -> Vectors:
    """Rows scaled to length 1; float32 (n, d)."""
    return (values / np.sqrt(np.einsum("nd,nd->n", values, values))[:, None]).astype(np.float32)


def unit_noise(rng: np.random.Generator, n: int, d: int) -> Vectors:
    """Random directions; float32 (n, d), rows of length 1."""
    return unit_rows(rng.standard_normal((n, d), dtype=np.float32))


def choose(rng: np.random.Generator, weights: NDArray[np.floating], n: int) -> Codes:
    """`n` draws with replacement, in proportion to `weights` (k,); int32 codes below k."""
    cumulative = np.cumsum(weights, dtype=np.float64)
    drawn: Instants = np.searchsorted(cumulative, rng.random(n) * float(cumulative[-1]), side="right")
    return np.minimum(drawn, len(cumulative) - 1).astype(np.int32)


def choose_in_rows(rows: Codes, uniforms: Floats, weights: NDArray[np.floating]) -> Codes:
    """One draw for each entry of `rows`, in proportion to that row of `weights` (r, k); int32 codes below k.

    `uniforms` lie in [0, 1), one an entry; all searches run in one sorted array, row r of it shifted by r.
    """
    n_rows, k = weights.shape
    cumulative = np.cumsum(weights, axis=1, dtype=np.float64)
    shifted: Floats = cumulative / cumulative[:, -1:] + np.arange(n_rows, dtype=np.float64)[:, None]
    drawn = np.searchsorted(shifted.ravel(), rows + uniforms, side="right") - rows.astype(np.int64) * k
    return np.clip(drawn, 0, k - 1).astype(np.int32)


def sigmoid(values: NDArray[np.floating]) -> Floats:
    """Logistic function, float64, safe for large values.

    >>> float(sigmoid(np.array([0.0]))[0])
    0.5
    """
    return 0.5 * (1.0 + np.tanh(0.5 * values.astype(np.float64)))


def row_products(left: Vectors, left_rows: NDArray[np.integer], right: Vectors, right_rows: Codes) -> Vectors:
    """Inner product of left[left_rows[j]] and right[right_rows[j]] for each j; float32 (n,)."""
    return np.einsum("nd,nd->n", left[left_rows], right[right_rows])
