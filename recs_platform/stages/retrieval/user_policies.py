"""What the config says of each user: sources left out, items that stay candidates, who is cold."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.shared_settings import SegmentPlan
from recs_platform.stages.retrieval.config import RetrievalConfig, SourceName
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


def is_cold(problem: RetrievalProblem, config: RetrievalConfig) -> NDArray[np.bool_]:
    """Flags (n_users,): who has so few positives that sources are asked in the order of the ColdPlan."""
    if config.cold.positives_max is None or not config.cold.order:
        return np.zeros(problem.n_users, dtype=np.bool_)
    return problem.preferences.lengths <= config.cold.positives_max


def tiers_by_user(problem: RetrievalProblem, config: RetrievalConfig) -> dict[str, NDArray[np.int8]]:
    """Index of a source's group in the order of the ColdPlan, by source: int8 (n_users,), 0 for users who are warm."""
    cold = is_cold(problem, config)
    if not cold.any():
        return {}
    return {name: cold * np.int8(tier) for tier, group in enumerate(config.cold.order) for name in group}


def _members(
    problem: RetrievalProblem, config: RetrievalConfig
) -> Iterator[tuple[NDArray[np.bool_], SegmentPlan[SourceName]]]:
    segments = problem.profiles[c.SEGMENT_ID]
    for segment, plan in config.segments.items():
        yield (segments == segment).fill_null(value=False).to_numpy(), plan
