"""What most users liked, ever: one order for everybody, less what each has consumed. `trending` fades with time."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.packing import pack
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists, lists_of
from recs_platform.stages.retrieval.top_n import first_allowed


class PopularityConfig(SourceConfig):
    """Nothing to choose."""


@dataclass(frozen=True)
class Popularity:
    """Number of distinct users with a positive."""

    name: str = "popularity"
    config: PopularityConfig = field(default_factory=PopularityConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Every target gets a list, whatever their history."""
        users = np.bincount(fit.problem.preferences.columns, minlength=fit.problem.n_items)
        return retrieve_global(fit, users.astype(np.float32), targets, n)


def retrieve_global(fit: Fitted, scores: NDArray[np.float32], targets: NDArray[np.int32], n: int) -> SourceLists:
    """One order of items by `scores` (n_items,) for all targets, less what each must not be offered."""
    problem = fit.problem
    order = np.sort(pack(np.where(problem.eligible, scores, 0), np.arange(problem.n_items)))[None, ::-1]
    excluded, same = problem.excluded.take(targets), np.zeros(len(targets), dtype=np.int64)
    return lists_of(targets, first_allowed(order, same, excluded, n, threads=fit.threads))
