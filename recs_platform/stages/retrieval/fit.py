"""Everything retrieval fits for one as-of. Which items come of it for whom is not decided here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import Embeddings, Space, check_ids, index_embeddings
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Source, VectorSource

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class RetrievalFit:
    """One problem with the vector spaces of its sources. Raises ContractError where their ids are not the problem's."""

    problem: RetrievalProblem
    spaces: Mapping[str, Space]
    config: RetrievalConfig = field(default_factory=RetrievalConfig)
    seed: int = 0
    threads: int = 1
    _parts: dict[tuple[str, str], object] = field(default_factory=dict[tuple[str, str], object], repr=False)

    def __post_init__(self) -> None:
        for space in self.spaces.values():
            check_ids(self.problem, space.embeddings)

    def space(self, name: str) -> Space:
        """Vectors and index of a source. Raises ContractError for one that was not fitted."""
        if name not in self.spaces:
            raise ContractError(f"no vectors of {name}; there are those of {sorted(self.spaces)}")
        return self.spaces[name]

    def prepared(self, source: Source, build: Callable[[], T]) -> T:
        """What `build` gives, computed once for all configs of the source that fit alike, and kept with this fit."""
        key = (source.name, source.config.fit_key())
        if key not in self._parts:
            self._parts[key] = build()
        return cast("T", self._parts[key])


def fit_embeddings(
    problem: RetrievalProblem, config: RetrievalConfig, *, seed: int, threads: int
) -> dict[str, Embeddings]:
    """Vectors of each enabled source that has some, by its name."""
    return {
        source.name: source.embed(problem, seed=seed, threads=threads)
        for source in config.fitted_sources()
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
