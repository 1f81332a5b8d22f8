"""An index brought up to date where few items changed, without training it again. `building` builds one anew."""

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.ann import faiss_adapter
from recs_platform.stages.retrieval.ann.building import build_index, indexable, kind_for
from recs_platform.stages.retrieval.ann.item_index import ItemIndex
from recs_platform.stages.retrieval.ann.report import version_of_ids, version_of_vectors
from recs_platform.stages.retrieval.ann.structure import Structure, fits_sphere, on_sphere


@dataclass(frozen=True, eq=False)
class _Change:
    """`items`: codes to hold from now on, ascending; `source`: int64, position of each in the old index, -1 if new.

    `gone`: positions whose vector is to be removed. A vector that moved is gone and new.
    """

    items: NDArray[np.int32]
    source: NDArray[np.int64]
    gone: NDArray[np.int64]

    @property
    def size(self) -> int:
        return len(self.gone) + int((self.source < 0).sum())


def refresh_index(
    index: ItemIndex,
    vectors: NDArray[np.float32],
    eligible: NDArray[np.bool_],
    *,
    codes: NDArray[np.int32] | None = None,
    queries: NDArray[np.float32] | None = None,
    ids: NDArray[np.object_] | None = None,
    threads: int = 1,
) -> ItemIndex:
    """The index of `vectors` (n_items, d) over the eligible items; the old one stays as it was.

    `codes`: int32, the code that each of the index's old codes has now, -1 where the item is gone; by default codes are
    what they were. New, gone and moved vectors are put in and taken out. Built anew, as `build_index` does with the
    index's config and seed, where search is exact (it costs nothing), where more than `rebuild_share` of the items
    changed since the last build, and where the kind or the length of vectors is another. Raises ContractError for
    vectors not finite. A refreshed index finds as much as a new one, though not always the same.
    """
    started = perf_counter()
    change = _change(index, vectors, indexable(eligible, vectors), codes)
    report, old = index.report, index.structure
    if old is None or _must_rebuild(index, vectors, change):
        return build_index(
            eligible, vectors, config=report.config, queries=queries, ids=ids, seed=report.seed, threads=threads
        )
    held = np.ascontiguousarray(vectors[change.items], dtype=np.float32)
    structure = _changed(old, held, change, threads)
    renewed = report.model_copy(
        update={
            "items": len(change.items),
            "catalogue": len(vectors),
            "changed": report.changed + change.size,
            "vectors_sha256": version_of_vectors(vectors),
            "ids_sha256": None if ids is None else version_of_ids(ids),
            "build_seconds": perf_counter() - started,
            "recall": (),
        }
    )
    return ItemIndex(change.items, held, renewed, structure)


def _change(
    index: ItemIndex, vectors: NDArray[np.float32], items: NDArray[np.int32], codes: NDArray[np.int32] | None
) -> _Change:
    now = index.items if codes is None else codes[index.items]
    source = np.full(len(vectors), -1, dtype=np.int64)
    known = np.flatnonzero((now >= 0) & (now < len(vectors)))
    if vectors.shape[1] == index.vectors.shape[1]:
        same = known[(vectors[now[known]] == index.vectors[known]).all(axis=1)]
        source[now[same]] = same
    source = source[items]
    kept = np.zeros(len(index.items), dtype=np.bool_)
    kept[source[source >= 0]] = True
    return _Change(items, source, np.flatnonzero(~kept))


def _must_rebuild(index: ItemIndex, vectors: NDArray[np.float32], change: _Change) -> bool:
    report = index.report
    changed = report.changed + change.size
    return (
        vectors.shape[1] != report.dimensions
        or kind_for(report.config, len(change.items)) != report.kind
        or changed > report.config.rebuild_share * report.items
        or (report.kind == "hnsw" and not fits_sphere(vectors[change.items], report.radius))
    )


def _changed(old: Structure, held: NDArray[np.float32], change: _Change, threads: int) -> Structure:
    """Labels of what stays are kept; new ones go on after the greatest ever given in a small world, or still held."""
    fresh = np.flatnonzero(change.source < 0)
    in_lists = old.kind == "ivf"
    first = int(old.labels.max(initial=-1)) + 1 if in_lists else faiss_adapter.count(old.faiss)
    labels = np.append(old.labels, np.int64(-1))[change.source]
    labels[fresh] = np.arange(first, first + len(fresh))
    added = held[fresh] if in_lists else on_sphere(held[fresh], old.radius)
    with faiss_adapter.held(threads if in_lists else 1):
        made = faiss_adapter.with_changes(old.faiss, old.labels[change.gone], added, labels[fresh], in_lists=in_lists)
    return replace(old, faiss=made, labels=labels)
