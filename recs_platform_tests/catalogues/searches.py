"""A random catalogue, mask and index, and what is wrong with its answers by brute force. Users are not drawn here."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.index import IndexConfig, ItemIndex, build_index

Kind = Literal["exact", "ivf", "hnsw"]
KINDS: tuple[Kind, ...] = ("exact", "ivf", "hnsw")
# Greatest share of the items with a vector that may be offered, and what such masks are called.
SHARES = ((0.0, "none"), (0.01, "to 1 %"), (0.1, "to 10 %"), (0.5, "to 50 %"), (1.0, "to 100 %"))
Vectors = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Catalogue:
    """Vectors (n_items, d), of which those `indexed` are built into an index and those `eligible` are asked for.

    `is_grid`: values are small integers, so that many products are equal.
    """

    vectors: Vectors
    queries: Vectors
    indexed: Mask
    eligible: Mask
    is_grid: bool

    @property
    def allowed(self) -> Mask:
        """What should be found."""
        return self.indexed & self.eligible & self.vectors.any(axis=1)


@dataclass(frozen=True)
class Searched:
    """One case: what was built, the name of its share of eligible items, the least recall of a query, what is wrong."""

    kind: str
    share: str
    worst_recall: float
    faults: tuple[str, ...]


def try_search(seed: int) -> Searched:
    """Draw a catalogue, index it, search it and compare with brute force."""
    rng = np.random.default_rng([seed, 1])
    drawn = draw_catalogue(rng)
    asked = KINDS[seed % len(KINDS)]
    index = build_index(drawn.indexed, drawn.vectors, config=_config(rng, asked), queries=drawn.queries, seed=seed)
    n = int(rng.choice([1, 5, 20, 150, 500]))
    found = index.search(drawn.queries, n, eligible=drawn.eligible, threads=int(rng.integers(1, 3)))
    expected = brute_force(drawn, n)
    faults = [*_faults(drawn, index, n, found, expected), *_group_faults(drawn, index, n, found[0])]
    return Searched(asked, _named_share(drawn), _worst_recall(found[1], expected[1]), tuple(faults))


def draw_catalogue(rng: np.random.Generator) -> Catalogue:
    """1 to 400 items of 1 to 32 values around a few centres, some of them zero, some the same as others."""
    items, dimensions = int(rng.integers(1, 401)), int(rng.integers(1, 33))
    is_grid = bool(rng.random() < 0.5)
    centres = rng.standard_normal((int(rng.integers(1, 13)), dimensions))
    vectors, queries = (
        centres[rng.integers(len(centres), size=size)] + rng.standard_normal((size, dimensions)) / 3
        for size in (items, int(rng.integers(1, 13)))
    )
    vectors *= rng.lognormal(0, rng.choice([0, 0.5, 1.5]), (items, 1))
    if is_grid:
        vectors, queries = np.round(vectors), np.round(queries)
    same = rng.random(items) < rng.choice([0, 0.2, 0.9])
    vectors[same] = vectors[rng.integers(items, size=same.sum())]
    vectors[rng.random(items) < rng.choice([0, 0.1, 0.5])] = 0
    indexed = rng.random(items) < rng.choice([1, 0.7])
    eligible = rng.random(items) < rng.choice([0, 0.005, 0.05, 0.3, 0.5, 0.9, 1])
    return Catalogue(vectors.astype(np.float32), queries.astype(np.float32), indexed, eligible, is_grid)


def brute_force(drawn: Catalogue, n: int) -> tuple[NDArray[np.int64], Vectors]:
    """The `n` greatest products of each query with what is allowed, ties by item: items, scores."""
    rows = np.flatnonzero(drawn.allowed)
    scores = products(drawn.queries, drawn.vectors, np.tile(rows, (len(drawn.queries), 1)))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    return rows[order], np.take_along_axis(scores, order, axis=1)


def products(queries: Vectors, vectors: Vectors, items: NDArray[np.integer]) -> Vectors:
    """Inner product of each query with its row of items, one pair at a time."""
    return np.einsum("ud,uwd->uw", queries, vectors[items])


def _config(rng: np.random.Generator, kind: Kind) -> IndexConfig:
    """Efforts from so small that searches miss and fall short to those of a running platform."""
    return IndexConfig(
        kind=kind,
        exact_max_share=rng.choice([0, 0.3]),
        target_recall=rng.choice([0.5, 0.96]),
        target_n=int(rng.choice([5, 50])),
        lists=int(rng.integers(1, 30)),
        links=int(rng.choice([4, 16])),
    )


def _faults(
    drawn: Catalogue,
    index: ItemIndex,
    n: int,
    found: tuple[NDArray[np.int32], Vectors],
    expected: tuple[NDArray[np.int64], Vectors],
) -> Iterator[str]:
    items, scores = found
    width = min(n, int(drawn.allowed.sum()))
    if items.shape != (len(drawn.queries), width) or scores.shape != items.shape:
        yield f"{items.shape} answers where {(len(drawn.queries), width)} are due"
        return
    if not drawn.allowed[items].all():
        yield f"{(~drawn.allowed[items]).sum()} items are not eligible"
    if width and (np.diff(np.sort(items, axis=1), axis=1) == 0).any():
        yield "an item twice"
    if products(drawn.queries, drawn.vectors, items).tobytes() != scores.tobytes():
        yield "a score is not the inner product"
    is_tied = np.diff(scores, axis=1) == 0
    if (np.diff(scores, axis=1) > 0).any() or (is_tied & (np.diff(items, axis=1) < 0)).any():
        yield "not in order of score, then item"
    exact = items
    if index.report.kind != "exact":
        exact, _ = index.search(drawn.queries, n, eligible=drawn.eligible, exact=True)
    if not np.array_equal(exact, expected[0]):
        yield f"exact search finds others than brute force in {(exact != expected[0]).any(axis=1).sum()} answers"


def _group_faults(drawn: Catalogue, index: ItemIndex, n: int, items: NDArray[np.int32]) -> Iterator[str]:
    """The same queries beside a group that may be offered nothing: the same answers, and none."""
    groups = (np.arange(2 * len(drawn.queries)) % 2).astype(np.int32)
    flags = np.stack([drawn.eligible, np.zeros_like(drawn.eligible)])
    both, _ = index.search(np.repeat(drawn.queries, 2, axis=0), n, eligible=flags, groups=groups)
    if not np.array_equal(both[::2], items):
        yield "other answers beside another group"
    if (both[1::2] >= 0).any():
        yield "answers for a group that may be offered nothing"


def _worst_recall(scores: Vectors, expected: Vectors) -> float:
    """Least share of a query's answers that are as good as the last of the true best."""
    if not expected.size or scores.shape != expected.shape:
        return 1.0
    return float((scores >= expected[:, -1:]).mean(axis=1).min())


def _named_share(drawn: Catalogue) -> str:
    held = drawn.indexed & drawn.vectors.any(axis=1)
    share = drawn.allowed.sum() / max(1, held.sum())
    return next(name for most, name in SHARES if share <= most)
