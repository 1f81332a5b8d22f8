"""What an index says of itself: how it was built, of which vectors, and what it was measured to find."""

import hashlib

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.ann.config import IndexConfig, Kind


class ShareRecall(BaseModel):
    """What searches found with a share of the items eligible, against multiplying everything.

    `recall`, `worst`: mean and least over the queries, share of the true best `n`. `short`: queries with fewer items
    than there are. `ineligible`: items offered that may not be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float
    eligible: int
    queries: int
    n: int
    recall: float
    worst: float
    short: int
    ineligible: int


class IndexReport(BaseModel):
    """The manifest of one index.

    `effort`: lists probed or items kept open by a search, 0 where exact. `radius`: greatest norm a vector may have
    (hnsw). `changed`: items added, moved or removed since the last full build. `catalogue`: items there were,
    indexed or not. `vectors_sha256`: of all their vectors; `ids_sha256`: of their ids, where they were given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    config: IndexConfig
    seed: int
    lists: int
    effort: int
    radius: float
    items: int
    catalogue: int
    dimensions: int
    changed: int
    vectors_sha256: str
    ids_sha256: str | None
    build_seconds: float
    recall: tuple[ShareRecall, ...] = ()

    @property
    def data_version(self) -> str:
        """One hash for vectors and ids."""
        return hashlib.sha256(f"{self.vectors_sha256} {self.ids_sha256}".encode()).hexdigest()

    def check_same(self, vectors: NDArray[np.float32], ids: NDArray[np.object_] | None = None) -> None:
        """Raise ContractError unless the index was made of these vectors, and of these ids where both are given."""
        if vectors.shape != (self.catalogue, self.dimensions):
            raise ContractError(
                f"the index was built for {self.catalogue} items of {self.dimensions} dimensions, there are vectors of "
                f"{vectors.shape[0]} of {vectors.shape[1]}: an index older than its items; materialize `item_index`"
            )
        if version_of_vectors(vectors) != self.vectors_sha256:
            raise ContractError(
                f"the index was built for {self.catalogue} items whose vectors were others: an index older than its "
                "items; materialize `item_index`"
            )
        if ids is not None and self.ids_sha256 is not None and version_of_ids(ids) != self.ids_sha256:
            raise ContractError(
                f"the index was built for {self.catalogue} items with other ids: an index older than its items; "
                "materialize `item_index`"
            )


def version_of_vectors(vectors: NDArray[np.float32]) -> str:
    """SHA-256 of shape and values."""
    found = hashlib.sha256(repr(vectors.shape).encode())
    found.update(np.ascontiguousarray(vectors, dtype=np.float32).data)
    return found.hexdigest()


def version_of_ids(ids: NDArray[np.object_]) -> str:
    """SHA-256 of the ids in their order."""
    return hashlib.sha256("\0".join(map(str, ids.tolist())).encode()).hexdigest()
