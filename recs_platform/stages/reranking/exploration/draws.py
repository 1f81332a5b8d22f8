"""Chance that can be had again: numbers in [0, 1) that follow from an id, a place and a text, and nothing else."""

import hashlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

_BYTES = 8


def keys_of(ids: pl.Series, salt: str) -> NDArray[np.uint64]:
    """One number an id, uint64 (n,), the same on every machine; another salt gives unrelated ones."""
    start = hashlib.blake2b(salt.encode(), digest_size=_BYTES)

    def key(each: str) -> int:
        digest = start.copy()
        digest.update(b"\0" + each.encode("utf-8", "surrogatepass"))
        return int.from_bytes(digest.digest(), "little")

    return np.fromiter((key(each) for each in ids), dtype=np.uint64, count=len(ids))


def uniforms(keys: NDArray[np.uint64], n: int) -> NDArray[np.float64]:
    """`n` numbers in [0, 1) for each key, (n_keys, n): steps of SplitMix64 (Steele, Lea and Flood 2014)."""
    steps = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = keys[:, None] + steps[None, :]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
