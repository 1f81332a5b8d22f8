"""A score and its item as one integer, so that one comparison orders by both.

The bits of a positive float32 rise with its value, and the item is what is left below them: an order that is total, the
same whatever the number of threads or the size of a block. What is best of many such keys is found in `top_n`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.int64]

LOW = np.int64(0xFFFFFFFF)


def pack(scores: NDArray[np.float32], items: NDArray[Any]) -> Keys:
    """Keys that order by score, then by lower item; 0 where the score is not above 0. Shapes must broadcast."""
    bits = np.ascontiguousarray(scores, dtype=np.float32).view(np.int32).astype(np.int64)
    keys = (bits << 32) | (LOW - np.asarray(items, dtype=np.int64))
    return np.where(bits > 0, keys, 0)


def unpack(keys: Keys) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Items and scores of keys above 0."""
    return (LOW - (keys & LOW)).astype(np.int32), (keys >> 32).astype(np.int32).view(np.float32)
