"""Items whose ALS vector points where the user's does: implicit-feedback factorization."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.stages.retrieval.embeddings import Embeddings, positions_of, rows_at
from recs_platform.stages.retrieval.implicit_adapter import alternating_least_squares, solve_rows
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.nearest_items import nearest_items
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs, sum_pairs

# At 10 a few dozen positives are crushed to zero; at 0.1 a root of their number, no world tried was. Both at an alpha
# of 2: what pulls to zero counts against the confidence, so that with more of it more is allowed.
_REGULARIZATION_A_ROOT, _AT_ALPHA = 0.1, 2.0


class ALSConfig(SourceConfig):
    """Alternating least squares on implicit feedback (Hu, Koren & Volinsky 2008)."""

    factors: Annotated[int, Field(ge=1, le=1024, description="length of a vector; capped by the data")] = 64
    alpha: Annotated[float, Field(gt=0, le=1000, description="confidence a unit of log-damped weight adds")] = 2.0
    regularization: Annotated[
        float, Field(ge=0, le=10_000, description="pull of the vectors towards zero; capped by the data and alpha")
    ] = 10.0
    iterations: Annotated[int, Field(ge=1, le=200, description="sweeps over users and items")] = 8
    fold_sweeps: Annotated[
        int,
        Field(
            ge=0, le=20, description="sweeps after new events were folded in; 0 keeps old items' vectors, and indexes"
        ),
    ] = 0


@dataclass(frozen=True)
class ALS:
    """Inner product of the user's and the item's vector."""

    name: str = "als"
    config: ALSConfig = field(default_factory=ALSConfig)

    def embed(self, problem: RetrievalProblem, *, seed: int, threads: int) -> Embeddings:
        """See VectorSource and `fit_factors`."""
        return fit_factors(problem, self.config, seed=seed, threads=threads)

    def fold_in(self, problem: RetrievalProblem, base: Embeddings, *, seed: int, threads: int) -> Embeddings:
        """See FoldingSource and `fold_factors`."""
        return fold_factors(problem, base, self.config, seed=seed, threads=threads)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive get no entry; nor do items whose product is not above 0."""
        return nearest_items(fit, self.name, targets, n)


def fit_factors(problem: RetrievalProblem, config: ALSConfig, *, seed: int, threads: int) -> Embeddings:
    """Factorize the positives: confidence 1 + alpha * ln(1 + summed weight).

    d = min(config.factors, users with a positive, items with a positive), at least 1. The regularization is at most a
    tenth of the root of the number of positive pairs, times alpha / 2 where that is above 1. The same problem, config
    and seed give the same bytes at any number of threads.
    """
    task = _Task.of(problem, config)
    if not len(task.users):
        return task.embeddings(np.zeros((0, 1), dtype=np.float32), np.zeros((0, 1), dtype=np.float32))
    users, items = alternating_least_squares(
        task.confidence,
        factors=task.factors,
        regularization=task.regularization,
        iterations=config.iterations,
        seed=seed,
        threads=threads,
    )
    return task.embeddings(users, items)


def fold_factors(
    problem: RetrievalProblem, base: Embeddings, config: ALSConfig, *, seed: int, threads: int
) -> Embeddings:
    """Bring `base`, which `fit_factors` gave for an earlier problem, up to date without factorizing again.

    Items with a positive keep the vectors of `base`, byte for byte; users are solved anew from them in closed form;
    items that `base` has no vector of are solved from the users, and then the users once more. `config.fold_sweeps`
    whole sweeps follow. Regularization and confidence are those of a full fit of `problem`. Fitted in full where `base`
    knows none of the items, or its vectors are not as long as those that fit would give.
    """
    task = _Task.of(problem, config)
    items = task.vectors_of(base)
    if base.item_factors.shape[1] != task.factors or not items.any():
        return fit_factors(problem, config, seed=seed, threads=threads)
    unknown = np.flatnonzero(~items.any(axis=1))
    users = task.solve(task.confidence, items, threads)
    if len(unknown):
        items[unknown] = task.solve(task.by_item(unknown), users, threads)
        users = task.solve(task.confidence, items, threads)
    if config.fold_sweeps:
        users, items = alternating_least_squares(
            task.confidence,
            factors=task.factors,
            regularization=task.regularization,
            iterations=config.fold_sweeps,
            seed=seed,
            threads=threads,
            start=(users, items),
        )
    return task.embeddings(users, items)


@dataclass(frozen=True, eq=False)
class _Task:
    """What there is to factorize: only users and items with a positive, so that others change nobody's vector.

    `users`, `items`: their codes, ascending, which are the rows and columns of `confidence`.
    """

    problem: RetrievalProblem
    users: NDArray[np.int64]
    items: NDArray[np.int32]
    confidence: SparseRows
    factors: int
    regularization: float

    @classmethod
    def of(cls, problem: RetrievalProblem, config: ALSConfig) -> "_Task":
        preferences = problem.preferences
        users, items = np.flatnonzero(preferences.lengths), np.unique(preferences.columns)
        return cls(
            problem,
            users,
            items,
            _confidence(preferences, users, items, config.alpha),
            factors=max(1, min(config.factors, len(users), len(items))),
            regularization=min(config.regularization, _regularization_max(len(preferences.columns), config.alpha)),
        )

    def vectors_of(self, base: Embeddings) -> NDArray[np.float32]:
        """Item factors of `base`, a row each of `items`, zero where it has none."""
        return rows_at(base.item_factors, positions_of(self.problem.item_ids[self.items], base.item_ids))

    def by_item(self, positions: NDArray[np.int64]) -> SparseRows:
        """The confidences across: a row each of the `items` at `positions`, a column a user."""
        rows, columns = self.confidence.rows, self.confidence.columns
        chosen = np.isin(columns, positions)
        return sum_pairs(
            np.searchsorted(positions, columns[chosen]),
            rows[chosen],
            self.confidence.values[chosen].astype(np.float64),
            (len(positions), len(self.users)),
        )

    def solve(self, confidence: SparseRows, columns: NDArray[np.float32], threads: int) -> NDArray[np.float32]:
        return solve_rows(confidence, columns, regularization=self.regularization, threads=threads)

    def embeddings(self, users: NDArray[np.float32], items: NDArray[np.float32]) -> Embeddings:
        """Factors of all users and items, zero for those without a positive."""
        problem = self.problem
        user_factors = np.zeros((problem.n_users, self.factors), dtype=np.float32)
        item_factors = np.zeros((problem.n_items, self.factors), dtype=np.float32)
        user_factors[self.users], item_factors[self.items] = users, items
        return Embeddings(problem.user_ids, problem.item_ids, user_factors, item_factors)


def _regularization_max(pairs: int, alpha: float) -> float:
    return _REGULARIZATION_A_ROOT * pairs**0.5 * max(1.0, alpha / _AT_ALPHA)


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
