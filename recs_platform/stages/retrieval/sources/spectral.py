"""Items that a history points to in the leading directions of users by items. Searching them is not done here.

One decomposition serves every strength of the filter, every number of factors up to its own and every decay.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.embeddings import Embeddings
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.history import latest_items
from recs_platform.stages.retrieval.sources.search import search_space
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs, to_scipy
from recs_platform.stages.retrieval.threads import limited

# Directions sought beyond those asked for: they take the error of the iteration upon themselves.
_OVERSAMPLING = 16
# What is below this share of the greatest singular value is rounding in float32.
_LEAST_SHARE = 1e-3
# Eigenvalues of a Gram matrix below this share of the greatest cannot be told from rounding of its float32 factor.
_LEAST_EIGENVALUE = 1e-10
# Rows summed in float64 at once: 25 MB at 784 columns.
_BLOCK_ROWS = 4096


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
    decay: Annotated[float, Field(gt=0, le=1, description="weight of an item against the one after it")] = 1.0
    iterations: Annotated[int, Field(ge=1, le=20, description="passes of the decomposition; more is more exact")] = 5


@dataclass(frozen=True)
class Spectral:
    """Inner product of the user's filtered history and the item's singular vector."""

    name: str = "spectral"
    config: SpectralConfig = field(default_factory=SpectralConfig)

    def embed(self, problem: RetrievalProblem, *, seed: int, threads: int) -> Embeddings:
        """See VectorSource and `Spectrum.embeddings`."""
        return fit_spectrum(problem, self.config, seed=seed, threads=threads).embeddings(self.config)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive get no entry; nor do items whose product is not above 0."""
        return search_space(fit, self.name, targets, n)


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
        """Vectors whose product is h_u Di^-b V g(S) V^T Di^b, h_u = decay ** place of the user's positives, 0 = latest.

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
        users = _times(history, vectors / scale)
        users *= gains
        return Embeddings(problem.user_ids, problem.item_ids, users, vectors * scale)

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


def right_directions(
    matrix: SparseRows, rank: int, *, iterations: int, seed: int, threads: int
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The `rank` greatest singular values (k,) descending and right singular vectors (n_columns, k) of `matrix`.

    1 <= k <= rank: what is below a thousandth of the greatest value is left out; a matrix of nothing gives 1 and a
    zero vector. Randomized subspace iteration on the shorter side (Halko, Martinsson & Tropp 2011), started from
    `seed`; exact where `rank` is about that side's length.
    """
    if not len(matrix.columns):
        return np.ones(1), np.zeros((matrix.n_columns, 1), dtype=np.float32)
    columns_are_fewer = matrix.n_columns < matrix.n_rows
    across = _transposed(matrix)
    up, down = (matrix, across) if columns_are_fewer else (across, matrix)
    with limited(threads):
        basis = _leading_basis(up, down, rank + _OVERSAMPLING, iterations, seed)
        image = _times(up, basis)
        eigenvalues, mix = _descending_eigen(_gram(image))
        kept = np.flatnonzero(eigenvalues > _LEAST_SHARE**2 * eigenvalues[0])[:rank]
        values = np.sqrt(eigenvalues[kept])
        mix = mix[:, kept] if columns_are_fewer else mix[:, kept] / values
        vectors = (basis if columns_are_fewer else image) @ mix.astype(np.float32)
    vectors *= _signs(vectors)
    return values, vectors


def _leading_basis(up: SparseRows, down: SparseRows, width: int, iterations: int, seed: int) -> NDArray[np.float32]:
    """Orthonormal columns (shorter side, <= width) that nearly span the leading singular vectors of that side."""
    if width >= down.n_rows:
        return np.eye(down.n_rows, dtype=np.float32)
    basis = np.random.default_rng(seed).standard_normal((down.n_rows, width), dtype=np.float32)
    for _ in range(iterations):
        image = _times(down, _times(up, basis))
        eigenvalues, mix = _descending_eigen(_gram(image))
        # Through the Gram matrix: LAPACK's QR of so tall a matrix takes ten times as long.
        kept = eigenvalues > _LEAST_EIGENVALUE * eigenvalues[0]
        basis = image @ (mix[:, kept] / np.sqrt(eigenvalues[kept])).astype(np.float32)
    return basis


def _times(sparse: SparseRows, dense: NDArray[np.float32]) -> NDArray[np.float32]:
    """Matrix product (n_rows, d); each sum runs in one fixed order, on one thread."""
    matrix: Any = to_scipy(sparse)
    return np.asarray(matrix @ dense, dtype=np.float32)


def _transposed(matrix: SparseRows) -> SparseRows:
    """The same values by column: scipy's transposed view would be multiplied by scattering, which is slower."""
    order = np.argsort(matrix.columns, kind="stable")
    rows = matrix.rows[order].astype(np.int32)
    return from_sorted_pairs(matrix.columns[order], rows, matrix.values[order], (matrix.n_columns, matrix.n_rows))


def _gram(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """Products of all columns with each other, summed in float64."""
    total = np.zeros((matrix.shape[1], matrix.shape[1]))
    for start in range(0, len(matrix), _BLOCK_ROWS):
        block = matrix[start : start + _BLOCK_ROWS].astype(np.float64)
        total += block.T @ block
    return total


def _descending_eigen(symmetric: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, vectors = np.linalg.eigh(symmetric)
    return values[::-1], vectors[:, ::-1]


def _signs(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 or -1 for each column: what makes its entry of greatest size positive."""
    return np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])


def _normalized(preferences: SparseRows, config: SpectralConfig) -> NDArray[np.float32]:
    """Value in R of each pair stored in `preferences`."""
    by_user, by_item = _counts(preferences)
    users, items = by_user**-config.user_exponent, by_item**-config.item_exponent
    return (users[preferences.rows] * items[preferences.columns]).astype(np.float32)


def _counts(preferences: SparseRows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positives of each user and of each item, at least 1."""
    by_item = np.bincount(preferences.columns, minlength=preferences.n_columns)
    return np.maximum(preferences.lengths, 1.0), np.maximum(by_item, 1.0)
