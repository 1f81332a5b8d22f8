"""Parameters of each source and the weights of their merge, chosen on what was held out of the histories.

Which parameters are worth trying is said in `search_space`; the test is never looked at.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import Embeddings, Space, index_embeddings
from recs_platform.stages.retrieval.fit import RetrievalFit
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.search_space import Axes
from recs_platform.stages.retrieval.sources.base import Source, SourceLists, VectorSource
from recs_platform.stages.retrieval.sources.spectral import Spectral, Spectrum, fit_spectrum
from recs_platform.stages.retrieval.validation import HeldOut, pool_lists
from recs_platform.stages.retrieval.weighting import Weighting, choose_weights

FACTORS = "factors"
Parameters = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """`config`: the sources asked for, with the parameters and weights that did best."""

    config: RetrievalConfig
    parameters: dict[str, Parameters]
    weighting: Weighting


class Trials:
    """Sources tried one by one on one problem; what a source prepares is shared by those of its variants that can.

    Lists of `k` are measured for single sources; those to be merged are `depth` long.
    """

    def __init__(
        self, problem: RetrievalProblem, held_out: HeldOut, *, k: int, depth: int, seed: int, threads: int
    ) -> None:
        self.problem, self.held_out = problem, held_out
        self.k, self.depth, self.seed, self.threads = k, depth, seed, threads
        self._begin()

    def _begin(self) -> None:
        self._spaces: dict[str, Space] = {}
        self._spectra: dict[tuple[float, float], Spectrum] = {}
        self._fit = RetrievalFit(self.problem, self._spaces, RetrievalConfig(), self.seed, self.threads)

    def tune(self, source: Source, axes: Axes) -> tuple[Source, SourceLists]:
        """The source with the parameters that did best, and its lists of `depth`.

        Coordinate descent: each axis once, in order, keeping a value that is better than the one before.
        """
        self._begin()
        factors = max([getattr(source.config, FACTORS, 0), *axes.get(FACTORS, ())])
        best = self.value(source, factors) if axes else 0.0
        for name, values in axes.items():
            for value in values:
                tried = with_parameters(source, {name: value})
                if tried != source and (found := self.value(tried, factors)) > best:
                    best, source = found, tried
        return source, self.lists(source, self.depth, factors)

    def value(self, source: Source, factors: int) -> float:
        """Mean over users of recall@k and NDCG@k of the source alone."""
        pool = pool_lists(self.problem, self.held_out, {source.name: self.lists(source, self.k, factors)})
        return float(pool.values({source.name: 1.0}, self.k).mean()) if len(self.held_out.users) else 0.0

    def lists(self, source: Source, n: int, factors: int) -> SourceLists:
        """What the source offers the held-out users."""
        if isinstance(source, VectorSource):
            self._spaces[source.name] = index_embeddings(self.problem, self._embed(source, factors))
        return source.retrieve(self._fit, self.held_out.users, n)

    def _embed(self, source: VectorSource, factors: int) -> Embeddings:
        """A spectrum of the most `factors` serves all variants of its exponents."""
        if not isinstance(source, Spectral):
            return source.embed(self.problem, seed=self.seed, threads=self.threads)
        key = (source.config.user_exponent, source.config.item_exponent)
        if key not in self._spectra:
            config = source.config.model_copy(update={FACTORS: factors})
            self._spectra = {key: fit_spectrum(self.problem, config, seed=self.seed, threads=self.threads)}
        return self._spectra[key].embeddings(source.config)


def choose(
    trials: Trials, config: RetrievalConfig, space: Mapping[str, Axes], progress: Callable[[str], None]
) -> Choice:
    """Tune each enabled source along its axes, then weigh them; the best source alone is one of the merges."""
    parameters: dict[str, Parameters] = {}
    lists: dict[str, SourceLists] = {}
    for source in config.configured_sources():
        started = time.perf_counter()
        axes = space.get(source.name, {})
        tuned, lists[source.name] = trials.tune(source, axes)
        parameters[source.name] = {name: getattr(tuned.config, name) for name in axes}
        progress(f"{source.name}: {parameters[source.name]} ({time.perf_counter() - started:.1f} s)")
    weighting = choose_weights(pool_lists(trials.problem, trials.held_out, lists), trials.k, seed=trials.seed)
    chosen = {name: {**parameters[name], "weight": weight} for name, weight in weighting.weights.items()}
    return Choice(config.with_sources(chosen), parameters, weighting)


def with_parameters(source: Source, parameters: Mapping[str, Any]) -> Source:
    """The source with some parameters changed, checked like any other."""
    config = type(source.config).model_validate({**source.config.model_dump(), **parameters})
    return cast("Source", replace(cast("Any", source), config=config))
