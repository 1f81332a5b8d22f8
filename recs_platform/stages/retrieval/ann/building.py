"""Which items go into an index, and what it is made of. It is searched in `item_index`, renewed in `refresh`."""

from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.ann import faiss_adapter
from recs_platform.stages.retrieval.ann.config import IndexConfig, Kind
from recs_platform.stages.retrieval.ann.item_index import ItemIndex, checked_queries
from recs_platform.stages.retrieval.ann.report import IndexReport, version_of_ids, version_of_vectors
from recs_platform.stages.retrieval.ann.structure import Structure, build_structure


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
        raise ContractError(
            f"eligibility covers {len(eligible)} items, there are vectors of {len(vectors)}; pass a flag for each"
        )
    unsound = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(unsound):
        raise ContractError(
            f"{len(unsound)} of {len(vectors)} item vectors hold values that are not finite, the first at positions "
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
    asked = vectors if queries is None or not queries.any() else checked_queries(queries, vectors.shape[1])
    with faiss_adapter.held(threads):
        return build_structure(vectors, asked, config, kind, seed)
