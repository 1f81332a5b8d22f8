"""The order of what one user did at one instant: fixed for a user and an item, and without any pattern.

By item id, say, the same items would come last for everybody, and a sequence would be seen where there is none.
"""

import zlib

import numpy as np
import polars as pl
from numpy.typing import NDArray

# SplitMix64 (Steele, Lea and Flood, 2014): any bit of the input changes each bit of the output half the time.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def tie_keys(users: pl.Series, items: pl.Series) -> pl.Series:
    """UInt64 (n,): what orders rows of equal time, by user and item ids; the same in every process and machine.

    >>> keys = tie_keys(pl.Series(["a", "a", "b"]), pl.Series(["x", "y", "x"]))
    >>> keys.n_unique(), keys.equals(tie_keys(pl.Series(["a", "a", "b"]), pl.Series(["x", "y", "x"])))
    (3, True)
    """
    mixed = _mix(_mix(_checksums(users)) + _checksums(items))
    return pl.Series("tie_key", mixed, dtype=pl.UInt64)


def _checksums(ids: pl.Series) -> NDArray[np.uint64]:
    """CRC-32 of each id, reckoned once for each that differs."""
    texts = ids.cast(pl.String)
    distinct = texts.unique().drop_nulls()
    sums = [zlib.crc32(text.encode()) for text in distinct]
    known = pl.DataFrame({"id": distinct, "sum": pl.Series(sums, dtype=pl.UInt64)})
    return (
        pl.DataFrame({"id": texts})
        .join(known, on="id", how="left", maintain_order="left")["sum"]
        .fill_null(0)
        .to_numpy()
    )


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = values + _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))
