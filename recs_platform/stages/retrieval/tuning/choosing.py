"""Parameters of each source and the weights of their merge, chosen on what was held out of the histories.

Which parameters are worth trying is said in `search_space`; the test is never looked at.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Source, SourceLists
from recs_platform.stages.retrieval.threads import side_by_side
from recs_platform.stages.retrieval.tuning.search_space import Axes
from recs_platform.stages.retrieval.tuning.source_trials import (
    FACTORS,
    SourceBench,
    ValidationSet,
    values_alone,
    with_parameters,
)
from recs_platform.stages.retrieval.tuning.validation import HeldOut, pool_lists
from recs_platform.stages.retrieval.tuning.weighting import Weighting, choose_weights

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
    validations = (ValidationSet(trials.problem, trials.held_out),)
    factors = max([getattr(source.config, FACTORS, 0), *axes.get(FACTORS, ())])
    bench = SourceBench(validations, factors=factors, seed=trials.seed)

    def worth(tried: Source) -> float:
        if not len(trials.held_out.users):
            return 0.0
        return float(values_alone(validations, bench.lists(tried, trials.k), trials.k).mean())

    best = worth(source) if axes else 0.0
    for name, values in [*axes.items()] * trials.sweeps:
        for value in values:
            tried = with_parameters(source, {name: value})
            if tried != source and (found := worth(tried)) > best:
                best, source = found, tried
    return source, bench.lists(source, trials.depth)[0]
