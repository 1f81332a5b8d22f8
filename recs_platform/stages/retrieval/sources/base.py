"""What a candidate source is: the protocol, its lists, and the fit it reads. No source itself lives here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from recs_platform.stages.retrieval.embeddings import Embeddings
from recs_platform.stages.retrieval.index import ItemIndex
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.top_n import Keys, unpack

T = TypeVar("T")


class SourceConfig(BaseModel):
    """Parameters of one source: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, eq=False)
class SourceLists:
    """One entry a user and offered item: `users`, `items` int32 codes, `scores` float32 > 0.

    Sorted by user, score descending, item; no pair twice.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]


class Fitted(Protocol):
    """What a source may read: one problem, its embeddings and index, and what the source itself has prepared."""

    @property
    def problem(self) -> RetrievalProblem: ...
    @property
    def embeddings(self) -> Embeddings: ...
    @property
    def index(self) -> ItemIndex: ...
    @property
    def threads(self) -> int: ...

    def prepared(self, name: str, build: Callable[[], T]) -> T:
        """What `build` gives, computed once a fit under `name`."""
        ...


class Source(Protocol):
    """One way to find items worth ranking for a user."""

    @property
    def name(self) -> str: ...
    @property
    def config(self) -> SourceConfig: ...

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """At most `n` items for each of `targets` (distinct user codes, ascending).

        Only eligible items, none consumed unless repeats are allowed, scores above 0. A user of whom the source
        knows nothing gets no entry. A list depends on its user alone, not on the other targets.
        """
        ...


def lists_of(targets: NDArray[np.int32], keys: Keys) -> SourceLists:
    """Lists from packed keys (n_targets, n), each row descending, 0 where there is no item."""
    offered = keys > 0
    items, scores = unpack(keys[offered])
    return SourceLists(np.repeat(targets, offered.sum(axis=1)), items, scores)
