"""What most users liked: one order for everybody, less what each has consumed. `trending` counts events, not users."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.evaluation.popularity import faded
from recs_platform.stages.retrieval.packing import pack
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists, lists_of
from recs_platform.stages.retrieval.top_n import first_allowed


class PopularityConfig(SourceConfig):
    """How fast it forgets; a home that names no half-life has it chosen by its own past."""

    half_life_days: Annotated[
        float | None, Field(gt=0, le=3650, description="age at which a user's liking counts half; unset, never")
    ] = None


@dataclass(frozen=True)
class Popularity:
    """Number of distinct users with a positive, each counting 2 ** (-age / half-life) of their last one."""

    name: str = "popularity"
    config: PopularityConfig = field(default_factory=PopularityConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Every target gets a list, whatever their history."""
        scores = fit.prepared(self, lambda: popularity_scores(fit.problem, self.config.half_life_days))
        return retrieve_global(fit, scores, targets, n)


def popularity_scores(problem: RetrievalProblem, half_life_days: float | None) -> NDArray[np.float32]:
    """Score of each item (n_items,): users with a positive, faded by the age of the last one, up to a common factor."""
    if half_life_days is None:
        return np.bincount(problem.preferences.columns, minlength=problem.n_items).astype(np.float32)
    liked = problem.weights > 0
    pairs = problem.users[liked].astype(np.int64) * problem.n_items + problem.items[liked]
    order = np.lexsort((problem.occurred_us[liked], pairs))
    last = order[np.flatnonzero(np.diff(pairs[order], append=-1))]
    faded_likes = faded(problem.occurred_us[liked][last], half_life_days)
    return np.bincount(problem.items[liked][last], weights=faded_likes, minlength=problem.n_items).astype(np.float32)


def retrieve_global(fit: Fitted, scores: NDArray[np.float32], targets: NDArray[np.int32], n: int) -> SourceLists:
    """One order of items by `scores` (n_items,) for all targets, less what each must not be offered."""
    problem = fit.problem
    order = np.sort(pack(np.where(problem.eligible, scores, 0), np.arange(problem.n_items)))[None, ::-1]
    excluded, same = problem.excluded.take(targets), np.zeros(len(targets), dtype=np.int64)
    return lists_of(targets, first_allowed(order, same, excluded, n, threads=fit.threads))
