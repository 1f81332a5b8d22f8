"""What users like lately: positives that fade with age. The same order for everybody, less what each has consumed."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts.time import DAY_MICROSECONDS
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.popularity import retrieve_global


class TrendingConfig(SourceConfig):
    """How fast interest fades."""

    half_life_days: Annotated[float, Field(gt=0, le=3650, description="age at which a positive counts half")] = 7.0


@dataclass(frozen=True)
class Trending:
    """Sum over positives of weight * 2 ** (-age / half-life), age as of the instant.

    One instance a half-life, each with a name of its own: `Trending("trending_1d", TrendingConfig(half_life_days=1))`.
    """

    name: str = "trending"
    config: TrendingConfig = field(default_factory=TrendingConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Every target gets a list, whatever their history.

        Items liked last some 150 half-lives before the youngest positive score 0 in float32, and are not offered.
        """
        scores = fit.prepared(self, lambda: trending_scores(fit.problem, self.config))
        return retrieve_global(fit, scores, targets, n)


def trending_scores(problem: RetrievalProblem, config: TrendingConfig) -> NDArray[np.float32]:
    """Score of each item (n_items,), up to a factor that all share: ages count from the youngest positive."""
    liked, faded = faded_positives(problem, config.half_life_days)
    return np.bincount(problem.items[liked], weights=faded, minlength=problem.n_items).astype(np.float32)


def faded_positives(problem: RetrievalProblem, half_life_days: float) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Flags of the positives among the interactions, and weight * 2 ** (-age / half-life) of each that is flagged."""
    liked = problem.weights > 0
    age_days = (problem.as_of_us - problem.occurred_us[liked]) / DAY_MICROSECONDS
    # Counted from as_of itself, every score of a data set that ended years ago would round to zero.
    age_days -= age_days.min(initial=np.inf)
    return liked, problem.weights[liked] * np.exp2(-age_days / half_life_days)
