"""Parameters and weights of the candidate sources, chosen on validation sets and compared with those in force.

Validation sets of a home come from `pipeline.tuning`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.evaluation.bootstrap import Interval, paired_difference
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.sources.base import Source
from recs_platform.stages.retrieval.tuning.budget import Budget, Watched
from recs_platform.stages.retrieval.tuning.ranges import Range, searched_ranges
from recs_platform.stages.retrieval.tuning.source_searches import search_sources
from recs_platform.stages.retrieval.tuning.source_variants import ValidationSet, pool_validation_sets
from recs_platform.stages.retrieval.tuning.trials import LEVEL, Parameters, SourceSearch
from recs_platform.stages.retrieval.tuning.validation import Pool
from recs_platform.stages.retrieval.tuning.weighting import choose_weights

ENABLED, WEIGHT = "enabled", "weight"
Weights = dict[str, float]
# What a source without a weight offers comes last, but it does come.
_LEAST_WEIGHT = 1e-6


@dataclass(frozen=True, eq=False)
class Tuning:
    """`changes` by source: what `RetrievalConfig.with_sources` takes. `weights`: of all sources that are merged.

    `default` and `tuned`: value@k of the merge by the config at hand and by the changes; `gain` is the difference with
    its 95 % interval. `default_recall`, `tuned_recall`: share of what came next among the candidates that are kept.
    """

    changes: dict[str, Parameters]
    searches: dict[str, SourceSearch]
    weights: Weights
    k: int
    default: float
    tuned: float
    gain: Interval
    default_recall: float
    tuned_recall: float

    @property
    def is_gained(self) -> bool:
        """Whether the changes are better by more than chance: the lower end of the interval is above 0."""
        return bool(self.changes) and self.gain.low > 0


def tune_retrieval(
    validation_sets: Sequence[ValidationSet],
    config: RetrievalConfig,
    names: Collection[str],
    budget: Budget,
    *,
    k: int,
    fixed: Mapping[str, Collection[str]],
    seed: int,
    threads: int,
    watch: Callable[[Watched], None],
) -> Tuning:
    """Search the parameters of the sources `names`, then weigh them and all enabled ones; the merge counts at `k`.

    `fixed` fields of a source stay as the config has them. A source's parameters are changed where they beat those at
    hand by more than chance (see `SourceSearch.kept`), and so are the weights; one that is off is switched on where it
    adds to the merge of the others by more than chance. Without `until` the same validation sets and seed give the same
    changes at any number of threads.
    """
    depth = config.candidates_per_source
    searches = search_sources(
        validation_sets,
        _searched(config, names, fixed, budget.factors_max),
        budget,
        k=depth,
        depth=depth,
        seed=seed,
        threads=threads,
        watch=watch,
    )
    return _compose(validation_sets, config, searches, fixed, k=k, seed=seed)


def _searched(
    config: RetrievalConfig, names: Collection[str], fixed: Mapping[str, Collection[str]], factors_max: int
) -> list[tuple[Source, Mapping[str, Range]]]:
    """Sources to try, the enabled ones and those asked for, and what to search of each."""
    everything = config.with_sources({name: {ENABLED: True} for name in names}).configured_sources()
    return [
        (
            source,
            searched_ranges(source, fixed=fixed.get(source.name, ()), factors_max=factors_max)
            if source.name in names
            else {},
        )
        for source in everything
    ]


def _compose(
    validation_sets: Sequence[ValidationSet],
    config: RetrievalConfig,
    searches: Mapping[str, SourceSearch],
    fixed: Mapping[str, Collection[str]],
    *,
    k: int,
    seed: int,
) -> Tuning:
    enabled = [name for name in searches if config.sources[name].enabled]
    before = pool_validation_sets(validation_sets, {name: searches[name].default.lists for name in enabled})
    after = pool_validation_sets(
        validation_sets, {name: search.kept.lists for name, search in searches.items() if search.kept.offers_anything}
    )
    at_hand = {name: config.sources[name].weight for name in enabled}
    pinned = {name: weight for name, weight in at_hand.items() if WEIGHT in fixed.get(name, ())}
    weights = at_hand
    for names in (enabled, list(searches)):
        wanted = [name for name in after.names if name in names]
        if not wanted:
            continue
        pool = pool_validation_sets(validation_sets, {name: searches[name].kept.lists for name in wanted})
        found = at_hand | choose_weights(pool, k, seed=seed, fixed=pinned).weights
        if _is_better(after, found, weights, k, config.candidates, seed):
            weights = {name: weight for name, weight in found.items() if name in enabled or weight > 0}
    tuned, default = after.values(weights, k), before.values(at_hand, k)
    return Tuning(
        changes=_changes(config, searches, weights),
        searches=dict(searches),
        weights=weights,
        k=k,
        default=float(default.mean()),
        tuned=float(tuned.mean()),
        gain=paired_difference(tuned, default, seed),
        default_recall=float(_recalls(before, at_hand, config.candidates).mean()),
        tuned_recall=float(_recalls(after, weights, config.candidates).mean()),
    )


def _is_better(pool: Pool, found: Weights, at_hand: Weights, k: int, kept: int | None, seed: int) -> bool:
    """Whether weights gain more than chance at `k`, and lose no more than chance of what is kept as candidates."""
    gain = paired_difference(pool.values(found, k), pool.values(at_hand, k), seed, level=LEVEL)
    loss = paired_difference(_recalls(pool, at_hand, kept), _recalls(pool, found, kept), seed, level=LEVEL)
    return gain.low > 0 and loss.low <= 0


def _recalls(pool: Pool, weights: Weights, kept: int | None) -> NDArray[np.float64]:
    offered = {name: max(weight, _LEAST_WEIGHT) for name, weight in weights.items()}
    return pool.recalls(offered, kept or len(pool.user_positions) + 1)


def _changes(
    config: RetrievalConfig, searches: Mapping[str, SourceSearch], weights: Weights
) -> dict[str, dict[str, Any]]:
    """Fields that differ from the config, by source; sources that stay off are left as they are."""
    wanted = {name: searches[name].kept.source.config.model_copy(update={WEIGHT: weights[name]}) for name in weights}
    return {
        name: changed
        for name, tuned in wanted.items()
        if (
            changed := {
                field: value
                for field, value in tuned.model_dump().items()
                if value != getattr(config.sources[name], field)
            }
        )
    }
