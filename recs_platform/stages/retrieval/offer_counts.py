"""What sources offer, counted while candidates pass: by the set of sources behind a row, a user, an item."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import OfferedUnit
from recs_platform.stages.retrieval.merge import MergedLists
from recs_platform.stages.retrieval.problem import RetrievalProblem

Bits = NDArray[np.int64]


class OfferCounts:
    """Sets of sources as bits, in the order of the blocks' sources: a user has those of all the user's rows."""

    def __init__(self, problem: RetrievalProblem) -> None:
        self._names: tuple[str, ...] = ()
        self._rows = np.zeros(0, dtype=np.int64)
        self._users = np.zeros(problem.n_users, dtype=np.int64)
        self._items = np.zeros(problem.n_items, dtype=np.int64)

    def add(self, block: MergedLists) -> None:
        """Count a block; all blocks have the same sources, and no two a user in common."""
        if not self._names:
            self._names = block.names
            self._rows = np.zeros(1 << len(block.names), dtype=np.int64)
        bits = np.zeros(len(block.users), dtype=np.int64)
        for bit in range(len(block.names)):
            offered = block.ranks[bit] > 0
            bits |= offered.astype(np.int64) << bit
            self._users[block.users[offered]] |= 1 << bit
            self._items[block.items[offered]] |= 1 << bit
        self._rows += np.bincount(bits, minlength=len(self._rows))

    def frame(self) -> pl.DataFrame:
        """offered_unit, sources (list of names), n: how many rows, users and items each set of sources has."""
        units = (
            (OfferedUnit.ROW, self._rows),
            (OfferedUnit.USER, np.bincount(self._users, minlength=1)),
            (OfferedUnit.ITEM, np.bincount(self._items, minlength=1)),
        )
        return pl.concat(self._counted(unit, counts) for unit, counts in units)

    def _counted(self, unit: str, counts: Bits) -> pl.DataFrame:
        # Nobody's set is no set: what no source offered is not counted.
        sets = np.flatnonzero(counts)
        sets = sets[sets > 0]
        names = [[name for bit, name in enumerate(self._names) if each >> bit & 1] for each in sets.tolist()]
        return pl.DataFrame(
            {
                c.OFFERED_UNIT: pl.Series([unit] * len(sets), dtype=pl.String),
                c.SOURCES: pl.Series(names, dtype=pl.List(pl.String)),
                c.OFFER_COUNT: pl.Series(counts[sets], dtype=pl.Int64),
            }
        )
