"""An approximate index and how hard it must be searched. `item_index` decides between it and exact search."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.ann import faiss_adapter
from recs_platform.stages.retrieval.ann.config import IndexConfig, Kind

# Queries that effort is chosen by.
_CHOOSING_QUERIES = 128
# With more of the lists probed than this, exact search is about as quick: `auto` stays exact.
_WORTHWHILE_SHARE = 1 / 8
# A share of items eligible spreads the best of a query over more than 1 / share times as many lists.
_SPREAD = 1.5


@dataclass(frozen=True, eq=False)
class Structure:
    """What faiss made of vectors; it knows the vector at each position by a label of its own, int64 (n_positions,).

    `effort` finds `target_n` items of all; from the effort `most` on, exact search is quicker. `lists` is 0 and
    `radius` above 0 for a small world.
    """

    kind: Kind
    faiss: faiss_adapter.FaissIndex
    labels: NDArray[np.int64]
    lists: int
    most: int
    effort: int
    radius: float
    target_n: int

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """Position of each label, -1 where its vector is gone; one more for "not found"."""
        positions = np.full(int(self.labels.max(initial=-1)) + 2, -1, dtype=np.int64)
        positions[self.labels] = np.arange(len(self.labels))
        return positions

    def effort_for(self, n: int, share: float) -> int | None:
        """Effort to find `n` items where a share is eligible; None where exact search is quicker."""
        depth = max(1.0, n / self.target_n) / share
        effort = max(n, round(self.effort * depth)) if self.kind == "hnsw" else round(self.effort * depth**_SPREAD)
        return effort if effort < self.most else None

    def find(
        self, queries: NDArray[np.float32], n: int, effort: int, eligible: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """Positions (n_queries, n) of items found, -1 where fewer were; `eligible`: flags by position."""
        allowed = self._by_label(eligible)
        if self.kind == "hnsw":
            flat = np.pad(queries, ((0, 0), (0, 1)))
            labels = faiss_adapter.search_links(self.faiss, flat, n, effort, allowed)
        else:
            labels = faiss_adapter.search_lists(self.faiss, queries, n, effort, allowed)
        # Label -1 reads the last entry, which is no position.
        return self.positions[labels]

    def _by_label(self, eligible: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        held = faiss_adapter.count(self.faiss)
        if eligible is None and held == len(self.labels):
            return None
        allowed = np.zeros(max(held, len(self.positions) - 1), dtype=np.bool_)
        allowed[self.labels] = True if eligible is None else eligible
        return allowed


def build_structure(
    vectors: NDArray[np.float32], queries: NDArray[np.float32], config: IndexConfig, kind: Kind, seed: int
) -> Structure | None:
    """Train, fill and choose the effort; None where `auto` finds none that is worthwhile. `vectors` are not empty."""
    labels, size = np.arange(len(vectors), dtype=np.int64), len(vectors)
    lists, radius = 0, 0.0
    if kind == "hnsw":
        radius = float(np.sqrt(_squares(vectors).max()))
        with faiss_adapter.held(1):
            made = faiss_adapter.into_links(on_sphere(vectors, radius), config.links, config.link_effort)
    else:
        lists = min(config.lists or round(size**0.5), size)
        made = faiss_adapter.into_lists(vectors, labels, lists, seed)
    most = most_effort(config, lists, size)
    raw = Structure(kind, made, labels, lists, most, 0, radius, config.target_n)
    return _with_effort(raw, vectors, chosen_rows(queries, _CHOOSING_QUERIES, seed), config)


def most_effort(config: IndexConfig, lists: int, size: int) -> int:
    """The effort at which exact search is quicker: all lists, or in a small world as many steps as there are items."""
    return lists or size // config.links


def on_sphere(vectors: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """One more value a vector, which brings its norm to `radius`: the nearest then has the greatest inner product.

    The reduction of Bachrach et al. 2014. A small world over raw products of uneven norms finds two thirds at most.
    """
    height = np.sqrt(np.maximum(radius**2 - _squares(vectors), 0))
    return np.column_stack([vectors, height.astype(np.float32)])


def fits_sphere(vectors: NDArray[np.float32], radius: float) -> bool:
    """Whether no vector is longer than `radius`, rounding aside."""
    return bool(_squares(vectors).max(initial=0) <= radius**2 * (1 + 1e-9))


def chosen_rows(rows: NDArray[np.float32], n: int, seed: int) -> NDArray[np.float32]:
    """At most `n` of the rows that are not zero, drawn by the seed, in their order."""
    known = np.flatnonzero(rows.any(axis=1))
    if len(known) > n:
        known = np.sort(np.random.default_rng(seed).choice(known, n, replace=False))
    return np.ascontiguousarray(rows[known], dtype=np.float32)


def _with_effort(
    raw: Structure, vectors: NDArray[np.float32], queries: NDArray[np.float32], config: IndexConfig
) -> Structure | None:
    """The least of the efforts tried that reaches the target recall on the queries; the most where none does."""
    n = min(config.target_n, len(vectors))
    best = faiss_adapter.nearest(queries, vectors, n)
    effort = 1 if raw.lists else n
    while effort < raw.most:
        if config.kind == "auto" and effort > raw.most * _WORTHWHILE_SHARE:
            return None
        if _overlap(best, raw.find(queries, n, effort, None), len(vectors)) >= config.target_recall:
            return replace(raw, effort=effort)
        effort += max(1, effort // 2)
    return replace(raw, effort=raw.most)


def _overlap(best: NDArray[np.int64], found: NDArray[np.int64], size: int) -> float:
    rows = np.arange(len(best))[:, None] * size
    return float(np.isin(best + rows, (found + rows)[found >= 0]).mean()) if best.size else 1.0


def _squares(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.einsum("ud,ud->u", vectors, vectors, dtype=np.float64)
