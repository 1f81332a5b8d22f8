"""Slots: which items each of a list's last places is drawn from, so that whatever is drawn, the list keeps its rules.

A list's last places are its slots. The item that stands there without exploration is the slot's incumbent; the items
that follow in the user's ranking are dealt to the slots, one slot each. Slots are drawn from independently, and since
no item is in two of them, none is drawn twice and the chance of an item in its slot is its chance of being in the list.

Caps: an item is dealt only to a slot where, whatever the slots draw, no category or creator gets more than its cap, or
more than the list without exploration has of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Limit:
    """At most `most` items of a `group`, both (n_users, width): code of category or creator, -1 for none."""

    group: Places
    most: Places


@dataclass(frozen=True, eq=False)
class Grid:
    """Deep lists of users as a matrix (n_users, width): place in the list by column.

    `exists`: whether the user has an item there; those of a user come first. `limits`: what a list may hold.
    """

    exists: NDArray[np.bool_]
    limits: Sequence[Limit]


def deal_slots(grid: Grid, k: int, slots: int) -> Places:
    """The slot (n_users, width) that the item at each place is drawn in, from 0; -1 for items that are not drawn.

    `slots`: at least 1. The incumbent of slot j stands at place k - slots + j. Items behind are dealt in order, each to
    the slot with the fewest items so far that may take it, the first of them; to none where no slot may.
    """
    n_users, width = grid.exists.shape
    first, slots = max(k - slots, 0), min(slots, k)
    slot_of = np.full((n_users, width), -1, dtype=np.int64)
    for place in range(first, min(k, width)):
        slot_of[grid.exists[:, place], place] = place - first
    size = np.stack([(slot_of == j).sum(axis=1) for j in range(slots)], axis=1)
    for place in range(k, width):
        _deal(grid, slot_of, size, place, first)
    return slot_of


def _deal(grid: Grid, slot_of: Places, size: NDArray[np.int64], place: int, first: int) -> None:
    """Deal the items of one place, and count them in `size` (n_users, slots)."""
    n_users, slots = size.shape
    # A slot without an incumbent is no slot: the list is short.
    may = (size > 0) & grid.exists[:, place, None]
    for limit in grid.limits:
        mine = limit.group[:, place]
        alike = (limit.group[:, :place] == mine[:, None]) & (mine >= 0)[:, None] & grid.exists[:, :place]
        is_open = np.stack([(alike & (slot_of[:, :place] == j)).any(axis=1) for j in range(slots)], axis=1)
        at_worst = alike[:, :first].sum(axis=1) + is_open.sum(axis=1)
        may &= is_open | ((at_worst < limit.most[:, place]) | (mine < 0))[:, None]
    every = np.arange(n_users, dtype=np.int64)
    chosen = np.where(may, size, np.iinfo(np.int64).max).argmin(axis=1)
    dealt = may[every, chosen]
    slot_of[dealt, place] = chosen[dealt]
    size[every[dealt], chosen[dealt]] += 1
