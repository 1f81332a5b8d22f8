"""Items whose ALS vector points where the user's does: implicit-feedback factorization. Searching is not done here."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.stages.retrieval.embeddings import Embeddings
from recs_platform.stages.retrieval.implicit_adapter import alternating_least_squares
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.search import search_space
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs

# At 10 a few dozen positives are crushed to zero; at 0.1 a root of their number, no world tried was.
_REGULARIZATION_A_ROOT = 0.1


class ALSConfig(SourceConfig):
    """Alternating least squares on implicit feedback (Hu, Koren & Volinsky 2008)."""

    factors: Annotated[int, Field(ge=1, le=1024, description="length of a vector; capped by the data")] = 64
    alpha: Annotated[float, Field(gt=0, le=1000, description="confidence a unit of log-damped weight adds")] = 2.0
    regularization: Annotated[
        float, Field(ge=0, le=1000, description="pull of the vectors towards zero; capped by the data")
    ] = 10.0
    iterations: Annotated[int, Field(ge=1, le=200, description="sweeps over users and items")] = 8


@dataclass(frozen=True)
class ALS:
    """Inner product of the user's and the item's vector."""

    name: str = "als"
    config: ALSConfig = field(default_factory=ALSConfig)

    def embed(self, problem: RetrievalProblem, *, seed: int, threads: int) -> Embeddings:
        """See VectorSource and `fit_factors`."""
        return fit_factors(problem, self.config, seed=seed, threads=threads)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive get no entry; nor do items whose product is not above 0."""
        return search_space(fit, self.name, targets, n)


def fit_factors(problem: RetrievalProblem, config: ALSConfig, *, seed: int, threads: int) -> Embeddings:
    """Factorize the positives: confidence 1 + alpha * ln(1 + summed weight).

    d = min(config.factors, users with a positive, items with a positive), at least 1. The regularization is at most a
    tenth of the root of the number of positive pairs. The same problem, config and seed give the same bytes at any
    number of threads.
    """
    preferences = problem.preferences
    active_users = np.flatnonzero(preferences.lengths)
    active_items = np.unique(preferences.columns)
    factors = max(1, min(config.factors, len(active_users), len(active_items)))
    user_factors = np.zeros((problem.n_users, factors), dtype=np.float32)
    item_factors = np.zeros((problem.n_items, factors), dtype=np.float32)
    if len(active_users):
        # Only rows and columns with a positive, so that users and items without any change nobody's vector.
        user_factors[active_users], item_factors[active_items] = alternating_least_squares(
            _confidence(preferences, active_users, active_items, config.alpha),
            factors=factors,
            regularization=min(config.regularization, _REGULARIZATION_A_ROOT * len(preferences.columns) ** 0.5),
            iterations=config.iterations,
            seed=seed,
            threads=threads,
        )
    return Embeddings(problem.user_ids, problem.item_ids, user_factors, item_factors)


def _confidence(
    preferences: SparseRows, users: NDArray[np.int64], items: NDArray[np.int32], alpha: float
) -> SparseRows:
    active = preferences.take(users)
    return from_sorted_pairs(
        active.rows,
        np.searchsorted(items, active.columns).astype(np.int32),
        (1 + alpha * np.log1p(active.values)).astype(np.float32),
        (len(users), len(items)),
    )
