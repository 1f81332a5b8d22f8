"""Items that a history points to in the leading directions of users by items.

One decomposition serves every strength of the filter, every number of factors up to its own and every decay.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.decomposition import right_directions
from recs_platform.stages.retrieval.embeddings import Embeddings, positions_of, rows_at
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists, lists_of
from recs_platform.stages.retrieval.sources.history import latest_items
from recs_platform.stages.retrieval.sources.nearest_items import nearest_items
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs, times, transposed
from recs_platform.stages.retrieval.sparse_tail import LikesGraph, TailedQueries, best_with_tail

# What a full fit leaves to those who fold in: its singular values, and item degrees ** item_exponent.
_VALUES, _ITEM_SCALES = "values", "item_scales"


class SpectralConfig(SourceConfig):
    """Low-pass filter on the graph of users and items (GF-CF, Shen et al. 2021; BSPM, Choi et al. 2023)."""

    factors: Annotated[int, Field(ge=1, le=2048, description="directions kept; capped by the data")] = 256
    user_exponent: Annotated[float, Field(ge=0, le=1, description="a user counts activity ** -this in the fit")] = 0.5
    item_exponent: Annotated[
        float, Field(ge=0, le=1, description="an item counts popularity ** -this; lower favours the popular")
    ] = 0.5
    filter_power: Annotated[
        float, Field(ge=0, le=8, description="how fast weaker directions fade; 0 = all alike, 2 = linear filter")
    ] = 2.0
    sharpening: Annotated[float, Field(ge=0, lt=1, description="share taken off the strongest direction")] = 0.6
    tail: Annotated[
        float,
        Field(
            ge=0,
            le=4,
            description="share of the linear filter on directions beyond those kept; 0 = none, the quickest",
        ),
    ] = 0.0
    decay: Annotated[float, Field(gt=0, le=1, description="weight of an item against the one after it")] = 1.0
    iterations: Annotated[int, Field(ge=1, le=20, description="passes of the decomposition; more is more exact")] = 5


@dataclass(frozen=True)
class Spectral:
    """Inner product of the user's filtered history and the item's singular vector; with a tail, and the rest."""

    name: str = "spectral"
    config: SpectralConfig = field(default_factory=SpectralConfig)

    def embed(self, problem: RetrievalProblem, *, seed: int, threads: int) -> Embeddings:
        """See VectorSource and `Spectrum.embeddings`."""
        return fit_spectrum(problem, self.config, seed=seed, threads=threads).embeddings(self.config)

    def fold_in(self, problem: RetrievalProblem, base: Embeddings, *, seed: int, threads: int) -> Embeddings:
        """See FoldingSource and `fold_spectrum`."""
        folded = fold_spectrum(problem, base, self.config)
        return self.embed(problem, seed=seed, threads=threads) if folded is None else folded

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source, `with_tail`. Users without a positive get no entry; nor do items whose score is not above 0."""
        return self.with_tail(fit, targets, n) if self.config.tail else nearest_items(fit, self.name, targets, n)

    def with_tail(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """Scores h Di^-b (V g(S) V^T + tail * (R^T R - V S^2 V^T)) Di^b, S and R over the greatest singular value.

        The product of the sparse R is exact, so that every direction counts, and never held for more than a block of
        users; the index is not asked. Vectors of an earlier fit go with the R of today.
        """
        problem, embeddings, config = fit.problem, fit.space(self.name).embeddings, self.config
        graph = fit.prepared(self, lambda: _likes_graph(problem, config))
        known = targets[embeddings.user_factors[targets].any(axis=1)]
        values = embeddings.kept[_VALUES].astype(np.float64)
        gains = filter_gains(values, config)
        linear = config.tail * (values / values[0]) ** 2
        history = latest_items(problem, known, max(problem.n_items, 1), config.decay)
        scales = embeddings.kept[_ITEM_SCALES].astype(np.float64)[history.columns]
        paths = (config.tail / values[0] ** 2 * history.values / scales**2).astype(np.float32)
        queries = TailedQueries(
            embeddings.user_factors[known] * ((gains - linear) / gains).astype(np.float32),
            replace(history, values=paths),
            problem.excluded.take(known),
        )
        keys = best_with_tail(queries, embeddings.item_factors, graph, n, allowed=problem.eligible, threads=fit.threads)
        return lists_of(known, keys)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Leading singular triplets of R = Du^-a X Di^-b: X the positives as 1, Du and Di users' and items' counts of them.

    `singular_values`: float64 (d,), above 0, descending. `item_vectors`: float32 (n_items, d), orthonormal columns,
    zero rows for items without a positive; the entry of a column that is greatest in size is positive. d is the number
    of factors of `config`, or what the data hold where that is less; one zero vector where there is no positive.
    """

    problem: RetrievalProblem
    config: SpectralConfig
    singular_values: NDArray[np.float64]
    item_vectors: NDArray[np.float32]

    def embeddings(self, config: SpectralConfig) -> Embeddings:
        """Vectors whose product is h_u Di^-b V g(S) V^T Di^b, h_u = decay ** position of the positives, 0 = latest.

        Users hold h_u Di^-b V g(S), items Di^b V: variants of filter and decay share their items' vectors. Both are
        (rows, min(config.factors, d)) and zero where there is no positive. Raises ContractError where `config`
        has other exponents, or more factors, than this was fitted for.
        """
        self._check(config)
        problem = self.problem
        gains = filter_gains(self.singular_values, config)[: config.factors]
        vectors = self.item_vectors[:, : config.factors]
        scale = (_counts(problem.preferences)[1] ** config.item_exponent).astype(np.float32)[:, None]
        everybody = np.arange(problem.n_users, dtype=np.int32)
        history = latest_items(problem, everybody, max(problem.n_items, 1), config.decay)
        users = times(history, vectors / scale)
        users *= gains
        kept = {_VALUES: self.singular_values[: config.factors].astype(np.float32), _ITEM_SCALES: scale[:, 0]}
        return Embeddings(problem.user_ids, problem.item_ids, users, vectors * scale, kept)

    def _check(self, config: SpectralConfig) -> None:
        fitted = (self.config.user_exponent, self.config.item_exponent)
        asked = (config.user_exponent, config.item_exponent)
        if asked != fitted or config.factors > self.config.factors:
            raise ContractError(
                f"the spectrum holds {self.config.factors} factors at exponents {fitted}, not {config.factors} at "
                f"{asked}; fit one for them"
            )


def filter_gains(singular_values: NDArray[np.float64], config: SpectralConfig) -> NDArray[np.float32]:
    """g(s) = x ** filter_power * (1 - sharpening * x ** 2) with x = s / greatest s, float32 (d,).

    The first factor is a low pass: 0 keeps the leading directions as they are (the ideal filter of GF-CF), 2 is its
    linear filter R^T R. The second is one Euler step of BSPM's sharpening, r - sharpening * r R^T R, which takes most
    off what everybody likes.

    >>> filter_gains(np.array([2.0, 1.0]), SpectralConfig(filter_power=1, sharpening=0.8))
    array([0.2, 0.4], dtype=float32)
    """
    shares = singular_values / singular_values[0]
    return (shares**config.filter_power * (1 - config.sharpening * shares**2)).astype(np.float32)


def fit_spectrum(problem: RetrievalProblem, config: SpectralConfig, *, seed: int, threads: int) -> Spectrum:
    """Decompose the positives of `problem`. Reads factors, exponents and iterations of `config`, no other field.

    The same problem, config and seed give the same bytes at any number of threads. Fewer factors than were fitted are
    nearly, not exactly, what fitting only so many gives.
    """
    preferences = problem.preferences
    users = np.flatnonzero(preferences.lengths)
    items = np.unique(preferences.columns)
    # Only rows and columns with a positive, so that users and items without any change nobody's vector.
    active = from_sorted_pairs(
        np.searchsorted(users, preferences.rows),
        np.searchsorted(items, preferences.columns).astype(np.int32),
        _normalized(preferences, config),
        (len(users), len(items)),
    )
    values, vectors = right_directions(active, config.factors, iterations=config.iterations, seed=seed, threads=threads)
    item_vectors = np.zeros((problem.n_items, len(values)), dtype=np.float32)
    item_vectors[items] = vectors
    return Spectrum(problem, config, values, item_vectors)


def fold_spectrum(problem: RetrievalProblem, base: Embeddings, config: SpectralConfig) -> Embeddings | None:
    """Today's users in the directions of `base`, the embeddings that a Spectrum gave for an earlier problem.

    Items keep their vectors of `base`, byte for byte; users are h_u Di^-b V g(S) with today's histories and `base`'s
    Di, V and S. Items that `base` has no vector of are folded in from those who like them (Berry, Dumais & O'Brien
    1995): X^T Du^-a U / S with U = Du^-a X Di^-b V / S; their Di is today's. Items that only those like who like no
    other wait for the next full fit. None where `base` knows none of the items, or has other than
    min(config.factors, users with a positive, items with a positive) directions, so that it says too little.
    """
    preferences = problem.preferences
    liked = np.bincount(preferences.columns, minlength=problem.n_items) > 0
    allowed = min(config.factors, int((preferences.lengths > 0).sum()), int(liked.sum()))
    positions = positions_of(problem.item_ids, base.item_ids)
    items = rows_at(base.item_factors, positions) * liked[:, None]
    if items.shape[1] != allowed or not items.any() or not {_VALUES, _ITEM_SCALES} <= set(base.kept):
        return None
    known, values = items.any(axis=1), base.kept[_VALUES]
    by_user, by_item = _counts(preferences)
    scales = np.where(known, rows_at(base.kept[_ITEM_SCALES], positions), by_item**config.item_exponent).astype(
        np.float32
    )
    through = items / scales[:, None] ** 2
    unknown = np.flatnonzero(liked & ~known)
    if len(unknown):
        weighed = replace(preferences, values=(by_user**-config.user_exponent)[preferences.rows].astype(np.float32))
        items[unknown] = times(transposed(weighed).take(unknown), times(weighed, through)) / values**2
        through[unknown] = items[unknown] / scales[unknown, None] ** 2
    everybody = np.arange(problem.n_users, dtype=np.int32)
    users = times(latest_items(problem, everybody, max(problem.n_items, 1), config.decay), through)
    users *= filter_gains(values.astype(np.float64), config)
    return Embeddings(problem.user_ids, problem.item_ids, users, items, {_VALUES: values, _ITEM_SCALES: scales})


def _likes_graph(problem: RetrievalProblem, config: SpectralConfig) -> LikesGraph:
    """R^T R as paths: through a user they count activity ** -2a; what items add is up to who starts them."""
    preferences = problem.preferences
    weights = (_counts(preferences)[0] ** (-2 * config.user_exponent)).astype(np.float32)
    return LikesGraph(transposed(preferences), preferences, weights)


def _normalized(preferences: SparseRows, config: SpectralConfig) -> NDArray[np.float32]:
    """Value in R of each pair stored in `preferences`."""
    by_user, by_item = _counts(preferences)
    users, items = by_user**-config.user_exponent, by_item**-config.item_exponent
    return (users[preferences.rows] * items[preferences.columns]).astype(np.float32)


def _counts(preferences: SparseRows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positives of each user and of each item, at least 1."""
    by_item = np.bincount(preferences.columns, minlength=preferences.n_columns)
    return np.maximum(preferences.lengths, 1.0), np.maximum(by_item, 1.0)
