"""The index of one vector space, and finding the best eligible items in it. It is built in `building`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.ann import faiss_adapter
from recs_platform.stages.retrieval.ann.ordering import ordered
from recs_platform.stages.retrieval.ann.pool import MARGIN, Pool
from recs_platform.stages.retrieval.ann.report import IndexReport
from recs_platform.stages.retrieval.ann.structure import Structure

# Found items held at once: faiss keeps about 24 bytes of each.
_BLOCK_FOUND = 4_000_000

Found = tuple[NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class ItemIndex:
    """`items`: int32, the codes that can be found, ascending; `vectors`: float32 (len(items), d), none of them zero.

    `structure` is None where every search is exact.
    """

    items: NDArray[np.int32]
    vectors: NDArray[np.float32]
    report: IndexReport
    structure: Structure | None = None

    def search(
        self,
        queries: NDArray[np.float32],
        n: int,
        *,
        eligible: NDArray[np.bool_] | None = None,
        groups: NDArray[np.int32] | None = None,
        exact: bool = False,
        threads: int = 1,
    ) -> Found:
        """Item codes int32 and inner products float32, both (n_queries, width), greatest first, ties by item code.

        `eligible`: flags by item code, (n_items,) for all queries, or (n_groups, n_items) with `groups`, the row of
        each query. width = min(n, items that are indexed and eligible), of the group that has most; the rest of a row
        of a group that has fewer is item -1 with minus infinity. Every query gets all of its width: what an
        approximate search leaves short is searched again exactly. `exact` searches so at once. A query's answer does
        not depend on the others nor on threads. Raises ContractError for queries of another length or not finite, and
        flags of too few items.
        """
        checked = checked_queries(queries, self.vectors.shape[1])
        if groups is None:
            return self._codes(*self._search(checked, n, self._eligible_positions(eligible), exact, threads))
        flags = np.zeros((0, 0), dtype=np.bool_) if eligible is None else eligible
        positions = [self._eligible_positions(flags[group]) for group in range(len(flags))]
        width = min(n, max((len(self.items) if some is None else len(some) for some in positions), default=0))
        found = np.full((len(checked), width), -1, dtype=np.int64)
        scores = np.full((len(checked), width), -np.inf, dtype=np.float32)
        for group in range(len(flags)):
            members = np.flatnonzero(groups == group)
            part, part_scores = self._search(checked[members], n, positions[group], exact, threads)
            found[members, : part.shape[1]], scores[members, : part.shape[1]] = part, part_scores
        return self._codes(found, scores)

    def _codes(self, positions: NDArray[np.int64], scores: NDArray[np.float32]) -> Found:
        codes = np.append(self.items, np.int32(-1))  # position -1 reads the last
        return codes[positions], scores

    def _eligible_positions(self, eligible: NDArray[np.bool_] | None) -> NDArray[np.int64] | None:
        """Positions in the index that may be offered, None for all of them."""
        if eligible is None:
            return None
        if len(eligible) <= self.items.max(initial=-1):
            raise ContractError(
                f"eligibility covers {len(eligible)} items, the index holds code {self.items[-1]}; pass a flag for each"
            )
        flags = eligible[self.items]
        return None if flags.all() else np.flatnonzero(flags)

    def _search(
        self, queries: NDArray[np.float32], n: int, positions: NDArray[np.int64] | None, exact: bool, threads: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        pool = Pool(self.vectors, positions)
        width = min(n, pool.size)
        found = np.zeros((len(queries), width), dtype=np.int64)
        scores = np.zeros((len(queries), width), dtype=np.float32)
        fetched = min(pool.size, width + MARGIN)
        effort = None if exact else self._effort(fetched, pool.size)
        step = max(1, _BLOCK_FOUND // max(1, fetched))
        with faiss_adapter.held(threads):
            for start in range(0, len(queries) if width else 0, step):
                block = slice(start, start + step)
                found[block], scores[block] = self._best(queries[block], width, pool, effort)
        return found, scores

    def _effort(self, n: int, size: int) -> int | None:
        """How hard to search the structure where `size` items are eligible; None where exact search is the better."""
        share = size / max(1, len(self.items))
        if self.structure is None or share <= self.report.config.exact_max_share:
            return None
        return self.structure.effort_for(n, share)

    def _best(
        self, queries: NDArray[np.float32], n: int, pool: Pool, effort: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if self.structure is None or effort is None:
            return pool.best(queries, n)
        reached = self.structure.find(queries, min(pool.size, n + MARGIN), effort, pool.flags)
        found, scores = ordered(queries, self.vectors, reached, n)
        short = np.flatnonzero(found[:, n - 1] < 0)
        if len(short):
            found[short], scores[short] = pool.best(queries[short], n)
        return found, scores


def checked_queries(queries: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """The queries as one block of memory. Raises ContractError for another length than `dimensions` or not finite."""
    if queries.ndim != 2 or queries.shape[1] != dimensions:  # noqa: PLR2004  # a matrix
        raise ContractError(f"queries of shape {queries.shape} cannot be compared with vectors of {dimensions} values")
    unsound = np.flatnonzero(~np.isfinite(queries).all(axis=1))
    if len(unsound):
        raise ContractError(
            f"{len(unsound)} of {len(queries)} query vectors hold values that are not finite, the first at positions "
            f"{unsound[:5].tolist()}; fit them again"
        )
    return np.ascontiguousarray(queries, dtype=np.float32)
