"""Exact search among the vectors of an index that may be offered. Approximate search is in `structure`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.ann import faiss_adapter
from recs_platform.stages.retrieval.ann.ordering import ordered

# Found beyond what was asked for, since rounding in faiss may cut the wrong one of two near equals.
MARGIN = 8
# Products of two vectors, over their lengths, that are this close may be equal but for rounding.
_ROUNDING = 1e-5
# Products held at once: 16 MB.
_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Pool:
    """`vectors`: float32 (n_positions, d). `positions`: int64, ascending, those that may be offered; None = all."""

    vectors: NDArray[np.float32]
    positions: NDArray[np.int64] | None

    @property
    def size(self) -> int:
        return len(self.vectors) if self.positions is None else len(self.positions)

    @cached_property
    def flags(self) -> NDArray[np.bool_] | None:
        """What may be offered, by position; None = all."""
        if self.positions is None:
            return None
        flags = np.zeros(len(self.vectors), dtype=np.bool_)
        flags[self.positions] = True
        return flags

    @cached_property
    def gathered(self) -> NDArray[np.float32]:
        """The vectors that may be offered, in one block."""
        return self.vectors if self.positions is None else self.vectors[self.positions]

    @cached_property
    def _longest(self) -> float:
        return float(np.sqrt(np.einsum("ud,ud->u", self.gathered, self.gathered).max(initial=0)))

    def best(self, queries: NDArray[np.float32], n: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Positions of the `n` greatest inner products, n from 1 to `size`, and the products: both (n_queries, n).

        Greatest first, ties by position. Where more may be as good as the last than faiss was asked for, as among items
        with one vector, all of them are weighed: which of them faiss keeps depends on the company.
        """
        fetched = min(self.size, n + MARGIN)
        positions, scores = ordered(queries, self.vectors, self._nearest(queries, fetched), fetched)
        if fetched < self.size:
            slack = _ROUNDING * self._longest * np.linalg.norm(queries, axis=1)
            least = scores[:, n - 1] - slack
            for rows in self._blocks(np.flatnonzero(scores[:, -1] >= least)):
                as_good = self._reaching(queries[rows], least[rows])
                positions[rows, :n], scores[rows, :n] = ordered(queries[rows], self.vectors, as_good, n)
        return positions[:, :n], scores[:, :n]

    def _nearest(self, queries: NDArray[np.float32], n: int) -> NDArray[np.int64]:
        found = faiss_adapter.nearest(queries, self.gathered, n)
        return found if self.positions is None else self.positions[found]

    def _blocks(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        step = max(1, _BLOCK_CELLS // max(1, self.size))
        return (rows[start : start + step] for start in range(0, len(rows), step))

    def _reaching(self, queries: NDArray[np.float32], least: NDArray[np.float32]) -> NDArray[np.int64]:
        """Positions whose products are at least so great, (n_queries, most of a query), -1 where a query has fewer."""
        rows, columns = np.nonzero(queries @ self.gathered.T >= least[:, None])
        counts = np.bincount(rows, minlength=len(queries))
        found = np.full((len(queries), counts.max(initial=0)), -1, dtype=np.int64)
        found[rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)] = (
            columns if self.positions is None else self.positions[columns]
        )
        return found
