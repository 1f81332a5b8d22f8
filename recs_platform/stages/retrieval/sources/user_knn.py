"""Items liked by the users most like the target. `item_knn` compares items instead."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.stages.retrieval.packing import unpack
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.history import retrieve_through
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs
from recs_platform.stages.retrieval.top_n import best_of_product


class UserKnnConfig(SourceConfig):
    """Shrunken cosine similarity of users over items (Herlocker et al. 1999, shrunken as in Bell & Koren 2007)."""

    neighbours: Annotated[int, Field(ge=1, le=5000, description="most similar users that are asked")] = 100
    popularity_damping: Annotated[float, Field(ge=0, le=2, description="a shared item counts popularity ** -this")] = (
        0.4
    )
    shrinkage: Annotated[
        float, Field(ge=0, le=1e6, description="added to squared norms: short histories are less sure")
    ] = 3.0
    power: Annotated[float, Field(gt=0, le=10, description="of the similarity; above 1 the nearest count more")] = 1.5
    own_fading: Annotated[
        float, Field(ge=0, le=5, description="a shared item counts (1 + position in the target's history) ** -this")
    ] = 0.25
    fading: Annotated[
        float, Field(ge=0, le=5, description="an offer counts (1 + position in the neighbour's history) ** -this")
    ] = 0.5
    fit_history: Annotated[
        int, Field(ge=1, le=10_000_000, description="latest items of a user that are compared and offered")
    ] = 500
    audience: Annotated[
        int,
        Field(ge=1, le=10_000_000, description="latest users of an item who can be neighbours through it; bounds time"),
    ] = 2000


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """All users ready to be compared: products of `queries` (users by items) and `audiences` (items by users).

    `offers`: users by items, what each brings in as a neighbour.
    """

    queries: SparseRows
    audiences: SparseRows
    offers: SparseRows


@dataclass(frozen=True)
class UserKnn:
    """Sum over the user's neighbours of similarity ** power * (1 + the item's position there) ** -fading."""

    name: str = "user_knn"
    config: UserKnnConfig = field(default_factory=UserKnnConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users who share no positive with anybody get no entry."""
        everybody = fit.prepared(self, lambda: fit_neighbourhood(fit.problem, self.config))
        neighbours = nearest_users(everybody, targets, self.config, threads=fit.threads)
        return retrieve_through(fit, everybody.offers, neighbours, targets, n)


def fit_neighbourhood(problem: RetrievalProblem, config: UserKnnConfig) -> Neighbourhood:
    """Similarity of a target u to v: sum over shared items of weight * fading / sqrt((|x_u|² + s)(|x_v|² + s)).

    The weight is (item's users) ** -popularity_damping, the fading (1 + position with u) ** -own_fading; |x|² sums the
    weights of all a user's items, without fading; s is the shrinkage. Both count the latest `fit_history` items.
    """
    recent = problem.recent
    kept = recent.values < config.fit_history
    users, items, positions = recent.rows[kept], recent.columns[kept], recent.values[kept].astype(np.float64)
    weights = np.bincount(recent.columns, minlength=problem.n_items)[items] ** -config.popularity_damping
    norms = np.bincount(users, weights=weights, minlength=problem.n_users)
    scaled = np.sqrt(weights / (norms[users] + config.shrinkage))

    def by_user(values: NDArray[np.float64]) -> SparseRows:
        return from_sorted_pairs(users, items, values.astype(np.float32), problem.shape)

    return Neighbourhood(
        queries=by_user(scaled * (1 + positions) ** -config.own_fading),
        audiences=_audiences(problem, by_user(scaled), _latest_times(problem)[kept], config.audience),
        offers=by_user((1 + positions) ** -config.fading),
    )


def nearest_users(
    everybody: Neighbourhood, targets: NDArray[np.int32], config: UserKnnConfig, *, threads: int = 1
) -> SparseRows:
    """Targets by users: similarity ** power of the `neighbours` most similar users of each, the target left out.

    Those most similar come first in a row; ties go to the lower code.
    """
    queries, audiences = everybody.queries.take(targets), everybody.audiences
    rows = np.arange(len(targets))
    themselves = from_sorted_pairs(rows, targets, np.ones(len(rows), np.float32), (len(rows), audiences.n_columns))
    keys = best_of_product(queries, audiences, config.neighbours, excluded=themselves, threads=threads)
    users, similarity = unpack(keys[keys > 0])
    shape = (len(targets), audiences.n_columns)
    return from_sorted_pairs(np.nonzero(keys > 0)[0], users, similarity**config.power, shape)


def _audiences(problem: RetrievalProblem, vectors: SparseRows, times: NDArray[np.int64], audience: int) -> SparseRows:
    """Items by users: `vectors` transposed, less all but the latest `audience` users of an item."""
    users, items = vectors.rows, vectors.columns
    latest_first = np.lexsort((users, -times, items))
    by_item = items[latest_first]
    latest = latest_first[np.arange(len(by_item)) - np.searchsorted(by_item, by_item) < audience]
    kept = latest[np.lexsort((users[latest], items[latest]))]
    return from_sorted_pairs(
        items[kept], users[kept].astype(np.int32), vectors.values[kept], (problem.n_items, problem.n_users)
    )


def _latest_times(problem: RetrievalProblem) -> NDArray[np.int64]:
    """Last time of each pair of `problem.recent`, in its order."""
    liked = problem.weights > 0
    keys = problem.users[liked].astype(np.int64) * problem.n_items + problem.items[liked]
    # Stable: entries come in order of time within a user, so that the last of a pair is its latest.
    order = np.argsort(keys, kind="stable")
    return problem.occurred_us[liked][order][np.diff(keys[order], append=-1) != 0]
