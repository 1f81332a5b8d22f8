"""What users like the user is like, by segment, region, age and device, like lately, whatever the user's own history.

Users of the same groups share one list, so the cost grows with the number of combinations of groups.
"""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts import columns as c
from recs_platform.evaluation.groups import largest_groups
from recs_platform.stages.retrieval.packing import pack, unpack
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists, lists_of
from recs_platform.stages.retrieval.sources.group_shares import GroupShares, best_of_groups
from recs_platform.stages.retrieval.sources.trending import faded_positives
from recs_platform.stages.retrieval.top_n import blocks_by_width, first_allowed

Weight = Annotated[float, Field(ge=0, le=100, description="of the user's group in this; 0 = not looked at")]


class GroupPopularityConfig(SourceConfig):
    """Which groups count, how much, and how far each is believed."""

    half_life_days: Annotated[float, Field(gt=0, le=3650, description="age at which a positive counts half")] = 4.0
    smoothing: Annotated[
        float, Field(gt=0, le=1e6, description="positives of today that a group borrows from all users")
    ] = 1000.0
    min_users: Annotated[int, Field(ge=1, le=10_000_000, description="users with a positive that make a group")] = 20
    max_groups: Annotated[int, Field(ge=1, le=1000, description="largest of a kind that are kept; bounds memory")] = 100
    segment_weight: Weight = 1.0
    country_weight: Weight = 1.0
    region_weight: Weight = 1.0
    age_band_weight: Weight = 1.0
    device_weight: Weight = 1.0

    @property
    def groupings(self) -> tuple[tuple[str, float], ...]:
        """Columns of the profiles with their weights, those of weight 0 left out."""
        weights = (
            (c.SEGMENT_ID, self.segment_weight),
            (c.COUNTRY, self.country_weight),
            (c.REGION, self.region_weight),
            (c.AGE_BAND, self.age_band_weight),
            (c.TOP_DEVICE, self.device_weight),
        )
        return tuple((column, weight) for column, weight in weights if weight > 0)

    @property
    def looks_at_eligibility(self) -> bool:
        return True


@dataclass(frozen=True)
class GroupPopularity:
    """Sum over the user's groups of weight * (faded positives of the item in the group + m p) / (all of it + m).

    p is the item's share of everybody's faded positives, m the smoothing: a small group is taken to be like all.
    """

    name: str = "group_popularity"
    config: GroupPopularityConfig = field(default_factory=GroupPopularityConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users who are in no group that is large enough get no entry."""
        problem = fit.problem
        groups = fit.prepared(self, lambda: fit_group_shares(problem, self.config))
        combinations = groups.combination_of[targets]
        known = np.flatnonzero(groups.combinations[combinations].any(axis=1))
        keys = np.zeros((len(targets), n), dtype=np.int64)
        for positions, width in blocks_by_width(problem, targets[known], n):
            block = known[positions]
            # Neighbours share their orders.
            shared, order_of = np.unique(combinations[block], return_inverse=True)
            orders = best_of_groups(groups, groups.combinations[shared], width)
            excluded = problem.excluded.take(targets[block])
            keys[block] = first_allowed(orders, order_of, excluded, n, threads=fit.threads)
        return lists_of(targets, keys)


def fit_group_shares(problem: RetrievalProblem, config: GroupPopularityConfig) -> GroupShares:
    """Shares of every group that is large enough, and the combinations of groups that users have."""
    liked, faded = faded_positives(problem, config.half_life_days)
    users, items = problem.users[liked], problem.items[liked]
    share = np.bincount(items, weights=faded, minlength=problem.n_items) / max(faded.sum(), 1.0)
    kept = np.flatnonzero(problem.eligible & (share.astype(np.float32) > 0)).astype(np.int32)
    tables = [np.zeros((1, len(kept)), dtype=np.float32)]
    members = np.zeros((problem.n_users, len(config.groupings)), dtype=np.int32)
    begun = 1
    for kind, (column, weight) in enumerate(config.groupings):
        group_of, n_groups = _groups(problem, problem.profiles[column], config)
        sums = _sums(group_of[users], items, faded, (n_groups, problem.n_items))
        smoothed = (sums[:, kept] + config.smoothing * share[kept]) / (sums.sum(axis=1) + config.smoothing)[:, None]
        tables.append(np.ascontiguousarray(weight * smoothed, dtype=np.float32))
        members[:, kind] = np.where(group_of < n_groups, group_of + begun, 0)
        begun += n_groups
    order = np.concatenate([_descending(table) for table in tables])
    combinations, combination_of = np.unique(members, axis=0, return_inverse=True)
    return GroupShares(kept, np.concatenate(tables), order, combinations, combination_of.astype(np.int32))


def _groups(
    problem: RetrievalProblem, values: pl.Series, config: GroupPopularityConfig
) -> tuple[NDArray[np.int64], int]:
    """Group of each user, and how many there are; that number for users who are in none that is large enough.

    Only users with a positive count. Larger groups come first, ties by value.
    """
    active = problem.preferences.lengths > 0
    return largest_groups(values, active, members_min=config.min_users, groups_max=config.max_groups)


def _descending(table: NDArray[np.float32]) -> NDArray[np.int32]:
    """Positions of each row by value descending, ties by position; packed, because argsort takes ten times as long."""
    n_items: int = table.shape[1]
    above_zero = np.maximum(table, np.finfo(np.float32).smallest_subnormal)
    positions, _ = unpack(np.sort(pack(above_zero, np.arange(n_items)), axis=1)[:, ::-1])
    return positions


def _sums(
    groups: NDArray[np.int64], items: NDArray[np.int32], faded: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Faded positives of each group and item, `shape` = (n_groups, n_items); users in no group are left out."""
    inside = groups < shape[0]
    cells = groups[inside] * shape[1] + items[inside]
    sums = np.bincount(cells, weights=faded[inside], minlength=shape[0] * shape[1])
    return sums.astype(np.float64).reshape(shape)
