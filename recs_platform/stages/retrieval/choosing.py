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
from recs_platform.stages.retrieval.threads import side_by_side
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


@dataclass(frozen=True, eq=False)
class Trials:
    """What sources are tried on: lists of `k` are measured for single sources, those to be merged are `depth` long."""

    problem: RetrievalProblem
    held_out: HeldOut
    k: int
    depth: int
    seed: int
    threads: int
    sweeps: int = 1


def choose(
    trials: Trials, config: RetrievalConfig, space: Mapping[str, Axes], progress: Callable[[str], None]
) -> Choice:
    """Tune each enabled source along its axes, then weigh them; the best source alone is one of the merges.

    Sources are tuned side by side, as many as there are threads; which of them are changes nothing.
    """

    def tune(source: Source) -> tuple[Parameters, SourceLists]:
        started, axes = time.perf_counter(), space.get(source.name, {})
        tuned, lists = tune_source(trials, source, axes)
        found = {name: getattr(tuned.config, name) for name in axes}
        progress(f"{source.name}: {found} ({time.perf_counter() - started:.1f} s)")
        return found, lists

    sources = config.configured_sources()
    with side_by_side(trials.threads) as pool:
        tuned = dict(zip([source.name for source in sources], pool.map(tune, sources), strict=True))
    lists = {name: found for name, (_, found) in tuned.items()}
    weighting = choose_weights(pool_lists(trials.problem, trials.held_out, lists), trials.k, seed=trials.seed)
    chosen = {name: {**tuned[name][0], "weight": weight} for name, weight in weighting.weights.items()}
    return Choice(config.with_sources(chosen), {name: found for name, (found, _) in tuned.items()}, weighting)


def tune_source(trials: Trials, source: Source, axes: Axes) -> tuple[Source, SourceLists]:
    """The source with the parameters that did best, and its lists of `depth`.

    Coordinate descent: `sweeps` times each axis, in order, keeping a value that is better than the one before.
    """
    bench = _Bench(trials, factors=max([getattr(source.config, FACTORS, 0), *axes.get(FACTORS, ())]))
    best = bench.value(source) if axes else 0.0
    for name, values in [*axes.items()] * trials.sweeps:
        for value in values:
            tried = with_parameters(source, {name: value})
            if tried != source and (found := bench.value(tried)) > best:
                best, source = found, tried
    return source, bench.lists(source, trials.depth)


class _Bench:
    """Variants of one source, which share what they prepare where they can; one spectrum has the most `factors`."""

    def __init__(self, trials: Trials, factors: int) -> None:
        self._trials, self._factors = trials, factors
        self._spaces: dict[str, Space] = {}
        self._spectra: dict[tuple[float, float], Spectrum] = {}
        # One thread: sources are tuned side by side.
        self._fit = RetrievalFit(trials.problem, self._spaces, RetrievalConfig(), trials.seed, threads=1)

    def value(self, source: Source) -> float:
        """Mean over users of recall@k and NDCG@k of the source alone."""
        trials = self._trials
        if not len(trials.held_out.users):
            return 0.0
        pool = pool_lists(trials.problem, trials.held_out, {source.name: self.lists(source, trials.k)})
        return float(pool.values({source.name: 1.0}, trials.k).mean())

    def lists(self, source: Source, n: int) -> SourceLists:
        """What the source offers the held-out users."""
        if isinstance(source, VectorSource):
            self._spaces[source.name] = index_embeddings(self._trials.problem, self._embed(source))
        return source.retrieve(self._fit, self._trials.held_out.users, n)

    def _embed(self, source: VectorSource) -> Embeddings:
        problem, seed = self._trials.problem, self._trials.seed
        if not isinstance(source, Spectral):
            return source.embed(problem, seed=seed, threads=1)
        key = (source.config.user_exponent, source.config.item_exponent)
        if key not in self._spectra:
            config = source.config.model_copy(update={FACTORS: self._factors})
            self._spectra = {key: fit_spectrum(problem, config, seed=seed, threads=1)}
        return self._spectra[key].embeddings(source.config)


def with_parameters(source: Source, parameters: Mapping[str, Any]) -> Source:
    """The source with some parameters changed, checked like any other."""
    config = type(source.config).model_validate({**source.config.model_dump(), **parameters})
    return cast("Source", replace(cast("Any", source), config=config))
