"""What an index finds against multiplying everything, at several shares of eligible items."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.ann.building import indexable
from recs_platform.stages.retrieval.ann.item_index import ItemIndex
from recs_platform.stages.retrieval.ann.report import ShareRecall
from recs_platform.stages.retrieval.ann.structure import chosen_rows

SHARES = (1.0, 0.05, 0.005)
MIN_RECALL = 0.95
_QUERIES = 200
# Products held at once: 64 MB, and as much for their partition.
_BLOCK_CELLS = 16_000_000
# Two products this close, relative to the longest vectors, count as tied: they differ by rounding.
_TIE = 1e-5


def audit_recall(
    index: ItemIndex,
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    n: int = 200,
    shares: Sequence[float] = SHARES,
    eligible: NDArray[np.bool_] | None = None,
    seed: int = 0,
    threads: int = 1,
) -> tuple[ShareRecall, ...]:
    """One entry a share: recall of the true best `n` among items drawn by the seed, on at most 200 of the queries.

    `vectors` (n_items, d) are those that the index should hold, `eligible` (n_items,) those of the items that it
    should find, by default what it says it holds. Whatever scores as high as the n-th best counts as found, once.
    At most half of the drawn items are asked for, since asking for all of them would measure nothing. Zero queries are
    not asked. Without queries or items recall is 1.
    """
    wanted = index.items if eligible is None else indexable(eligible, vectors)
    asked = chosen_rows(queries, _QUERIES, seed)
    return tuple(
        _audit_share(index, vectors, asked, _drawn(wanted, share, seed), n, share, threads) for share in shares
    )


def audited(
    index: ItemIndex,
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    *,
    eligible: NDArray[np.bool_] | None = None,
    n: int = 200,
    threads: int = 1,
) -> ItemIndex:
    """The same index, with what `audit_recall` measured in its report."""
    found = audit_recall(index, vectors, queries, n=n, eligible=eligible, seed=index.report.seed, threads=threads)
    return replace(index, report=index.report.model_copy(update={"recall": found}))


def audit_failures(audit: Sequence[ShareRecall], *, least: float = MIN_RECALL) -> list[str]:
    """One sentence for each promise an audit found broken: recall, full answers, none ineligible."""
    return [
        f"at {row.share:.1%} eligible ({row.eligible:,} items): {complaint}"
        for row in audit
        for broken, complaint in (
            (row.recall < least, f"recall@{row.n} is {row.recall:.3f}, asked for {least:g}"),
            (row.short > 0, f"{row.short} of {row.queries} answers are short"),
            (row.ineligible > 0, f"{row.ineligible} items offered are not eligible"),
        )
        if broken
    ]


def _drawn(wanted: NDArray[np.int32], share: float, seed: int) -> NDArray[np.int32]:
    size = min(len(wanted), max(1, round(share * len(wanted))))
    return np.sort(np.random.default_rng(seed).choice(wanted, size, replace=False)) if size < len(wanted) else wanted


def _audit_share(
    index: ItemIndex,
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    drawn: NDArray[np.int32],
    n: int,
    share: float,
    threads: int,
) -> ShareRecall:
    flags = np.zeros(max(len(vectors), int(index.items.max(initial=-1)) + 1), dtype=np.bool_)
    flags[drawn] = True
    width = min(n, (len(drawn) + 1) // 2)
    found, _ = index.search(queries, width, eligible=flags, threads=threads)
    allowed = flags[found]
    hits = _hits(vectors, queries, drawn, np.where(allowed, found, -1), width) / max(1, width)
    return ShareRecall(
        share=share,
        eligible=len(drawn),
        queries=len(queries),
        n=width,
        recall=float(hits.mean()) if width and len(hits) else 1.0,
        worst=float(hits.min(initial=1.0)) if width else 1.0,
        short=int((allowed.sum(axis=1) < width).sum()),
        ineligible=int((~allowed).sum()),
    )


def _hits(
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    drawn: NDArray[np.int32],
    found: NDArray[np.int32],
    width: int,
) -> NDArray[np.int64]:
    """Distinct items found of each query (n_queries,) that are truly among its `width` best, ties included."""
    hits = np.full(len(queries), width, dtype=np.int64)
    candidates = vectors[drawn]
    longest = float(np.linalg.norm(candidates, axis=1).max(initial=0))
    for block in _blocks(len(queries), len(drawn)) if width else ():
        products = queries[block] @ candidates.T
        least = np.partition(products, len(drawn) - width, axis=1)[:, len(drawn) - width]
        least -= _TIE * longest * np.linalg.norm(queries[block], axis=1)
        distinct = np.sort(found[block], axis=1)
        fresh = (np.diff(distinct, axis=1, prepend=-1) > 0) & (distinct >= 0)
        scores = np.einsum("ud,uwd->uw", queries[block], vectors[distinct])
        hits[block] = np.minimum((fresh & (scores >= least[:, None])).sum(axis=1), width)
    return hits


def _blocks(n_rows: int, width: int) -> Iterator[slice]:
    step = max(1, _BLOCK_CELLS // max(1, width))
    return (slice(start, start + step) for start in range(0, n_rows, step))
