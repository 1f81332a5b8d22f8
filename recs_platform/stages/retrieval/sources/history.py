"""Item-to-item matrices: pruned to the best of each row, and scores from a user's latest items through them.

Each source fits its own matrix.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.packing import unpack
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceLists, lists_of
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs
from recs_platform.stages.retrieval.top_n import best_of_matrix, best_of_product


def latest_items(problem: RetrievalProblem, targets: NDArray[np.int32], length: int, decay: float) -> SparseRows:
    """Targets by items: decay ** position for the last `length` positive items of each target, 0 = the latest."""
    recent = problem.recent.take(targets)
    kept = recent.values < length
    weights = np.power(decay, recent.values[kept].astype(np.float64)).astype(np.float32)
    return from_sorted_pairs(recent.rows[kept], recent.columns[kept], weights, (len(targets), problem.n_items))


def retrieve_through(
    fit: Fitted, item_to_item: SparseRows, history: SparseRows, targets: NDArray[np.int32], n: int
) -> SourceLists:
    """The `n` best items of each target by history by item_to_item (items by items); `history` as `latest_items`."""
    excluded = fit.problem.excluded.take(targets)
    keys = best_of_product(
        history, item_to_item, n, excluded=excluded, allowed=fit.problem.eligible, threads=fit.threads
    )
    return lists_of(targets, keys)


def strongest(blocks: Iterable[SparseRows], n: int, n_columns: int) -> SparseRows:
    """The blocks below one another, only the `n` greatest values above 0 of each row kept, the greatest first.

    Ties go to the lower column. Blocks are made and pruned one at a time: what is not kept is not held.
    """
    lengths = [np.empty(0, dtype=np.int64)]
    columns = [np.empty(0, dtype=np.int32)]
    values = [np.empty(0, dtype=np.float32)]
    for block in blocks:
        keys = best_of_matrix(block, n)
        lengths.append((keys > 0).sum(axis=1))
        items, scores = unpack(keys[keys > 0])
        columns.append(items)
        values.append(scores)
    starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    return SparseRows(starts, np.concatenate(columns), np.concatenate(values), n_columns)


def row_ranges(costs: NDArray[np.int64], limit: int) -> list[tuple[int, int]]:
    """Ranges [low, high) that together cover the positions of `costs`, each of about `limit` in sum; at least one."""
    cuts = np.flatnonzero(np.diff(np.cumsum(costs) // limit)) + 1
    return list(pairwise([0, *cuts.tolist(), len(costs)]))
