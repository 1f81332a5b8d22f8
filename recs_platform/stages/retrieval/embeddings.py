"""Users and items as vectors whose inner product says how well they match. Searching them is the index's work."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.stages.retrieval.implicit_adapter import alternating_least_squares
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs

# At 10 a few dozen positives are crushed to zero; at 0.1 a root of their number, no world tried was.
_REGULARIZATION_A_ROOT = 0.1

_FILES = ((c.USER_ID, "users"), (c.ITEM_ID, "items"))


class ALSConfig(BaseModel):
    """Alternating least squares on implicit feedback (Hu, Koren & Volinsky 2008)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    factors: Annotated[int, Field(ge=1, le=1024, description="length of a vector; capped by the data")] = 64
    alpha: Annotated[float, Field(gt=0, le=1000, description="confidence a unit of log-damped weight adds")] = 2.0
    regularization: Annotated[
        float, Field(ge=0, le=1000, description="pull of the vectors towards zero; capped by the data")
    ] = 10.0
    iterations: Annotated[int, Field(ge=1, le=200, description="sweeps over users and items")] = 8


@dataclass(frozen=True, eq=False)
class Embeddings:
    """`user_factors`: float32 (n_users, d), `item_factors`: float32 (n_items, d), rows in the order of the ids.

    A user or item without a positive has the zero vector.
    """

    user_ids: NDArray[np.object_]
    item_ids: NDArray[np.object_]
    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]


def fit_embeddings(problem: RetrievalProblem, config: ALSConfig, *, seed: int, threads: int) -> Embeddings:
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


def save_embeddings(embeddings: Embeddings, folder: Path) -> None:
    """Write users.parquet, items.parquet (ids in order) and users.npy, items.npy (factors) into `folder`."""
    ids = (embeddings.user_ids, embeddings.item_ids)
    factors = (embeddings.user_factors, embeddings.item_factors)
    for (column, name), names, vectors in zip(_FILES, ids, factors, strict=True):
        pl.DataFrame({column: pl.Series(names.tolist(), dtype=pl.String)}).write_parquet(folder / f"{name}.parquet")
        np.save(folder / f"{name}.npy", vectors)


def load_embeddings(folder: Path) -> Embeddings:
    """Read what `save_embeddings` wrote."""
    ids = [pl.read_parquet(folder / f"{name}.parquet")[column].to_numpy().astype(np.object_) for column, name in _FILES]
    users, items = (np.load(folder / f"{name}.npy") for _, name in _FILES)
    return Embeddings(ids[0], ids[1], users, items)
