"""Measurements of searching item vectors, exactly and approximately, on drawn clusters. Sources are not run here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.promises import APPROXIMATE_SEARCH, EXACT_SEARCH
from benchmarks.timing import SEED, Row, timed
from recs_platform.cli.house import open_platform
from recs_platform.stages.retrieval.index import IndexConfig, ItemIndex, audit_recall, build_index

DIMENSIONS = 64
N = 200
Vectors = NDArray[np.float32]


def clusters(items: int, queries: int) -> tuple[Vectors, Vectors]:
    """Items around one centre in five hundred of them, of uneven length, and queries around the same centres."""
    rng = np.random.default_rng(SEED)
    centres = rng.standard_normal((max(1, items // 500), DIMENSIONS), dtype=np.float32)
    vectors, asked = (
        centres[rng.integers(len(centres), size=size)] + rng.standard_normal((size, DIMENSIONS), dtype=np.float32) / 2
        for size in (items, queries)
    )
    return (vectors * rng.lognormal(0, 0.3, (items, 1))).astype(np.float32), asked.astype(np.float32)


def plain(vectors: Vectors, queries: Vectors) -> None:
    """The bound: products of a block of queries with everything, and a partition of them."""
    step = max(1, 16_000_000 // len(vectors))
    for start in range(0, len(queries), step):
        products = queries[start : start + step] @ vectors.T
        np.argpartition(products, len(vectors) - N, axis=1)[:, -N:]


def exact_search(_folder: Path, scale: float) -> list[Row]:
    items, queries = max(N, int(40_000 * scale)), int(10_000 * scale)
    vectors, asked = clusters(items, queries)
    threads = open_platform().settings.threads
    building, index = timed(lambda: build_index(np.ones(items, dtype=np.bool_), vectors))
    bound, _ = timed(lambda: plain(vectors, asked))
    seconds, _ = timed(lambda: index.search(asked, N, threads=threads))
    size = f"{queries:,} queries x {items:,} items"
    return [
        Row(f"search: index exactly, {items:,} items", building, items, "items"),
        Row(EXACT_SEARCH, seconds, queries, "queries", "product and partition in numpy", bound, f"{size}, top {N}"),
    ]


def approximate_search(_folder: Path, scale: float) -> list[Row]:
    items, queries = max(N, int(1_000_000 * scale)), 2_000
    vectors, asked = clusters(items, queries + 200)
    threads = open_platform().settings.threads
    everything, config = np.ones(items, dtype=np.bool_), IndexConfig(kind="ivf")
    building, index = timed(
        lambda: build_index(everything, vectors, config=config, queries=asked[:200], seed=SEED, threads=threads)
    )
    found = audit_recall(index, vectors, asked[200:], n=N, shares=(1.0,), seed=SEED, threads=threads)
    whole = _beside_exact(APPROXIMATE_SEARCH, index, asked[200:], everything, threads)
    return [
        Row(f"search: train and fill lists, {items:,} items", building, items, "items"),
        replace(whole, told=f"{items:,} items, top {N}", recall=found[0].recall),
        *(
            _beside_exact(
                f"search: approximate, {share:.0%} eligible", index, asked[200:], _some(items, share), threads
            )
            for share in (0.5, 0.05)
        ),
    ]


def _some(items: int, share: float) -> NDArray[np.bool_]:
    return np.random.default_rng(SEED).random(items) < share


def _beside_exact(what: str, index: ItemIndex, queries: Vectors, eligible: NDArray[np.bool_], threads: int) -> Row:
    """Exact search takes a quarter of the queries, and its seconds four times."""
    seconds, _ = timed(lambda: index.search(queries, N, eligible=eligible, threads=threads))
    some = queries[: len(queries) // 4]
    exact, _ = timed(lambda: index.search(some, N, eligible=eligible, exact=True, threads=threads))
    return Row(what, seconds, len(queries), "queries", "exactly", exact * len(queries) / len(some))
