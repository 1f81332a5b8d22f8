"""Codes and arrays to the columns a tracker shows."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray


def numbered(prefix: str, numbers: NDArray[np.integer]) -> pl.Series:
    """`prefix` and the number, padded to the width of the largest; String, in order of `numbers`.

    >>> numbered("u-", np.array([3, 10])).to_list()
    ['u-03', 'u-10']
    """
    width = len(str(numbers.max()))
    return prefix + pl.Series("id", numbers.astype(np.int64)).cast(pl.String).str.zfill(width)


def named(names: Sequence[str] | pl.Series, codes: NDArray[np.integer]) -> pl.Series:
    """The name of each code; String, null where a code is negative.

    >>> named(("a", "b"), np.array([1, -1])).to_list()
    ['b', None]
    """
    index = pl.Series("code", codes.astype(np.int64))
    return pl.Series("name", names, dtype=pl.String).gather(index.set(index < 0, None))


def known(values: NDArray[np.integer], is_known: NDArray[np.bool_]) -> pl.Series:
    """The values as Int64, null where not known.

    >>> known(np.array([3, 0]), np.array([True, False])).to_list()
    [3, None]
    """
    return pl.Series("value", values.astype(np.int64)).set(pl.Series("known", ~is_known), None)
