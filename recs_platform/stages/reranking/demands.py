"""What rules demand of a list: caps, floors and pins, and the choice of k items that meets them as far as it can.

Rules that reorder otherwise have functions of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recs_platform.stages.reranking.caps import NO_LIMIT
from recs_platform.stages.reranking.slates import Bools, Ints, Slate, places, with_first


@dataclass(frozen=True, eq=False)
class Cap:
    """At most `limit` (n_users, width) items with the code (n_users, width) of a column; -1 is never capped."""

    codes: Ints
    limit: Ints

    def of(self, users: Bools) -> "Cap":
        return self if users.all() else replace(self, limit=np.where(users[:, None], self.limit, NO_LIMIT))


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
        return self if users.all() else Pins(np.where(users[:, None], self.place, -1))


Demand = Cap | Floor | Pins


class _Choice:
    """The columns chosen of each user so far, in list order: column j is the item that stands at place j so far.

    `open`: which columns there are and nobody chose; `size`: how many were chosen. `room`: how many may be chosen so
    far; `is_first`: which of them were while there was room for no more than the places that chance does not draw.
    """

    def __init__(self, slate: Slate, caps: Sequence[Cap]) -> None:
        self.columns = places(slate.order)
        self.open = np.take_along_axis(slate.exists, self.columns, axis=1)
        self.chosen = np.zeros_like(self.open)
        self.size = np.zeros(len(self.open), dtype=np.int64)
        self.is_first = np.zeros_like(self.open)
        self.room, self._caps = slate.k, caps
        # Codes of what was chosen: a list is short, and counting in it takes less than counting for every column.
        self._codes = [np.full((len(self.open), slate.k), -1, dtype=np.int64) for _ in caps]

    def in_order(self, mask: Bools) -> Bools:
        """A mask of columns by score as one of columns in list order."""
        return np.take_along_axis(mask, self.columns, axis=1)

    def take(self, wanted: Bools, count: Ints, *, within: bool) -> None:
        """Choose the first `count` (n_users,) of the `wanted` columns that are open, `within` the caps or not.

        No user gets more than there is room for. What a cap forbids once it forbids for ever: each column is looked at
        once.
        """
        wanted, count = wanted & self.open, np.minimum(count, self.room - self.size)
        pending = np.flatnonzero(count > 0)
        while len(pending):
            column = wanted[pending].argmax(axis=1)
            there = wanted[pending, column]
            pending, column = pending[there], column[there]
            wanted[pending, column] = False
            may = self._is_within(pending, column) if within else np.ones(len(pending), dtype=np.bool_)
            self._choose(pending[may], column[may])
            count[pending[may]] -= 1
            pending = pending[count[pending] > 0]

    def _is_within(self, users: Ints, column: Ints) -> Bools:
        original, may = self.columns[users, column], np.ones(len(users), dtype=np.bool_)
        for cap, codes in zip(self._caps, self._codes, strict=True):
            code = cap.codes[users, original]
            count = (codes[users] == code[:, None]).sum(axis=1)
            may &= (code < 0) | (count < cap.limit[users, original])
        return may

    def _choose(self, users: Ints, column: Ints) -> None:
        original = self.columns[users, column]
        for cap, codes in zip(self._caps, self._codes, strict=True):
            codes[users, self.size[users]] = cap.codes[users, original]
        self.open[users, column] = False
        self.chosen[users, column] = True
        self.size[users] += 1


def select(slate: Slate, demands: Sequence[Demand]) -> Ints:
    """Places in which the first k keep the demands as far as they can, and otherwise the order so far.

    Pins come first, then each floor's first members in list order, then the others; a cap is broken only where no other
    item is left, and a floor is not met where a cap forbids it. Chosen items stand in list order around the pins. Where
    chance draws the last places, all this is of the others first, so that it draws nothing that is asked for.
    """
    categories = Cap(slate.category, np.broadcast_to(np.int64(slate.context.max_per_category), slate.exists.shape))
    choice = _Choice(slate, [categories, *(each for each in demands if isinstance(each, Cap))])
    pinned = _pinned(slate, [each for each in demands if isinstance(each, Pins)])
    once = np.ones(len(choice.size), dtype=np.int64)
    if pinned is not None:
        for place in np.unique(pinned[pinned >= 0]):
            choice.take(choice.in_order(pinned == place), once, within=False)
    everything, most = np.ones_like(choice.open), once * slate.k
    for room in (slate.k - slate.context.drawn, slate.k) if slate.context.drawn else (slate.k,):
        choice.is_first, choice.room = choice.chosen.copy(), room
        for floor in (each for each in demands if isinstance(each, Floor)):
            members = choice.in_order(floor.members)
            choice.take(members, floor.minimum - (members & choice.chosen).sum(axis=1), within=True)
        choice.take(everything, most, within=True)
    choice.take(everything, most, within=False)  # nothing within the caps is left of these
    return _placed(slate.order, choice, pinned, slate.k)


def _pinned(slate: Slate, demands: Sequence[Pins]) -> Ints | None:
    """Places that columns are pinned to, -1 for none; None where nothing is pinned."""
    if not demands:
        return None
    pinned = np.full(slate.exists.shape, -1, dtype=np.int64)
    for pins in demands:
        pinned = np.where((pins.place >= 0) & slate.exists, pins.place, pinned)
    return pinned


def _placed(order: Ints, choice: _Choice, pinned: Ints | None, k: int) -> Ints:
    """Pins at their places, the other chosen in list order at the free ones, the rest behind in list order."""
    if pinned is None:
        return with_first(order, np.where(choice.is_first, 0, np.where(choice.chosen, 1, 2)).astype(np.uint16))
    chosen = np.take_along_axis(choice.chosen, order, axis=1)
    is_first = np.take_along_axis(choice.is_first, order, axis=1)
    width = order.shape[1]
    others = chosen & (pinned < 0)
    late: Ints = np.where(is_first, 0, width)
    nth = places(np.argsort(np.where(others, order + late, order + 2 * width), axis=1, kind="stable"))
    size = max(k, int(pinned.max()) + 1) + width
    taken = np.zeros((len(order), size), dtype=np.bool_)
    user, column = np.nonzero(pinned >= 0)
    taken[user, pinned[user, column]] = True
    free = np.argsort(taken, axis=1, kind="stable")
    nth = np.where(pinned >= 0, pinned, np.take_along_axis(free, nth, axis=1))
    rest = order + k + 2 * width
    return places(np.argsort(np.where(chosen, nth, rest), axis=1, kind="stable"))
