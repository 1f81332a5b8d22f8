"""Lists by inner product through an index, one way for all vector sources."""

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.embeddings import VectorSpace
from recs_platform.stages.retrieval.packing import Keys, pack
from recs_platform.stages.retrieval.sources.base import Fitted, SourceLists, lists_of
from recs_platform.stages.retrieval.top_n import best, blocks_by_width, is_excluded

# Searched at once: of a few hundred, faiss spends most of the time on packing the items again.
_BLOCK_QUERIES = 4096


def nearest_items(fit: Fitted, name: str, targets: NDArray[np.int32], n: int) -> SourceLists:
    """The `n` greatest inner products of each target above 0 in the space of the source `name`.

    Users whose vector is zero get no entry. What may not be offered to anyone is left out inside the search; beyond
    `n`, as many are fetched as the target has consumed. A list that an approximate search leaves short is searched
    again exactly, so that it is short only where no more items score above 0.
    """
    space = fit.space(name)
    keys = np.zeros((len(targets), n), dtype=np.int64)
    known = np.flatnonzero(space.embeddings.user_factors[targets].any(axis=1))
    for positions, width in blocks_by_width(fit.problem, targets[known], n, rows_max=_BLOCK_QUERIES):
        rows = known[positions]
        keys[rows] = _search(fit, space, targets[rows], width, n)
        if space.index.structure is not None and n:
            short = rows[keys[rows, n - 1] == 0]
            keys[short] = _search(fit, space, targets[short], width, n, exact=True)
    return lists_of(targets, keys)


def _search(
    fit: Fitted, space: VectorSpace, targets: NDArray[np.int32], width: int, n: int, *, exact: bool = False
) -> Keys:
    queries = space.embeddings.user_factors[targets]
    items, scores = space.index.search(queries, width, eligible=fit.problem.eligible, exact=exact, threads=fit.threads)
    return best(np.where(is_excluded(fit.problem, targets, items), 0, pack(scores, items)), n)
