"""Ids as 64-bit keys: how a mapped bundle finds a row of an id without a table of ids in memory."""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BYTES = 8
# The array of a bundle that holds the keys of who has opted out, ascending.
OPTED_OUT = "opted_out.keys"


def key_of(text: str) -> int:
    """The first 64 bits of BLAKE2b of an id; lone surrogates, which no stored id has, are hashed as they come."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest(), "little")


def keys_of(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Keys of ids, uint64 (n,), in their order."""
    digest = hashlib.blake2b
    joined = b"".join(digest(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).digest() for text in texts)
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)


def distinct_keys(*keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """All keys of these, ascending, each once; `numpy.unique` would load masked arrays, which takes longer."""
    ascending = np.sort(np.concatenate(keys))
    return ascending[np.append(True, ascending[1:] != ascending[:-1])[: len(ascending)]]


def rows_of_key(keys: Sequence[int], key: int) -> range:
    """Rows of ascending `keys`, such as a view of an array, with `key`: none, one, or, where keys collide, more."""
    first = last = bisect_left(keys, key)
    while last < len(keys) and keys[last] == key:
        last += 1
    return range(first, last)
