"""The index of one vector space: building it, and finding the best eligible items. Files and audits are elsewhere."""

from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.search import faiss_adapter
from recs_platform.stages.retrieval.search.config import IndexConfig, Kind
from recs_platform.stages.retrieval.search.ordering import ordered
from recs_platform.stages.retrieval.search.report import IndexReport, version_of_ids, version_of_vectors
from recs_platform.stages.retrieval.search.structure import Structure, build_structure

# Found beyond what was asked for, since rounding in faiss may cut the wrong one of two near equals.
_MARGIN = 8
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
        checked = _checked_queries(queries, self.vectors.shape[1])
        if groups is None:
            return self._codes(*self._search(checked, n, self._eligible_places(eligible), exact, threads))
        flags = np.zeros((0, 0), dtype=np.bool_) if eligible is None else eligible
        places = [self._eligible_places(flags[group]) for group in range(len(flags))]
        width = min(n, max((len(self.items) if some is None else len(some) for some in places), default=0))
        found = np.full((len(checked), width), -1, dtype=np.int64)
        scores = np.full((len(checked), width), -np.inf, dtype=np.float32)
        for group in range(len(flags)):
            members = np.flatnonzero(groups == group)
            part, part_scores = self._search(checked[members], n, places[group], exact, threads)
            found[members, : part.shape[1]], scores[members, : part.shape[1]] = part, part_scores
        return self._codes(found, scores)

    def _codes(self, places: NDArray[np.int64], scores: NDArray[np.float32]) -> Found:
        codes = np.append(self.items, np.int32(-1))  # place -1 reads the last
        return codes[places], scores

    def _eligible_places(self, eligible: NDArray[np.bool_] | None) -> NDArray[np.int64] | None:
        """Places in the index that may be offered, None for all of them."""
        if eligible is None:
            return None
        if len(eligible) <= self.items.max(initial=-1):
            raise ContractError(f"eligibility is told of {len(eligible)} items, the index holds code {self.items[-1]}")
        flags = eligible[self.items]
        return None if flags.all() else np.flatnonzero(flags)

    def _search(
        self, queries: NDArray[np.float32], n: int, places: NDArray[np.int64] | None, exact: bool, threads: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        pool = _Pool(self.vectors, places)
        width = min(n, pool.size)
        found = np.zeros((len(queries), width), dtype=np.int64)
        scores = np.zeros((len(queries), width), dtype=np.float32)
        fetched = min(pool.size, width + _MARGIN)
        effort = None if exact else self._effort(fetched, pool.size)
        step = max(1, _BLOCK_FOUND // max(1, fetched))
        with faiss_adapter.held(threads):
            for start in range(0, len(queries) if width else 0, step):
                block = slice(start, start + step)
                places_found = self._find(queries[block], fetched, width, pool, effort)
                found[block], scores[block] = ordered(queries[block], self.vectors, places_found, width)
        return found, scores

    def _effort(self, n: int, size: int) -> int | None:
        """How hard to search the structure where `size` items are eligible; None where exact search is the better."""
        share = size / max(1, len(self.items))
        if self.structure is None or share <= self.report.config.exact_max_share:
            return None
        return self.structure.effort_for(n, share)

    def _find(
        self, queries: NDArray[np.float32], fetched: int, width: int, pool: "_Pool", effort: int | None
    ) -> NDArray[np.int64]:
        if self.structure is None or effort is None:
            return pool.nearest(queries, fetched)
        found = self.structure.find(queries, fetched, effort, pool.flags)
        short = np.flatnonzero((found >= 0).sum(axis=1) < width)
        if len(short):
            found[short] = pool.nearest(queries[short], fetched)
        return found


@dataclass(frozen=True, eq=False)
class _Pool:
    """The vectors of an index that may be offered: all, or those at some places."""

    vectors: NDArray[np.float32]
    places: NDArray[np.int64] | None

    @property
    def size(self) -> int:
        return len(self.vectors) if self.places is None else len(self.places)

    @cached_property
    def flags(self) -> NDArray[np.bool_] | None:
        if self.places is None:
            return None
        flags = np.zeros(len(self.vectors), dtype=np.bool_)
        flags[self.places] = True
        return flags

    @cached_property
    def gathered(self) -> NDArray[np.float32]:
        return self.vectors if self.places is None else self.vectors[self.places]

    def nearest(self, queries: NDArray[np.float32], n: int) -> NDArray[np.int64]:
        """Places in the index of the `n` greatest inner products."""
        found = faiss_adapter.nearest(queries, self.gathered, n)
        return found if self.places is None else self.places[found]


def build_index(
    eligible: NDArray[np.bool_],
    vectors: NDArray[np.float32],
    *,
    config: IndexConfig | None = None,
    queries: NDArray[np.float32] | None = None,
    ids: NDArray[np.object_] | None = None,
    seed: int = 0,
    threads: int = 1,
) -> ItemIndex:
    """Index the eligible ones of `vectors` (n_items, d); a zero vector matches nobody and is left out.

    `queries` (n, d): vectors of users, by a sample of which the effort of an approximate search is chosen; the items'
    own where there are none. `ids`: of all items, for the report. The same input gives the same bytes at any number of
    threads, but for the seconds in the report. Raises ContractError for vectors that are not finite.
    """
    started = perf_counter()
    chosen = config or IndexConfig()
    items = indexable(eligible, vectors)
    held = np.ascontiguousarray(vectors[items], dtype=np.float32)
    structure = _structure(held, queries, chosen, seed, threads)
    report = IndexReport(
        kind="exact" if structure is None else structure.kind,
        config=chosen,
        seed=seed,
        lists=0 if structure is None else structure.lists,
        effort=0 if structure is None else structure.effort,
        radius=0.0 if structure is None else structure.radius,
        items=len(items),
        catalogue=vectors.shape[0],
        dimensions=vectors.shape[1],
        changed=0,
        vectors_sha256=version_of_vectors(vectors),
        ids_sha256=None if ids is None else version_of_ids(ids),
        build_seconds=perf_counter() - started,
    )
    return ItemIndex(items, held, report, structure)


def indexable(eligible: NDArray[np.bool_], vectors: NDArray[np.float32]) -> NDArray[np.int32]:
    """Codes of the eligible items with a vector that is not zero. Raises ContractError for values not finite."""
    if len(eligible) != len(vectors):
        raise ContractError(f"eligibility is told of {len(eligible)} items, there are vectors of {len(vectors)}")
    unsound = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(unsound):
        raise ContractError(
            f"{len(unsound)} of {len(vectors)} item vectors hold values that are not finite, the first at places "
            f"{unsound[:5].tolist()}; fit them again or repair the file they come from"
        )
    return np.flatnonzero(eligible & vectors.any(axis=1)).astype(np.int32)


def kind_for(config: IndexConfig, n_items: int) -> Kind:
    """The kind to build for so many items."""
    if not n_items:
        return "exact"
    if config.kind == "auto":
        return "exact" if n_items <= config.exact_max_items else "ivf"
    return config.kind


def _structure(
    vectors: NDArray[np.float32], queries: NDArray[np.float32] | None, config: IndexConfig, seed: int, threads: int
) -> Structure | None:
    kind = kind_for(config, len(vectors))
    if kind == "exact":
        return None
    asked = vectors if queries is None or not queries.any() else _checked_queries(queries, vectors.shape[1])
    with faiss_adapter.held(threads):
        return build_structure(vectors, asked, config, kind, seed)


def _checked_queries(queries: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    if queries.ndim != 2 or queries.shape[1] != dimensions:  # noqa: PLR2004  # a matrix
        raise ContractError(f"queries of shape {queries.shape} cannot be compared with vectors of {dimensions} values")
    unsound = np.flatnonzero(~np.isfinite(queries).all(axis=1))
    if len(unsound):
        raise ContractError(
            f"{len(unsound)} of {len(queries)} query vectors hold values that are not finite, the first at places "
            f"{unsound[:5].tolist()}; fit them again"
        )
    return np.ascontiguousarray(queries, dtype=np.float32)
