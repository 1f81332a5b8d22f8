"""Found items scored again, pair by pair, and put in one total order.

Libraries multiply in blocks, whose last bits vary with the block: only scores of single pairs are the same in any
company and at any number of threads.
"""

import numpy as np
from numpy.typing import NDArray

_LOW = np.int64(0xFFFFFFFF)
_NOTHING = np.iinfo(np.int64).min
# Floats gathered at once: 16 MB.
_BLOCK_CELLS = 4_000_000


def ordered(
    queries: NDArray[np.float32], vectors: NDArray[np.float32], found: NDArray[np.int64], n: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The `n` best of the rows `found` (n_queries, >= n) of `vectors`: rows, inner products (n_queries, n).

    Greatest first, ties by row; where `found` is -1 nothing was, which goes last as row -1 and minus infinity.
    """
    positions = np.empty((len(queries), n), dtype=np.int64)
    scores = np.empty((len(queries), n), dtype=np.float32)
    step = max(1, _BLOCK_CELLS // max(1, found.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), step):
        block = slice(start, start + step)
        products = np.einsum("ud,uwd->uw", queries[block], vectors[found[block]])
        keys = np.where(found[block] < 0, _NOTHING, _keys(products, found[block]))
        keys = np.sort(keys, axis=1)[:, ::-1][:, :n]
        positions[block], scores[block] = _unkeyed(keys)
    return positions, scores


def _keys(scores: NDArray[np.float32], positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Integers that order by score, then by lower position: bits of a float32 rise with it, and fall below zero."""
    bits = scores.view(np.int32).astype(np.int64)
    rising = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return (rising << 32) | (_LOW - positions)


def _unkeyed(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    rising = keys >> 32
    bits = np.where(rising < 0, 0x80000000 | -rising, rising).astype(np.uint32)
    nothing = keys == _NOTHING
    positions = np.where(nothing, -1, _LOW - (keys & _LOW))
    return positions, np.where(nothing, np.float32(-np.inf), bits.view(np.float32))
