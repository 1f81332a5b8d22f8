"""Users and items as vectors whose inner product says how well they match. Vector sources fit them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.index import IndexConfig, ItemIndex, build_index, refresh_index
from recs_platform.stages.retrieval.problem import RetrievalProblem

_FILES = ((c.USER_ID, "users"), (c.ITEM_ID, "items"))
_KEPT = "kept-"


@dataclass(frozen=True, eq=False)
class Embeddings:
    """`user_factors`: float32 (n_users, d), `item_factors`: float32 (n_items, d), rows in the order of the ids.

    A user or item of which nothing is known has the zero vector. `kept`: what else the source needs to fold new events
    in, by a name of its own; empty for most.
    """

    user_ids: NDArray[np.object_]
    item_ids: NDArray[np.object_]
    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]
    kept: Mapping[str, NDArray[np.float32]] = field(default_factory=dict[str, NDArray[np.float32]])


@dataclass(frozen=True, eq=False)
class VectorSpace:
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
) -> VectorSpace:
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
    return VectorSpace(embeddings, index)


def refresh_vector_space(
    problem: RetrievalProblem, embeddings: Embeddings, older: VectorSpace, *, threads: int = 1
) -> VectorSpace:
    """Index the same items as `index_embeddings`, from the index of older vectors with other ids: see refresh_index."""
    index = refresh_index(
        older.index,
        embeddings.item_factors,
        problem.eligible,
        codes=positions_of(older.embeddings.item_ids, embeddings.item_ids),
        queries=embeddings.user_factors,
        ids=embeddings.item_ids,
        threads=threads,
    )
    return VectorSpace(embeddings, index)


def positions_of(ids: NDArray[np.object_], among: NDArray[np.object_]) -> NDArray[np.int32]:
    """Position of each of `ids` in `among`, -1 where it is not there: int32 (len(ids),). Both ascend, none is twice.

    >>> positions_of(np.array(["a", "b", "d"], dtype=object), np.array(["b", "c", "d"], dtype=object))
    array([-1,  0,  2], dtype=int32)
    """
    if not len(among):
        return np.full(len(ids), -1, dtype=np.int32)
    positions = np.minimum(np.searchsorted(among, ids), len(among) - 1)
    return np.where(among[positions] == ids, positions, -1).astype(np.int32)


def rows_at(values: NDArray[np.float32], positions: NDArray[np.int32]) -> NDArray[np.float32]:
    """A copy of the rows at `positions`, zero for position -1.

    >>> rows_at(np.array([[1.0], [2.0]], dtype=np.float32), np.array([1, -1], dtype=np.int32)).tolist()
    [[2.0], [0.0]]
    """
    found = np.zeros((len(positions), *values.shape[1:]), dtype=np.float32)
    found[positions >= 0] = values[positions[positions >= 0]]
    return found


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
    """Write users.parquet, items.parquet (ids in order) and users.npy, items.npy (factors) into `folder`.

    What is kept beside them goes into `kept-<name>.npy`.
    """
    ids = (embeddings.user_ids, embeddings.item_ids)
    factors = (embeddings.user_factors, embeddings.item_factors)
    for (column, name), names, vectors in zip(_FILES, ids, factors, strict=True):
        pl.DataFrame({column: pl.Series(names.tolist(), dtype=pl.String)}).write_parquet(folder / f"{name}.parquet")
        np.save(folder / f"{name}.npy", vectors)
    for name, values in embeddings.kept.items():
        np.save(folder / f"{_KEPT}{name}.npy", values)


def load_embeddings(folder: Path) -> Embeddings:
    """Read what `save_embeddings` wrote."""
    ids = [pl.read_parquet(folder / f"{name}.parquet")[column].to_numpy().astype(np.object_) for column, name in _FILES]
    users, items = (np.load(folder / f"{name}.npy") for _, name in _FILES)
    kept = {path.stem.removeprefix(_KEPT): np.load(path) for path in sorted(folder.glob(f"{_KEPT}*.npy"))}
    return Embeddings(ids[0], ids[1], users, items, kept)
