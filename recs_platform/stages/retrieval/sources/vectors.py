"""Items near the user's latest ones by vectors that the operator brought. `vector_files` reads them."""

from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.stages.retrieval.embeddings import Embeddings
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.history import latest_items
from recs_platform.stages.retrieval.sources.nearest_items import nearest_items
from recs_platform.stages.retrieval.sparse import to_scipy

# Numbers of the histories' vectors held at once: 64 MB of doubles.
_BLOCK_CELLS = 8_000_000


class VectorsConfig(SourceConfig):
    """How vectors of items become those of users."""

    normalize: Annotated[
        bool, Field(description="compare directions only; where false, longer vectors score higher")
    ] = True
    history: Annotated[int, Field(ge=1, le=1000, description="latest items of a user that are looked up")] = 50
    decay: Annotated[float, Field(gt=0, le=1, description="weight of an item against the one after it")] = 0.95


@dataclass(frozen=True)
class Vectors:
    """Inner product of an item's vector and the decayed mean of those of the user's latest items."""

    name: str = "vectors"
    config: VectorsConfig = field(default_factory=VectorsConfig)

    def embed(self, problem: RetrievalProblem, *, seed: int, threads: int) -> Embeddings:  # noqa: ARG002
        """See VectorSource. Nothing is drawn or fitted: `seed` and `threads` change nothing."""
        items = scaled(problem.vectors, normalize=self.config.normalize)
        users = mean_of_history(problem, items, length=self.config.history, decay=self.config.decay)
        users = unit_rows(users) if self.config.normalize else users.astype(np.float32)
        return Embeddings(problem.user_ids, problem.item_ids, users, items)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Items without a vector are never offered; users without one in their history get no entry."""
        return nearest_items(fit, self.name, targets, n)


def scaled(vectors: NDArray[np.float32], *, normalize: bool) -> NDArray[np.float32]:
    """Float32 (n, max(d, 1)): rows of length 1, or all rows divided by the length of the longest; zero stays zero.

    The longest has length 1 either way, so that no product of two overflows.
    """
    if not vectors.shape[1]:
        return np.zeros((len(vectors), 1), dtype=np.float32)
    if normalize:
        return unit_rows(vectors)
    longest = float(_lengths(vectors).max(initial=0)) or 1.0
    return (vectors.astype(np.float64) / longest).astype(np.float32)


def mean_of_history(
    problem: RetrievalProblem, vectors: NDArray[np.float32], *, length: int, decay: float
) -> NDArray[np.float64]:
    """Float64 (n_users, d): mean of the vectors of each user's latest positives, weighted by decay ** position.

    `position` counts back from the latest = 0 up to `length` - 1; items whose vector is zero have a position but no
    part in the mean. Zero for users without any.
    """
    means = np.zeros((problem.n_users, vectors.shape[1]), dtype=np.float64)
    known = np.any(vectors, axis=1, keepdims=True).astype(np.float64)
    doubles = vectors.astype(np.float64)
    rows = max(1, _BLOCK_CELLS // vectors.shape[1])
    for start in range(0, problem.n_users, rows):
        targets = np.arange(start, min(start + rows, problem.n_users), dtype=np.int32)
        history = cast("Any", to_scipy(latest_items(problem, targets, length, decay)))
        totals = history @ known
        means[targets] = (history @ doubles) / np.where(totals > 0, totals, 1)
    return means


def unit_rows(vectors: NDArray[np.float32] | NDArray[np.float64], *, least: float = 0.0) -> NDArray[np.float32]:
    """Float32: rows divided by their length; zero for those no longer than `least`."""
    lengths = _lengths(vectors)
    held = lengths > least
    return np.where(held[:, None], vectors / np.where(held, lengths, 1)[:, None], 0).astype(np.float32)


def _lengths(vectors: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linalg.norm(vectors.astype(np.float64), axis=1)  # squares of float32 overflow
