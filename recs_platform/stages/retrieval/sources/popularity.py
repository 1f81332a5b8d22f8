"""What most users liked: one order for everybody or for a group, less what each user has consumed.

`trending` counts events, not users; `group_popularity` adds up several groups of a user.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts import columns as c
from recs_platform.evaluation.groups import codes_of, largest_groups
from recs_platform.evaluation.popularity import (
    GROUP_USERS_MIN,
    GROUPS_MAX,
    category_scores,
    group_scores,
    item_scores,
)
from recs_platform.stages.retrieval.packing import Keys, pack
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists, lists_of
from recs_platform.stages.retrieval.top_n import first_allowed

HalfLife = Annotated[float | None, Field(gt=0, le=3650)]


class PopularityConfig(SourceConfig):
    """How fast it forgets, and for whom it counts; a home that names none of it has it chosen by its own past."""

    half_life_days: Annotated[
        float | None, Field(gt=0, le=3650, description="age at which a user's liking counts half; unset, never")
    ] = None
    within: Annotated[
        Literal["country", "region", "top_device"] | None,
        Field(description="what users have in common who are offered one order; unset, all are"),
    ] = None
    within_half_life_days: Annotated[
        float | None, Field(gt=0, le=3650, description="the same for likes within a group; unset, never")
    ] = None
    within_share: Annotated[
        float, Field(gt=0, le=1, description="weight of the group's own likes; the rest is everybody's")
    ] = 0.3
    category_half_lives_days: Annotated[
        dict[str, HalfLife], Field(description="half-lives of categories that have one of their own")
    ] = {}  # noqa: RUF012 - a pydantic model copies its defaults

    @property
    def looks_at_eligibility(self) -> bool:
        return self.within is not None


@dataclass(frozen=True)
class Popularity:
    """Number of distinct users with a positive, each counting 2 ** (-age / half-life) of their last one.

    Within groups: the item's share of that in the user's group and its share of everybody's, weighted; users who are
    in no group of 50 are offered everybody's order.
    """

    name: str = "popularity"
    config: PopularityConfig = field(default_factory=PopularityConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Every target gets a list, whatever their history."""
        if self.config.within is None:
            scores = fit.prepared(self, lambda: popularity_scores(fit.problem, self.config))
            return retrieve_global(fit, scores, targets, n)
        groups = fit.prepared(self, lambda: fit_group_orders(fit.problem, self.config))
        excluded = fit.problem.excluded.take(targets)
        return lists_of(
            targets, first_allowed(groups.orders, groups.order_of[targets], excluded, n, threads=fit.threads)
        )


@dataclass(frozen=True, eq=False)
class GroupOrders:
    """Keys (n_groups + 1, n_kept) of eligible liked items, each row descending; `order_of` (n_users,) its row."""

    orders: Keys
    order_of: NDArray[np.int64]


def popularity_scores(problem: RetrievalProblem, config: PopularityConfig) -> NDArray[np.float32]:
    """Score of each item (n_items,): users with a positive, faded by the age of the last one, up to a common factor."""
    return _everybody(problem, _last_likes(problem), config).astype(np.float32)


def fit_group_orders(problem: RetrievalProblem, config: PopularityConfig) -> GroupOrders:
    """The order of each group of users that is large enough, everybody's last."""
    likes = _last_likes(problem)
    everybody = _everybody(problem, likes, config)
    kept = np.flatnonzero(problem.eligible & (everybody > 0)).astype(np.int32)
    position = np.full(problem.n_items, -1, dtype=np.int32)
    position[kept] = np.arange(len(kept))
    is_kept = position[problem.items[likes]] >= 0
    shown = likes[is_kept]
    order_of, n_groups = largest_groups(
        problem.profiles[str(config.within)],
        problem.preferences.lengths > 0,
        members_min=GROUP_USERS_MIN,
        groups_max=GROUPS_MAX,
    )
    scores = group_scores(
        order_of[problem.users[shown]],
        position[problem.items[shown]],
        problem.occurred_us[shown],
        everybody[kept],
        n_groups=n_groups,
        half_life_days=config.within_half_life_days,
        own_share=config.within_share,
    )
    return GroupOrders(np.sort(pack(scores.astype(np.float32), kept), axis=1)[:, ::-1], order_of)


def _everybody(problem: RetrievalProblem, likes: NDArray[np.int64], config: PopularityConfig) -> NDArray[np.float64]:
    items, occurred_us = problem.items[likes], problem.occurred_us[likes]
    scores = item_scores(items, occurred_us, problem.n_items, config.half_life_days)
    if not config.category_half_lives_days:
        return scores
    names = pl.Series(list(config.category_half_lives_days), dtype=pl.String)
    half_lives = dict(enumerate(config.category_half_lives_days.values()))
    return category_scores(items, occurred_us, scores, codes_of(problem.catalogue[c.CATEGORY], names), half_lives)


def _last_likes(problem: RetrievalProblem) -> NDArray[np.int64]:
    """Positions of the last positive of each user with each item."""
    liked = np.flatnonzero(problem.weights > 0)
    pairs = problem.users[liked].astype(np.int64) * problem.n_items + problem.items[liked]
    order = np.lexsort((problem.occurred_us[liked], pairs))
    return liked[order[np.flatnonzero(np.diff(pairs[order], append=-1))]]


def retrieve_global(fit: Fitted, scores: NDArray[np.float32], targets: NDArray[np.int32], n: int) -> SourceLists:
    """One order of items by `scores` (n_items,) for all targets, less what each must not be offered."""
    problem = fit.problem
    order = np.sort(pack(np.where(problem.eligible, scores, 0), np.arange(problem.n_items)))[None, ::-1]
    excluded, same = problem.excluded.take(targets), np.zeros(len(targets), dtype=np.int64)
    return lists_of(targets, first_allowed(order, same, excluded, n, threads=fit.threads))
