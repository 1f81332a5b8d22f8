"""Lists by inner product plus a sum over the graph of users and items: what a low-rank filter leaves out, exactly.

Scores of users by items are held for a block of users at a time. Lists by inner product alone are in
`sources/nearest_items`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.threads import limited
from recs_platform.stages.retrieval.packing import Keys, pack
from recs_platform.stages.retrieval.sparse import SparseRows
from recs_platform.stages.retrieval.top_n import best

# Scores of users by items held at once by a thread: twice 32 MB.
_BLOCK_SCORES = 8_000_000
# A block is not made longer than this, for small catalogues: some blocks a thread.
_BLOCK_USERS = 512
# Kept beyond what is asked for, since products of blocks are rounded otherwise than those of single pairs.
_MARGIN = 8
# Products of two vectors, over their lengths, that are this close may be equal but for rounding.
_ROUNDING = 1e-5


@dataclass(frozen=True, eq=False)
class LikesGraph:
    """Who likes what: `audiences` items by users, `likes` users by items (values are not read).

    `user_weights`: float32 (n_users,), what a path through the user is worth.
    """

    audiences: SparseRows
    likes: SparseRows
    user_weights: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TailedQueries:
    """Rows to search for: a score is `vectors` . item vector + sum over paths item - user - item from `histories`.

    `vectors`: float32 (n, d). `histories`: n rows by items; a path adds the stored value times the weight of the user
    that it goes through. `excluded`: n rows by items that must not be found.
    """

    vectors: NDArray[np.float32]
    histories: SparseRows
    excluded: SparseRows

    def take(self, rows: NDArray[np.int64]) -> "TailedQueries":
        """Those rows, in that order."""
        return TailedQueries(self.vectors[rows], self.histories.take(rows), self.excluded.take(rows))


def best_with_tail(
    queries: TailedQueries,
    items: NDArray[np.float32],
    graph: LikesGraph,
    n: int,
    *,
    allowed: NDArray[np.bool_],
    threads: int = 1,
) -> Keys:
    """The `n` greatest scores above 0 of each query among `allowed` items, as keys (n_queries, n), ties by item.

    `items`: float32 (n_items, d). A row's keys depend neither on the other rows nor on `threads`.
    """
    from recs_platform.contracts.compiled_loops import by_rows

    keys = np.zeros((len(queries.vectors), n), dtype=np.int64)
    step = max(1, min(_BLOCK_USERS, _BLOCK_SCORES // max(1, len(items))))
    starts = range(0, len(keys) if n and len(items) else 0, step)
    longest = float(np.sqrt(np.einsum("id,id->i", items, items).max(initial=0)))

    def work(first: int, last: int) -> None:
        for start in starts[first:last]:
            block = _Block(queries.take(np.arange(start, min(start + step, len(keys)))), items, graph, allowed)
            keys[start : start + step] = block.best(n, longest)

    with limited(threads):
        by_rows(len(starts), threads, work)
    return keys


class _Block:
    """A few queries against all items: `tails` are exact, `scores` rounded as their block of rows happens to be."""

    def __init__(
        self, queries: TailedQueries, items: NDArray[np.float32], graph: LikesGraph, allowed: NDArray[np.bool_]
    ) -> None:
        from recs_platform.stages.retrieval.kernels import sums_over_paths

        self._queries, self._items, self._allowed = queries, items, allowed
        self._tails = np.zeros((len(queries.vectors), len(items)), dtype=np.float32)
        histories, audiences, likes = queries.histories, graph.audiences, graph.likes
        sums_over_paths(
            histories.starts, histories.columns, histories.values, audiences.starts, audiences.columns,
            graph.user_weights, likes.starts, likes.columns, self._tails,
        )  # fmt: skip
        self._scores = queries.vectors @ items.T
        self._scores += self._tails

    def best(self, n: int, longest: float) -> Keys:
        """Keys of the `n` best of each row; `longest`: norm of the longest item vector."""
        from recs_platform.stages.retrieval.kernels import best_of_rows

        fetched = min(n + _MARGIN, len(self._items))
        near = np.full((len(self._scores), fetched), -1, dtype=np.int64)
        excluded = self._queries.excluded
        best_of_rows(self._scores, self._allowed, excluded.starts, excluded.columns, near)
        rows = np.arange(len(near))
        found = self._exact(rows, near)
        keys = best(found, n)
        slack = _ROUNDING * longest * np.linalg.norm(self._queries.vectors, axis=1)
        least = np.where(keys[:, -1] > 0, (keys[:, -1] >> 32).astype(np.int32).view(np.float32), 0) - slack
        last = np.where(near[:, -1] < 0, -np.inf, self._scores[rows, near[:, -1]])
        for row in np.flatnonzero(last >= least).tolist():
            keys[row] = best(self._exact(np.array([row]), self._reaching(row, least[row])[None, :]), n)[0]
        return keys

    def _reaching(self, row: int, least: float) -> NDArray[np.int64]:
        """All items that may be found whose score is at least so great: where many are as good as the last kept."""
        reached = (self._scores[row] >= least) & self._allowed
        excluded = self._queries.excluded
        reached[excluded.columns[excluded.starts[row] : excluded.starts[row + 1]]] = False
        return np.flatnonzero(reached)

    def _exact(self, rows: NDArray[np.int64], found: NDArray[np.int64]) -> Keys:
        """Keys of the scores of single pairs, the same in any company; 0 where nothing was found (-1)."""
        products = np.einsum("ud,uwd->uw", self._queries.vectors[rows], self._items[found])
        scores = products + self._tails[rows[:, None], found]
        return np.where(found < 0, 0, pack(scores, np.maximum(found, 0)))
