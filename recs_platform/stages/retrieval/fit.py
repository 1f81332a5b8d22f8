"""Everything retrieval fits for one as-of: the vector spaces, and what sources prepare when first asked."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.clock import Clock
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import Embeddings, VectorSpace, check_ids, index_embeddings
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Source, VectorSource

T = TypeVar("T")
Parts = dict[tuple[str, str], object]


@dataclass(frozen=True, eq=False)
class RetrievalFit:
    """One problem with the vector spaces of its sources. Raises ContractError where their ids are not the problem's.

    `by_region_group` gives views of it. They share spaces and indexes, the clock of what each source took, and what
    sources prepare without a look at what is eligible.
    """

    problem: RetrievalProblem
    spaces: Mapping[str, VectorSpace]
    config: RetrievalConfig = field(default_factory=RetrievalConfig)
    seed: int = 0
    threads: int = 1
    clock: Clock = field(default_factory=Clock, repr=False)
    _shared: Parts = field(default_factory=Parts, repr=False)
    _own: Parts = field(default_factory=Parts, repr=False)
    _views: dict[int, "RetrievalFit"] = field(default_factory=dict[int, "RetrievalFit"], repr=False)

    def __post_init__(self) -> None:
        for space in self.spaces.values():
            check_ids(self.problem, space.embeddings)

    def space(self, name: str) -> VectorSpace:
        """Vectors and index of a source. Raises ContractError for one that was not fitted."""
        if name not in self.spaces:
            raise ContractError(f"no vectors of {name}; there are those of {sorted(self.spaces)}")
        return self.spaces[name]

    def prepared(self, source: Source, build: Callable[[], T]) -> T:
        """What `build` gives, computed once for all configs of the source that fit alike, and kept with this fit.

        Views of other region groups share it, unless the source's config `looks_at_eligibility`.
        """
        parts = self._own if source.config.looks_at_eligibility else self._shared
        key = (source.name, source.config.fit_key())
        if key not in parts:
            parts[key] = build()
        return cast("T", parts[key])

    def by_region_group(self, targets: NDArray[np.int32]) -> Iterator[tuple["RetrievalFit", NDArray[np.int32]]]:
        """For each region group, this fit as the group sees it, and those of `targets` in it, in their order.

        This fit and all targets where everybody may be recommended the same, or where there are no targets. Views are
        made once a fit.
        """
        groups = self.problem.region_group_of
        if groups is None or not len(targets):
            yield self, targets
            return
        for group in np.unique(groups[targets]).tolist():
            yield self._at_region_group(group), targets[groups[targets] == group]

    def _at_region_group(self, group: int) -> "RetrievalFit":
        if group not in self._views:
            problem = self.problem.at_region_group(group)
            self._views[group] = replace(self, problem=problem, _own={}, _views={})
        return self._views[group]


def fit_embeddings(
    problem: RetrievalProblem, config: RetrievalConfig, *, seed: int, threads: int
) -> dict[str, Embeddings]:
    """Vectors of each enabled source that has some, by its name."""
    return {
        source.name: source.embed(problem, seed=seed, threads=threads)
        for source in config.fitted_sources(own_vectors=problem.vectors.shape[1] > 0)
        if isinstance(source, VectorSource)
    }


def fit_retrieval(
    problem: RetrievalProblem,
    config: RetrievalConfig,
    *,
    seed: int,
    threads: int,
    embeddings: Mapping[str, Embeddings] | None = None,
) -> RetrievalFit:
    """Fit and index the vectors of `problem`, or index `embeddings`; other sources fit their parts when first asked."""
    fitted = fit_embeddings(problem, config, seed=seed, threads=threads) if embeddings is None else embeddings
    spaces = {
        name: index_embeddings(problem, embeddings, config=config.index, seed=seed, threads=threads)
        for name, embeddings in fitted.items()
    }
    return RetrievalFit(problem, spaces, config, seed, threads)
