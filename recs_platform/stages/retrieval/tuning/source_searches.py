"""The parameters of several sources searched side by side within one budget."""

from collections.abc import Callable, Mapping, Sequence

from recs_platform.stages.retrieval.sources.base import Source
from recs_platform.stages.retrieval.threads import side_by_side
from recs_platform.stages.retrieval.tuning.budget import Budget, Shares, Watched
from recs_platform.stages.retrieval.tuning.parameter_search import SourceStudy
from recs_platform.stages.retrieval.tuning.ranges import Range
from recs_platform.stages.retrieval.tuning.source_variants import ValidationSet
from recs_platform.stages.retrieval.tuning.trials import SourceSearch


def search_sources(
    validation_sets: Sequence[ValidationSet],
    searched: Sequence[tuple[Source, Mapping[str, Range]]],
    budget: Budget,
    *,
    k: int,
    depth: int,
    seed: int,
    threads: int,
    watch: Callable[[Watched], None],
) -> dict[str, SourceSearch]:
    """Search the ranges given with each source; its lists are `depth` long and their value counts at `k`.

    Without `budget.until` the same validation sets and seed give the same trials at any number of threads.
    """
    studies = [SourceStudy(validation_sets, source, ranges, k=k, depth=depth, seed=seed) for source, ranges in searched]
    shares = Shares(budget, threads, watch)
    with side_by_side(threads) as pool:
        try:
            list(pool.map(shares.step, studies))
            # With a deadline quick sources leave time to the slow ones; without one the slow ones must not come last.
            waiting = sorted((s for s in studies if s.is_open), key=_seconds, reverse=budget.until is None)
            shares.waiting = len(waiting)
            list(pool.map(shares.search, waiting))
        finally:
            shares.stop()
    return {study.source.name: study.result() for study in studies}


def _seconds(study: SourceStudy) -> float:
    return study.trials[0].seconds
