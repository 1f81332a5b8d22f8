"""What a query says of candidates, in the order in which its rows come, and which row is that of each candidate."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PairRows:
    """`rows` in any order, and `positions`: int64 (candidates,), the row of each candidate, -1 where it has none."""

    rows: pl.DataFrame
    positions: NDArray[np.int64]

    @classmethod
    def find(cls, rows: pl.DataFrame, row_keys: NDArray[np.int64], keys: NDArray[np.int64]) -> "PairRows":
        """The rows of candidates with those `keys`. Raises ValueError where two rows have one key."""
        order = np.argsort(row_keys, kind="stable")  # rows come in runs that are nearly in order
        ascending = row_keys[order]
        repeated = int((np.diff(ascending) == 0).sum())
        if repeated:
            raise ValueError(f"{repeated} rows repeat the key of another")
        if not len(order):
            return cls(rows, np.full(len(keys), -1))
        nearest = np.minimum(np.searchsorted(ascending, keys), len(order) - 1)
        return cls(rows, np.where(ascending[nearest] == keys, order[nearest], -1))

    def take(self, chosen: NDArray[np.int64]) -> pl.DataFrame:
        """Rows of the candidates at those places, NULL where a candidate has none."""
        positions = pl.Series(self.positions[chosen], dtype=pl.Int64)
        return self.rows.select(pl.all().gather(positions.set(positions < 0, None)))
