"""Vectors between full fits: when the last full fit was, and what happened since folded into its vectors.

Each folding source says in its own module how.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.embeddings import Embeddings
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import FoldingSource, VectorSource

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def last_full_fit(as_of: datetime, every_days: int) -> datetime:
    """The latest instant at or before `as_of` on a fixed grid: every `every_days` days from 1970-01-01, midnight UTC.

    >>> last_full_fit(datetime(1970, 1, 20, 13, tzinfo=UTC), 7).isoformat()
    '1970-01-15T00:00:00+00:00'
    """
    grid = timedelta(days=every_days)
    return _EPOCH + (as_of - _EPOCH) // grid * grid


def fold_embeddings(
    problem: RetrievalProblem, base: Mapping[str, Embeddings], config: RetrievalConfig, *, seed: int, threads: int
) -> dict[str, Embeddings]:
    """Vectors of each enabled source that has some, by its name: what `base` lacks is folded into its vectors.

    `base`: what `fit_embeddings` gave for an earlier problem with the same config. Sources that cannot fold in, or that
    `base` does not hold, embed anew.
    """
    return {
        source.name: source.fold_in(problem, base[source.name], seed=seed, threads=threads)
        if isinstance(source, FoldingSource) and source.name in base
        else source.embed(problem, seed=seed, threads=threads)
        for source in config.fitted_sources(own_vectors=problem.vectors.shape[1] > 0)
        if isinstance(source, VectorSource)
    }
