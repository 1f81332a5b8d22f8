"""What rules demand of a list: caps, floors and pins, and the choice of k items that meets them as far as it can.

Rules that reorder otherwise have functions of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recs_platform.stages.reranking.slates import Bools, Ints, Slate, places

NO_LIMIT = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Cap:
    """At most `limit` (n_users, width) items with the code (n_users, width) of a column; -1 is never capped."""

    codes: Ints
    limit: Ints

    def of(self, users: Bools) -> "Cap":
        return replace(self, limit=np.where(users[:, None], self.limit, NO_LIMIT))


@dataclass(frozen=True, eq=False)
class Floor:
    """At least `minimum` (n_users,) of the `members` (n_users, width)."""

    members: Bools
    minimum: Ints

    def of(self, users: Bools) -> "Floor":
        return replace(self, minimum=np.where(users, self.minimum, 0))


@dataclass(frozen=True, eq=False)
class Pins:
    """The place (n_users, width), from 0, that a column has; -1 for none."""

    place: Ints

    def of(self, users: Bools) -> "Pins":
        return Pins(np.where(users[:, None], self.place, -1))


Demand = Cap | Floor | Pins


class _Choice:
    """The columns chosen of each user so far, and how many there are of each code that is capped."""

    def __init__(self, slate: Slate, caps: Sequence[Cap]) -> None:
        self.chosen = np.zeros_like(slate.exists)
        self.size = np.zeros(len(slate.exists), dtype=np.int64)
        self._slate, self._caps = slate, caps
        self._counts = [np.zeros(slate.exists.shape, dtype=np.int32) for _ in caps]
        self._every = np.arange(len(slate.exists))

    def within(self) -> Bools:
        """Open columns that no cap forbids."""
        found = self._slate.exists & ~self.chosen
        for cap, count in zip(self._caps, self._counts, strict=True):
            found &= (cap.codes < 0) | (count < cap.limit)
        return found

    def take(self, column: Ints, users: Bools) -> None:
        """Choose one column of each of the users."""
        mine = self._every[users]
        self.chosen[mine, column[users]] = True
        self.size[users] += 1
        for cap, count in zip(self._caps, self._counts, strict=True):
            code = np.where(users, cap.codes[self._every, column], -2)
            np.add(count, cap.codes == code[:, None], out=count)

    def take_first(self, among: Bools, users: Bools) -> Bools:
        """Choose the first in list order among some columns; returns who took one."""
        there = among.any(axis=1) & users
        if there.any():
            self.take(np.where(among, self._slate.order, NO_LIMIT).argmin(axis=1).astype(np.int64), there)
        return there


def select(slate: Slate, demands: Sequence[Demand]) -> Ints:
    """Places in which the first k keep the demands as far as they can, and otherwise the order so far.

    Pins come first, then each floor's first members in list order, then the others; a cap is broken only where no other
    item is left, and a floor is not met where a cap forbids it. Chosen items stand in list order around the pins.
    """
    k, width = slate.k, slate.exists.shape[1]
    categories = Cap(slate.category, np.full(slate.exists.shape, slate.context.max_per_category, dtype=np.int64))
    choice = _Choice(slate, [categories, *(each for each in demands if isinstance(each, Cap))])
    pinned = np.full(slate.exists.shape, -1, dtype=np.int64)
    for pins in (each for each in demands if isinstance(each, Pins)):
        pinned: Ints = np.where((pins.place >= 0) & slate.exists, pins.place, pinned)
    for place in np.unique(pinned[pinned >= 0]):
        choice.take_first(pinned == place, np.ones(len(pinned), dtype=np.bool_))
    for floor in (each for each in demands if isinstance(each, Floor)):
        _meet(choice, floor, k)
    everybody = np.ones(len(pinned), dtype=np.bool_)
    for _ in range(min(k, width)):
        took = choice.take_first(choice.within(), everybody & (choice.size < k))
        # Nothing within the caps is left of these.
        choice.take_first(slate.exists & ~choice.chosen, everybody & (choice.size < k) & ~took)
    return _placed(slate.order, choice.chosen, pinned, k)


def _meet(choice: _Choice, floor: Floor, k: int) -> None:
    """Choose members until there are enough, or none is left that a cap allows."""
    pending = np.ones(len(floor.minimum), dtype=np.bool_)
    while pending.any():
        pending &= ((floor.members & choice.chosen).sum(axis=1) < floor.minimum) & (choice.size < k)
        if pending.any():
            pending = choice.take_first(floor.members & choice.within(), pending)


def _placed(order: Ints, chosen: Bools, pinned: Ints, k: int) -> Ints:
    """Pins at their places, the other chosen in list order at the free ones, the rest behind in list order."""
    width = order.shape[1]
    others = chosen & (pinned < 0)
    nth = places(np.argsort(np.where(others, order, order + width), axis=1, kind="stable"))
    if (pinned >= 0).any():
        size = max(k, int(pinned.max()) + 1) + width
        taken = np.zeros((len(order), size), dtype=np.bool_)
        user, column = np.nonzero(pinned >= 0)
        taken[user, pinned[user, column]] = True
        free = np.argsort(taken, axis=1, kind="stable")
        nth = np.where(pinned >= 0, pinned, np.take_along_axis(free, nth, axis=1))
    rest = order + k + 2 * width
    return places(np.argsort(np.where(chosen, nth, rest), axis=1, kind="stable"))
