"""What each click is on: something fresh by taste, region and appeal of the hour, what comes next, or a repeat."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recs_platform.world.catalogue import CATEGORIES
from recs_platform.world.clicks.config import ClickWorldConfig
from recs_platform.world.clicks.items import NOWHERE, Items
from recs_platform.world.clicks.visits import Clicks, Users
from recs_platform.world.config import HOUR_MS
from recs_platform.world.draws import Codes, Floats

_GROUPS_A_CATEGORY = NOWHERE + 1
# How much what is local draws those of its region, and others, beside what is general.
_AT_HOME, _ELSEWHERE = 4.0, 0.05
# What is left of an item's appeal however old it is.
_LASTING = 0.002
_SEASON_DAYS = 56.0


@dataclass(frozen=True)
class _Hour:
    """Items of one hour in order of their group, category x region: cumulated appeal and where each group ends."""

    items: NDArray[np.int64]
    cumulated: Floats
    group_ends: NDArray[np.int64]

    def totals(self) -> Floats:
        """Appeal of each group; float64 (categories, regions + 1)."""
        ends = np.concatenate([[0.0], self.cumulated])[self.group_ends]
        return np.diff(ends, prepend=0.0).reshape(len(CATEGORIES), _GROUPS_A_CATEGORY)

    def draw(self, group: Codes, uniforms: Floats) -> NDArray[np.int64]:
        """One item of each group, in proportion to appeal."""
        bounds = np.concatenate([[0.0], np.concatenate([[0.0], self.cumulated])[self.group_ends]])
        low, high = bounds[group], bounds[group + 1]
        place = np.searchsorted(self.cumulated, low + uniforms * (high - low), side="right")
        return self.items[np.minimum(place, self.group_ends[group] - 1)]


def choose_items(config: ClickWorldConfig, items: Items, users: Users, clicks: Clicks) -> Codes:
    """The item of each click; int32 (clicks,), -1 where somebody would click again on what they had."""
    rng = config.generator("choices")
    fresh = _fresh_items(config, rng, items, users, clicks)
    ways = rng.random(len(fresh))
    earlier = rng.random(len(fresh))
    return _in_turn(config, items, clicks, fresh, ways, earlier)


def _fresh_items(
    config: ClickWorldConfig, rng: np.random.Generator, items: Items, users: Users, clicks: Clicks
) -> NDArray[np.int64]:
    """An item for each click as if it were the user's first, hour by hour."""
    fresh = np.empty(len(clicks.user), dtype=np.int64)
    hour = (clicks.at_ms - config.start_ms) // HOUR_MS
    order = np.argsort(hour, kind="stable")
    edges = np.searchsorted(hour[order], np.arange(config.days * 24 + 1))
    by_group = np.lexsort((items.region, items.category))
    for number, (low, high) in enumerate(pairwise(edges)):
        rows = order[low:high]
        if not len(rows):
            continue
        now = _hour(config, items, by_group, config.start_ms + number * HOUR_MS)
        group = _choose_groups(config, rng, now.totals(), users, clicks.user[rows], number / 24)
        fresh[rows] = now.draw(group, rng.random(len(rows)))
    return fresh


def _hour(config: ClickWorldConfig, items: Items, by_group: NDArray[np.int64], at_ms: int) -> _Hour:
    age_hours = (at_ms - items.published_ms[by_group]) / HOUR_MS
    fading = _LASTING + np.exp2(-np.maximum(age_hours, 0) / config.half_life_hours)
    is_offered = age_hours >= 0
    if config.begins_at_first:
        is_offered &= items.is_first[by_group]
    offered = by_group[is_offered]
    group = items.category[offered].astype(np.int64) * _GROUPS_A_CATEGORY + items.region[offered]
    ends = np.searchsorted(group, np.arange(len(CATEGORIES) * _GROUPS_A_CATEGORY), side="right")
    return _Hour(offered, np.cumsum(items.appeal[offered] * fading[is_offered]), ends)


def _choose_groups(
    config: ClickWorldConfig, rng: np.random.Generator, totals: Floats, users: Users, user: Codes, day: float
) -> Codes:
    """The group of each click: by the user's taste for its category, the region, and what the groups hold."""
    season = np.exp(config.season * np.cos(2 * np.pi * (day / _SEASON_DAYS - np.arange(len(CATEGORIES)) / 12)))
    reach = np.full((len(user), _GROUPS_A_CATEGORY), _ELSEWHERE)
    reach[:, NOWHERE] = 1.0
    reach[np.arange(len(user)), users.region[user]] = _AT_HOME
    weights = ((users.taste[user] * season)[:, :, None] * totals * reach[:, None, :]).reshape(len(user), -1)
    cumulated = np.cumsum(weights, axis=1)
    drawn = rng.random(len(user))[:, None] * cumulated[:, -1:]
    return (cumulated <= drawn).sum(axis=1).clip(0, weights.shape[1] - 1).astype(np.int32)


def _in_turn(
    config: ClickWorldConfig, items: Items, clicks: Clicks, fresh: NDArray[np.int64], ways: Floats, earlier: Floats
) -> Codes:
    """Go through the users' clicks, the n-th of all of them at a time: what comes next, what was before, or fresh."""
    begins = np.flatnonzero(np.diff(clicks.user, prepend=-1))
    counts = np.diff(begins, append=len(clicks.user))
    chosen = fresh.copy()
    published = items.published_ms
    for nth in range(1, int(counts.max())):
        row = begins[counts > nth] + nth
        following = items.follower[chosen[row - 1]]
        can_follow = (following >= 0) & (published[following] <= clicks.at_ms[row])
        follows = can_follow & (ways[row] < config.continue_share)
        repeats = ~follows & (ways[row] >= 1 - config.repeat_share)
        before = row - 1 - (earlier[row] * nth).astype(np.int64)
        chosen[row] = np.where(follows, following, np.where(repeats, chosen[before], chosen[row]))
    is_meant = ways >= 1 - config.repeat_share
    return np.where(_is_again(clicks.user, chosen) & ~is_meant, -1, chosen).astype(np.int32)


def _is_again(user: Codes, item: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the user clicked on the same item before."""
    pair = user.astype(np.int64) * (int(item.max(initial=0)) + 1) + item
    first = np.unique(pair, return_index=True)[1]
    again = np.ones(len(pair), dtype=np.bool_)
    again[first] = False
    return again
