"""Items liked by the same users as the user's latest items. Users are not compared with each other here."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.stages.retrieval.implicit_adapter import nearest_columns
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.history import latest_items, retrieve_through
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs, sum_pairs


class ItemKnnConfig(SourceConfig):
    """Shrunken cosine similarity of items over users (as in Sarwar et al. 2001)."""

    neighbours: Annotated[int, Field(ge=1, le=5000, description="kept for each item; bounds memory and time")] = 100
    shrinkage: Annotated[float, Field(ge=0, description="added to squared norms: rare items are less sure")] = 10.0
    activity_damping: Annotated[float, Field(ge=0, le=2, description="a user counts activity ** -this")] = 0.5
    fit_history: Annotated[int, Field(ge=2, description="latest items of a user compared; cost is its square")] = 500
    history: Annotated[int, Field(ge=1, le=1000, description="latest items of a user that are looked up")] = 50
    decay: Annotated[float, Field(gt=0, le=1, description="weight of an item against the one after it")] = 0.85


@dataclass(frozen=True)
class ItemKnn:
    """Sum over the user's latest items of decay ** place * similarity."""

    name: str = "item_knn"
    config: ItemKnnConfig = field(default_factory=ItemKnnConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive get no entry."""
        history = latest_items(fit.problem, targets, self.config.history, self.config.decay)
        return retrieve_through(fit.problem, self.similarity(fit), history, targets, n)

    def similarity(self, fit: Fitted) -> SparseRows:
        """Items by items, at most `neighbours` a row, itself left out."""
        return fit.prepared(self.name, lambda: fit_similarity(fit.problem, self.config, threads=fit.threads))


def fit_similarity(problem: RetrievalProblem, config: ItemKnnConfig, *, threads: int) -> SparseRows:
    """Similarity of i and j: x_i . x_j / sqrt((|x_i|² + s)(|x_j|² + s)), with x over users, s the shrinkage.

    An entry of x is (user's items) ** (-activity_damping / 2), so a user adds activity ** -damping to a pair.
    """
    vectors = _scaled(problem, config)
    items, neighbours, products = nearest_columns(vectors, config.neighbours + 1, threads=threads)
    kept = (items != neighbours) & (products > 0)
    return sum_pairs(items[kept], neighbours[kept], products[kept], (problem.n_items, problem.n_items))


def _scaled(problem: RetrievalProblem, config: ItemKnnConfig) -> SparseRows:
    recent = problem.recent
    kept = recent.values < config.fit_history
    users, items = recent.rows[kept], recent.columns[kept]
    activity = np.bincount(users, minlength=problem.n_users).astype(np.float64)
    values = activity[users] ** (-config.activity_damping / 2)
    norms = np.bincount(items, weights=values**2, minlength=problem.n_items)
    scaled = values / np.sqrt(norms[items] + config.shrinkage)
    return from_sorted_pairs(users, items, scaled.astype(np.float32), problem.shape)
