"""How alike a candidate is to what its user liked last, in ALS vectors: what the ranker sees of both together.

The inner product of the user's own vector and the item's, the source `als`, says what suits the whole history.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.als import ALS

LATEST = 5


@dataclass(frozen=True, eq=False)
class HistorySimilarity:
    """`units`: float32 (n_items, d), the items' vectors at length 1, zero where an item has none."""

    problem: RetrievalProblem
    units: NDArray[np.float32]
    threads: int

    def of(self, users: NDArray[np.int32], items: NDArray[np.int32]) -> NDArray[np.float32]:
        """float32 (n, 2): cosine of each item's vector to that of the item the user liked last, and to the last few.

        The last few are the mean of the vectors, at length 1, of the LATEST items. NaN where the user liked nothing, or
        a vector is missing. `users` ascend.
        """
        from recs_platform.contracts.compiled_loops import by_rows
        from recs_platform.stages.retrieval.similarity.kernels import cosines_to_history

        found = np.empty((len(users), 2), dtype=np.float32)
        begins = np.diff(users, prepend=-1) > 0
        given = (np.cumsum(begins) - 1, items, self.units, *self._histories(users[begins]), found)
        by_rows(len(users), self.threads, lambda first, last: cosines_to_history(first, last, *given))
        return found

    def _histories(self, users: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vector of the last item and of the last few of each user, float32 (n_users, d); zero without any."""
        recent = self.problem.recent
        starts, counts = recent.starts[users], recent.lengths[users]
        before: NDArray[np.int64] = np.cumsum(counts) - counts
        within = np.repeat(starts - before, counts) + np.arange(int(counts.sum()), dtype=np.int64)
        positions, items = recent.values[within], recent.columns[within]
        rows = np.repeat(np.arange(len(users)), counts)
        last, few = (np.zeros((len(users), self.units.shape[1])) for _ in range(2))
        np.add.at(last, rows[positions == 0], self.units[items[positions == 0]])
        np.add.at(few, rows[positions < LATEST], self.units[items[positions < LATEST]])
        return last.astype(np.float32), _at_length_one(few)


def history_similarity(fit: RetrievalFit) -> HistorySimilarity | None:
    """None where ALS is not fitted."""
    name = ALS().name
    if name not in fit.spaces:
        return None
    return HistorySimilarity(fit.problem, _at_length_one(fit.space(name).embeddings.item_factors), fit.threads)


def _at_length_one(vectors: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0).astype(np.float32)
