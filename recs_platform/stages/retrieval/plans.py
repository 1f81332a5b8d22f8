"""What a segment's plan says: sources left out for its users, items of others that stay. Nothing is scored here."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.stages.retrieval.config import RetrievalConfig, SegmentPlan
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import SourceLists


def quotas_by_user(problem: RetrievalProblem, config: RetrievalConfig) -> dict[str, NDArray[np.int32]]:
    """Quota of each user (n_users,) by source, for the sources that have any; that of the segment goes first."""
    names = {*config.quotas, *(name for plan in config.segments.values() for name in plan.quotas)}
    quotas = {name: np.full(problem.n_users, config.quotas.get(name, 0), dtype=np.int32) for name in sorted(names)}
    for members, plan in _members(problem, config):
        for name, quota in plan.quotas.items():
            quotas[name][members] = quota
    return quotas


def leave_out(
    problem: RetrievalProblem, config: RetrievalConfig, lists: Mapping[str, SourceLists]
) -> dict[str, SourceLists]:
    """The lists less those of users whose segment's plan has the source off."""
    kept = dict(lists)
    for members, plan in _members(problem, config):
        for name in plan.off:
            if name in kept:
                kept[name] = kept[name].take(~members[kept[name].users])
    return kept


def _members(problem: RetrievalProblem, config: RetrievalConfig) -> Iterator[tuple[NDArray[np.bool_], SegmentPlan]]:
    segments = problem.profiles[c.SEGMENT_ID]
    for segment, plan in config.segments.items():
        yield (segments == segment).fill_null(value=False).to_numpy(), plan
