"""The config that a benchmark scores: each source's best parameters and the weights of the merge of all of them.

Chosen on the validation part of the split; the test is never looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.tuning.budget import Budget
from recs_platform.stages.retrieval.tuning.progress import TrialProgress
from recs_platform.stages.retrieval.tuning.ranges import searched_ranges
from recs_platform.stages.retrieval.tuning.source_searches import search_sources
from recs_platform.stages.retrieval.tuning.source_variants import ValidationSet, pool_validation_sets
from recs_platform.stages.retrieval.tuning.trials import Parameters
from recs_platform.stages.retrieval.tuning.weighting import Weighting, choose_weights


@dataclass(frozen=True)
class TunedMerge:
    """`config`: the enabled sources with the `parameters` and weights that did best on the validation part.

    Parameters that did as well and are simpler come before the best.
    """

    config: RetrievalConfig
    parameters: dict[str, Parameters]
    weighting: Weighting


def tune_merge(
    validation_set: ValidationSet,
    config: RetrievalConfig,
    budget: Budget,
    *,
    k: int,
    depth: int,
    seed: int,
    threads: int,
    report: Callable[[str], None],
) -> TunedMerge:
    """Search the parameters of each enabled source, then weigh lists of `depth`; the best source alone is one merge."""
    sources = config.configured_sources()
    searched = [(source, searched_ranges(source, factors_max=budget.factors_max)) for source in sources]
    searches = search_sources(
        [validation_set],
        searched,
        budget,
        k=k,
        depth=depth,
        seed=seed,
        threads=threads,
        watch=TrialProgress(report),
    )
    pool = pool_validation_sets([validation_set], {name: found.simplest.lists for name, found in searches.items()})
    weighting = choose_weights(pool, k, seed=seed)
    parameters = {
        source.name: {field: getattr(searches[source.name].simplest.source.config, field) for field in ranges}
        for source, ranges in searched
    }
    chosen = {name: {**parameters[name], "weight": weight} for name, weight in weighting.weights.items()}
    return TunedMerge(config.with_sources(chosen), parameters, weighting)
