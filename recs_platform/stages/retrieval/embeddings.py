"""Users and items as vectors whose inner product says how well they match. Fitting them is the sources' work."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.index import IndexConfig, ItemIndex, build_index
from recs_platform.stages.retrieval.problem import RetrievalProblem

_FILES = ((c.USER_ID, "users"), (c.ITEM_ID, "items"))


@dataclass(frozen=True, eq=False)
class Embeddings:
    """`user_factors`: float32 (n_users, d), `item_factors`: float32 (n_items, d), rows in the order of the ids.

    A user or item of which nothing is known has the zero vector.
    """

    user_ids: NDArray[np.object_]
    item_ids: NDArray[np.object_]
    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Space:
    """Vectors of one source and the index over those of the items that may be recommended."""

    embeddings: Embeddings
    index: ItemIndex


def index_embeddings(
    problem: RetrievalProblem,
    embeddings: Embeddings,
    *,
    config: IndexConfig | None = None,
    seed: int = 0,
    threads: int = 1,
) -> Space:
    """Index the eligible items that have a vector; an approximate index is tuned on the users' vectors."""
    index = build_index(
        problem.eligible,
        embeddings.item_factors,
        config=config,
        queries=embeddings.user_factors,
        ids=embeddings.item_ids,
        seed=seed,
        threads=threads,
    )
    return Space(embeddings, index)


def check_ids(problem: RetrievalProblem, embeddings: Embeddings) -> None:
    """Raise ContractError where the vectors are not of the problem's users and items."""
    for name, ids, known in (
        (c.USER_ID, problem.user_ids, embeddings.user_ids),
        (c.ITEM_ID, problem.item_ids, embeddings.item_ids),
    ):
        if not np.array_equal(ids, known):
            raise ContractError(
                f"embeddings hold {len(known)} values of {name}, the interactions {len(ids)}, and they are not "
                "the same; materialize `embeddings` for this as_of first"
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
