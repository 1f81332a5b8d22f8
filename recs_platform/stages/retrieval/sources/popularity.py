"""What most users liked, ever: one order for everybody, less what each has consumed. `trending` fades with time."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists, lists_of
from recs_platform.stages.retrieval.top_n import best, blocks_by_width, excluded_mask, pack, unpack


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
        return retrieve_global(fit.problem, users.astype(np.float32), targets, n)


def retrieve_global(
    problem: RetrievalProblem, scores: NDArray[np.float32], targets: NDArray[np.int32], n: int
) -> SourceLists:
    """One order of items by `scores` (n_items,) for all targets, less what each must not be offered."""
    head = np.sort(pack(np.where(problem.eligible, scores, 0), np.arange(problem.n_items)))[::-1]
    head = head[head > 0]
    order, _ = unpack(head)
    keys = np.zeros((len(targets), n), dtype=np.int64)
    for positions, width in blocks_by_width(problem, targets, n):
        excluded = excluded_mask(problem, targets[positions])[:, order[:width]]
        keys[positions] = best(np.where(excluded, 0, head[:width]), n)
    return lists_of(targets, keys)
