"""What a candidate source is: the protocol, its lists, and the fit it reads. The registered ones are in `sources`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from recs_platform.stages.retrieval.embeddings import Embeddings, VectorSpace
from recs_platform.stages.retrieval.packing import Keys, unpack
from recs_platform.stages.retrieval.problem import RetrievalProblem

T = TypeVar("T")


class SourceConfig(BaseModel):
    """Parameters of one source: frozen, unknown names refused. A source's own class may change the defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # Fields that say how lists are asked for, not what is fitted.
    asked: ClassVar[frozenset[str]] = frozenset({"enabled", "weight", "history", "decay"})

    enabled: Annotated[bool, Field(description="whether the source is asked at all")] = True
    weight: Annotated[
        float, Field(ge=0, le=1000, description="of its scores in the merge; 0 = offers candidates, moves none up")
    ] = 1.0

    def fit_key(self) -> str:
        """What decides the fit, as text: configs of one source with equal keys share what they prepare."""
        return self.model_dump_json(exclude=set(self.asked))

    @property
    def looks_at_eligibility(self) -> bool:
        """Whether what the source prepares depends on which items are eligible: then each region group has its own."""
        return False


@dataclass(frozen=True, eq=False)
class SourceLists:
    """One entry a user and offered item: `users`, `items` int32 codes, `scores` float32 > 0.

    Sorted by user, score descending, item; no pair twice.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]

    def take(self, kept: NDArray[np.bool_]) -> "SourceLists":
        """The entries that `kept` flags, in the same order."""
        return SourceLists(self.users[kept], self.items[kept], self.scores[kept])


class Fitted(Protocol):
    """What a source may read: one problem, its own vector space and index, and what it has prepared itself."""

    @property
    def problem(self) -> RetrievalProblem: ...
    @property
    def seed(self) -> int: ...
    @property
    def threads(self) -> int: ...

    def space(self, name: str) -> VectorSpace:
        """Vectors and index of a VectorSource."""
        ...

    def prepared(self, source: "Source", build: Callable[[], T]) -> T:
        """What `build` gives, computed once a fit for all configs of the source with the same `fit_key`.

        Once for all region groups, unless the config `looks_at_eligibility`.
        """
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


@runtime_checkable
class VectorSource(Source, Protocol):
    """A source whose scores are inner products: its vectors are sealed as an artifact and searched through an index."""

    def embed(self, problem: RetrievalProblem, *, seed: int, threads: int) -> Embeddings:
        """Vectors of all users and items; zero where nothing is known. The same bytes at any number of threads."""
        ...


@runtime_checkable
class FoldingSource(VectorSource, Protocol):
    """A VectorSource that can bring vectors of an earlier instant up to date for less than embedding anew costs."""

    def fold_in(self, problem: RetrievalProblem, base: Embeddings, *, seed: int, threads: int) -> Embeddings:
        """Vectors of all users and items of `problem`, from those that this source, so configured, once gave.

        Ids of `base` are others than the problem's. Where `base` holds too little to go on from, the same as `embed`.
        The same bytes at any number of threads.
        """
        ...


def lists_of(targets: NDArray[np.int32], keys: Keys) -> SourceLists:
    """Lists from packed keys (n_targets, n), each row descending, 0 where there is no item."""
    offered = keys > 0
    items, scores = unpack(keys[offered])
    return SourceLists(np.repeat(targets, offered.sum(axis=1)), items, scores)
