# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportCallIssue=false, reportAttributeAccessIssue=false
"""What is taken from faiss: exact search, inverted lists, navigable small worlds. No other module imports it."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.threads import limited

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]
FaissIndex = Any  # faiss has no types

# Points that k-means sees for each list, and its sweeps: more cost time and find nothing more.
_POINTS_A_LIST = 64
_SWEEPS = 10


@contextmanager
def held(threads: int) -> Generator[None]:
    """Hold faiss to so many threads, and what it multiplies with to one."""
    import faiss  # noqa: F401  # only libraries that are loaded can be held  # pyright: ignore[reportUnusedImport]

    with limited(threads):
        yield


def nearest(queries: Vectors, vectors: Vectors, n: int) -> Labels:
    """Rows of `vectors` with the `n` greatest inner products, (n_queries, n); n at most len(vectors)."""
    from faiss import METRIC_INNER_PRODUCT, knn

    _, positions = knn(queries, vectors, n, metric=METRIC_INNER_PRODUCT)
    return positions


def into_lists(vectors: Vectors, labels: Labels, lists: int, seed: int) -> FaissIndex:
    """Inverted lists by spherical k-means, over inner products.

    Reduced to L2 by one more dimension, the same recall took two to four times as many lists.
    """
    from faiss import METRIC_INNER_PRODUCT, IndexFlatIP, IndexIVFFlat

    index = IndexIVFFlat(IndexFlatIP(vectors.shape[1]), vectors.shape[1], lists, METRIC_INNER_PRODUCT)
    index.cp.seed = seed
    index.cp.niter = _SWEEPS
    index.cp.min_points_per_centroid = 1
    index.cp.max_points_per_centroid = _POINTS_A_LIST
    index.train(vectors)
    index.add_with_ids(vectors, labels)
    return index


def into_links(vectors: Vectors, links: int, effort: int) -> FaissIndex:
    """A small world of vectors labelled by their row, by L2 distance. The same bytes only on one thread."""
    from faiss import METRIC_L2, IndexHNSWFlat

    index = IndexHNSWFlat(vectors.shape[1], links, METRIC_L2)
    index.hnsw.efConstruction = effort
    index.add(vectors)
    return index


def search_lists(index: FaissIndex, queries: Vectors, n: int, probes: int, allowed: NDArray[np.bool_] | None) -> Labels:
    """Labels of the `n` best found in the `probes` nearest lists, -1 where there are fewer; `allowed`: by label."""
    from faiss import SearchParametersIVF

    with _one_query_at_a_time():
        _, labels = index.search(queries, n, params=SearchParametersIVF(nprobe=probes, **_selection(allowed)))
    return labels


def search_links(index: FaissIndex, queries: Vectors, n: int, effort: int, allowed: NDArray[np.bool_] | None) -> Labels:
    """Labels of the `n` nearest found while keeping `effort` open, -1 where there are fewer; `allowed`: by label."""
    from faiss import SearchParametersHNSW

    # The queue must stay bounded: an unbounded one does not ask the selector.
    _, labels = index.search(queries, n, params=SearchParametersHNSW(efSearch=effort, **_selection(allowed)))
    return labels


def with_changes(index: FaissIndex, gone: Labels, vectors: Vectors, labels: Labels, *, in_lists: bool) -> FaissIndex:
    """A copy without `gone` and with `vectors` under `labels`.

    A small world keeps what is gone, which must then not be allowed, and `labels` must go on where its count ends.
    """
    from faiss import IDSelectorBatch, clone_index

    copy = clone_index(index)
    if in_lists:
        copy.remove_ids(IDSelectorBatch(gone))
        copy.add_with_ids(vectors, labels)
    else:
        copy.add(vectors)
    return copy


def count(index: FaissIndex) -> int:
    """Vectors in the index."""
    return int(index.ntotal)


def write(index: FaissIndex, path: Path) -> None:
    """One file."""
    from faiss import write_index

    write_index(index, str(path))


def read(path: Path) -> FaissIndex:
    """What `write` wrote. Raises RuntimeError for a file cut short or of something else."""
    from faiss import read_index

    return read_index(str(path))


def _selection(allowed: NDArray[np.bool_] | None) -> dict[str, Any]:
    from faiss import IDSelectorBitmap

    return {} if allowed is None else {"sel": IDSelectorBitmap(np.packbits(allowed, bitorder="little"))}


@contextmanager
def _one_query_at_a_time() -> Generator[None]:
    """Keep faiss from multiplying queries in blocks: a query's nearest lists would depend on its company."""
    from faiss import cvar

    before = cvar.distance_compute_blas_threshold
    cvar.distance_compute_blas_threshold = np.iinfo(np.int32).max
    try:
        yield
    finally:
        cvar.distance_compute_blas_threshold = before
