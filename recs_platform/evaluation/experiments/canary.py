"""Whether a new release that some users get already goes on, is taken back, or is given to everybody.

Counts come from a server: who gets which release and what is done with the decision is in `serving.canary`. Each metric
is a ratio (failed lists, slow lists, clicks an impression) whose error is that of the delta method over groups of
users, so that heavy users are not taken for many; its p-value holds at every look (`anytime`).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recs_platform.evaluation.experiments.anytime import ALPHA, USERS_MIN, p_value

GROUPS = 256  # users of a side are divided among so many by a hash; each lies in one
_BROKEN_LISTS = 20
_BROKEN_SHARE = 0.5
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """What one release did, int64 (GROUPS,) each: lists made or tried, failed, slow; impressions and clicks on them."""

    lists: Counts
    failed: Counts
    slow: Counts
    impressions: Counts
    clicks: Counts

    @classmethod
    def empty(cls) -> "Side":
        """A side of which nothing is known yet."""
        return cls(*(np.zeros(GROUPS, dtype=np.int64) for _ in range(5)))


@dataclass(frozen=True)
class Limits:
    """A release passes after `minutes`, once `exposures_min` impressions of it were reported."""

    minutes: float
    exposures_min: int


@dataclass(frozen=True)
class Decision:
    """What to do, and why in a sentence with the numbers."""

    action: Literal["wait", "promote", "take_back"]
    reason: str


def decide(new: Side, old: Side, minutes: float, limits: Limits) -> Decision:
    """What the counts of `minutes` say. A loss of any metric takes the release back; alpha is shared by the three."""
    broken = _broken(new, old)
    if broken is not None:
        return Decision("take_back", broken)
    exposures = int(new.impressions.sum())
    for name, above, below, is_worse_above in (
        ("failed lists", "failed", "lists", True),
        ("slow lists", "slow", "lists", True),
        ("clicks an impression", "clicks", "impressions", False),
    ):
        ours, theirs = (_ratio(getattr(side, above), getattr(side, below)) for side in (new, old))
        planned = max(limits.exposures_min, USERS_MIN)
        found = None if ours is None or theirs is None else _loss(ours, theirs, planned, is_worse_above=is_worse_above)
        if found is not None and ours is not None and theirs is not None and found < ALPHA / 3:
            said = f"{name}: {ours.value:.4f}, of the release before {theirs.value:.4f}; p = {found:.2g} at any look"
            return Decision("take_back", said)
    if minutes < limits.minutes or exposures < limits.exposures_min:
        so_far = f"{minutes:.0f} of {limits.minutes:g} minutes, {exposures} of {limits.exposures_min} impressions"
        return Decision("wait", f"{so_far}; no loss found")
    return Decision("promote", f"no loss found in {minutes:.0f} minutes and {exposures} impressions")


@dataclass(frozen=True)
class _Ratio:
    value: float
    error: float
    count: int


def _ratio(above: Counts, below: Counts) -> _Ratio | None:
    """A ratio of sums with its standard error; None where fewer than 100 groups say anything."""
    n, total = int((below > 0).sum()), int(below.sum())
    if n < USERS_MIN:
        return None
    value = float(above.sum()) / total
    rest = (above - value * below)[below > 0]
    return _Ratio(value, math.sqrt(float((rest**2).sum()) * n / (n - 1)) / total, total)


def _loss(new: _Ratio, old: _Ratio, planned: float, *, is_worse_above: bool) -> float | None:
    """p-value of a loss, None where there is none. The clock is what was counted of the new release."""
    loss = new.value - old.value if is_worse_above else old.value - new.value
    error = math.hypot(new.error, old.error)
    if loss <= 0 or error == 0:
        return None
    return float(p_value(loss / error, new.count, planned))


def _broken(new: Side, old: Side) -> str | None:
    """A release most of whose lists fail needs no statistics, unless the one before fails as well."""
    failed, lists = int(new.failed.sum()), int(new.lists.sum())
    before = int(old.failed.sum()) / max(int(old.lists.sum()), 1)
    if failed < _BROKEN_LISTS or failed < _BROKEN_SHARE * lists or before > _BROKEN_SHARE * failed / lists:
        return None
    return f"{failed} of {lists} lists failed; of the release before {before:.1%}"
