"""Choosing places for many users at a time: each item once, and of a category no more than the cap while others last.

The same for one user is in `places`; whose items are offered to whom in `many_lists`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]
# Most lists are complete within so many places more than they have.
_SPARE = 10


@dataclass(frozen=True, eq=False)
class Chosen:
    """Places by user, then in order: `user` and `column` of the offered items, int64 (n,)."""

    user: Codes
    column: Codes


def choose_places(
    offered: Codes, passes: Mask, category: Codes, count: Codes, cap: int, *, certain: int = 0, is_all: bool = True
) -> tuple[Chosen, Mask]:
    """The first `count` of each row of `offered` that pass, and for which rows they are what they will stay.

    `offered`: codes of items (n, m), -1 where there is none. `passes`: which may be shown (n, m). `category`: of the
    items (n, m), -1 is never capped. `count`: (n,). The first `certain` columns are not capped. Where more is offered
    than is given here (not `is_all`) a row is settled only if no item of it had to pass over the cap.
    """
    free = passes & (offered >= 0) & _is_first(offered, passes)
    rows, capped = np.arange(len(offered)), category >= 0
    capped[:, :certain] = False
    alike = np.zeros(offered.shape, dtype=np.int32)  # chosen of the category of each
    settled: Mask = np.full(len(offered), is_all or offered.size > 0, dtype=np.bool_)
    users, columns = list[Codes](), list[Codes]()
    for place in range(int(count.max(initial=0)) if offered.size else 0):
        fits = free & ~(capped & (alike >= cap))
        found: Mask = np.any(fits, axis=1)
        column: Codes = np.argmax(np.where(found[:, None], fits, free), axis=1)
        takes = free[rows, column] & (place < count)
        settled &= (place >= count) | found | is_all
        at = np.flatnonzero(takes)
        users.append(at)
        columns.append(column[at])
        free[at, column[at]] = False
        alike[at] += category[at] == category[at, column[at]][:, None]
    chosen = Chosen(np.concatenate(users or [rows[:0]]), np.concatenate(columns or [rows[:0]]))
    order = np.argsort(chosen.user, kind="stable")
    return Chosen(chosen.user[order], chosen.column[order]), settled


def _is_first(offered: Codes, passes: Mask) -> Mask:
    """Which places hold an item for the first time in their row, among those that pass."""
    seen = np.where(passes, offered, -1)
    order = np.argsort(seen, axis=1, kind="stable")
    ordered = np.take_along_axis(seen, order, axis=1)
    first = np.ones(offered.shape, dtype=np.bool_)
    np.put_along_axis(first, order[:, 1:], ordered[:, 1:] != ordered[:, :-1], axis=1)
    return first


def complete(
    kept: Codes, widths: list[int], further: Callable[[Codes, int], Codes], choose: Callable[..., tuple[Chosen, Mask]]
) -> tuple[Chosen, Codes]:
    """Choose for every row of `kept` (n, m), with ever more columns of `further` items for rows that need them.

    `further(rows, width)`: the first items offered beside the kept ones, (n, width). `choose(rows, offered, is_all)`.
    Returns the places, by user, and the items in them.
    """
    left = np.arange(len(kept), dtype=np.int64)
    users, columns, items = list[Codes](), list[Codes](), list[Codes]()
    for width in widths:
        offered = np.concatenate([kept[left], further(left, width)], axis=1)
        chosen, settled = choose(left, offered, is_all=width == widths[-1])
        mine = settled[chosen.user]
        users.append(left[chosen.user[mine]])
        columns.append(chosen.column[mine])
        items.append(offered[chosen.user[mine], chosen.column[mine]])
        left = left[~settled]
        if not len(left):
            break
    user = np.concatenate(users)
    order = np.argsort(user, kind="stable")
    return Chosen(user[order], np.concatenate(columns)[order]), np.concatenate(items)[order]


def padded(values: Codes, starts: Codes, lengths: Codes, width: int) -> Codes:
    """Runs of `values` as rows (n, width), cut to it or ended by -1."""
    inside = np.arange(width)[None, :] < lengths[:, None]
    places = np.where(inside, starts[:, None] + np.arange(width)[None, :], 0)
    return np.where(inside, values[places] if len(values) else -1, -1)


def widths_of(kept: int, most: int) -> list[int]:
    """Ever more columns up to `most`."""
    return sorted({min(kept + _SPARE, most), min(4 * (kept + _SPARE), most), most})
