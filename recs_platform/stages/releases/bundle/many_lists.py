"""Lists of many users as `lists` makes them one by one: the same places, for thousands of users at a time.

Offered are the rows that stay, then the candidates behind them, then what is popular; on a surface, its board. How
places are chosen among them is in `choosing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.releases.bundle.choosing import Chosen, choose_places, complete, padded, widths_of
from recs_platform.stages.releases.bundle.many_users import consumed_of, regions_of, slices_of

if TYPE_CHECKING:
    from recs_platform.stages.releases.bundle.boards import SealedBoard
    from recs_platform.stages.releases.bundle.reading import Bundle

Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]
USERS_AT_ONCE = 10_000


@dataclass(frozen=True, eq=False)
class Places:
    """Places by user, then in order, all int64 (n,).

    `user`: row of the user, `item`: code. Where it comes from, -1 in the others: `kept`: column of the rows that stay,
    `candidate`: row in the bundle's arrays of candidates, `ranked`: place on what is popular, or on the board.
    """

    user: Codes
    item: Codes
    kept: Codes
    candidate: Codes
    ranked: Codes


class Passing:
    """The rules of batch for many users at a time: what is consumed, what is excluded where they are."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle, self._n_items = bundle, max(bundle.n_items, 1)
        self._available = np.frombuffer(bundle.is_available, dtype=np.bool_)
        self._excluded = np.sort(
            np.array(
                [
                    region * self._n_items + item
                    for region in range(len(bundle.regions))
                    for item in bundle.excluded_in(region)
                ],
                dtype=np.int64,
            )
        )
        self.category = np.array([*bundle.item_category, -1], dtype=np.int64)

    def may_be_shown(self, items: Codes, regions: Codes) -> Mask:
        """Which of `items` (n, m) are available, and not excluded in the `regions` (n,) of their rows."""
        if not self._n_items or not len(self._available):
            return np.zeros(items.shape, dtype=np.bool_)
        shown = self._available[items]  # of -1 it says something, which counts for nothing
        return (
            shown & ~_among(regions[:, None] * self._n_items + items, self._excluded) if len(self._excluded) else shown
        )

    def passes(self, items: Codes, users: Codes, regions: Codes) -> Mask:
        """The same, and which the `users` (n,), by code, -1 of unknown ones, have not consumed."""
        known = np.flatnonzero(users >= 0)
        shown = self.may_be_shown(items, regions)
        consumed, lengths = consumed_of(self._bundle, users[known])
        keys = np.repeat(known, lengths) * self._n_items + consumed
        return shown & ~_among(np.arange(len(items))[:, None] * self._n_items + items, keys)


def _among(keys: Codes, ascending: Codes) -> Mask:
    if not len(ascending):
        return np.zeros(keys.shape, dtype=np.bool_)
    found = np.searchsorted(ascending, keys)
    return ascending[np.minimum(found, len(ascending) - 1)] == keys


def served_places(bundle: Bundle, users: Codes, kept: Codes, count: Codes, has_candidates: Mask) -> Places:
    """What `served_list` shows of each of `users` (codes, -1 of unknown ones) whose rows `kept` (n, m) stay.

    `count`: places (n,). `has_candidates`: whose candidates are offered behind the rows (n,).
    """
    rules, popular = Passing(bundle), bundle.fallback()[-1][1].astype(np.int64)
    stored = bundle.arrays["candidate.items"].astype(np.int64)
    parts = list[Places]()
    for first in range(0, len(users), USERS_AT_ONCE):
        some, rows = users[first : first + USERS_AT_ONCE], kept[first : first + USERS_AT_ONCE]
        regions, (starts, lengths) = (
            regions_of(bundle, some),
            slices_of(bundle, "candidate", np.where(has_candidates[first : first + USERS_AT_ONCE], some, -1)),
        )
        longest, wanted = int(lengths.max(initial=0)), count[first : first + USERS_AT_ONCE]

        def further(
            at: Codes, width: int, starts: Codes = starts, lengths: Codes = lengths, longest: int = longest
        ) -> Codes:
            own = padded(stored, starts[at], lengths[at], min(width, longest))
            shared = np.broadcast_to(popular[: width - own.shape[1]], (len(at), max(width - own.shape[1], 0)))
            return np.concatenate([own, shared], axis=1)

        def choose(
            at: Codes,
            offered: Codes,
            *,
            is_all: bool,
            some: Codes = some,
            regions: Codes = regions,
            wanted: Codes = wanted,
        ) -> tuple[Chosen, Mask]:
            passes = rules.passes(offered, some[at], regions[at])
            category, cap = rules.category[offered], bundle.rules.max_per_category
            return choose_places(offered, passes, category, wanted[at], cap, is_all=is_all)

        most = int(wanted.max(initial=0))
        widths = sorted({*widths_of(most, longest), *(longest + each for each in widths_of(most, len(popular)))})
        chosen, items = complete(rows, widths, further, choose)
        behind = chosen.column - rows.shape[1]
        is_candidate = (behind >= 0) & (behind < longest)
        parts.append(
            Places(
                chosen.user + first,
                items,
                np.where(behind < 0, chosen.column, -1),
                np.where(is_candidate, starts[chosen.user] + behind, -1),
                np.where(behind >= longest, behind - longest, -1),
            )
        )
    return _joined(parts)


def board_places_of(
    bundle: Bundle, board: SealedBoard, users: Codes, kept: Codes, count: Codes, is_grouped: Mask
) -> Places:
    """What `surface_places` shows of each of `users` (codes) whose rows `kept` (n, m) stay of `count` (n,).

    Who is not `is_grouped` (n,) is shown the board of everybody, as `board_list` does.
    """
    rules, parts = Passing(bundle), list[Places]()
    # Who is unknown here is in no group.
    known = is_grouped & (users >= 0)
    groups = np.where(known, board.groups[users], 0) if len(board.groups) else np.zeros(len(users), np.int64)
    for group in np.unique(groups):
        ranking = board.ranking(int(group)).astype(np.int64)
        members = np.flatnonzero(groups == group)
        for at in np.split(members, range(USERS_AT_ONCE, len(members), USERS_AT_ONCE)):
            parts.append(_of_group(bundle, rules, ranking, board.max_per_category, users[at], kept[at], count[at], at))
    found = _joined(parts)
    order = np.argsort(found.user, kind="stable")
    return Places(*(each[order] for each in (found.user, found.item, found.kept, found.candidate, found.ranked)))


def _of_group(
    bundle: Bundle, rules: Passing, ranking: Codes, cap: int, users: Codes, kept: Codes, count: Codes, places: Codes
) -> Places:
    regions, certain = regions_of(bundle, users), kept.shape[1]

    def further(at: Codes, width: int) -> Codes:
        return np.broadcast_to(ranking[:width], (len(at), min(width, len(ranking))))

    def choose(at: Codes, offered: Codes, *, is_all: bool) -> tuple[Chosen, Mask]:
        passes = rules.passes(offered, users[at], regions[at])
        passes[:, :certain] = rules.may_be_shown(offered[:, :certain], regions[at])
        return choose_places(offered, passes, rules.category[offered], count[at], cap, certain=certain, is_all=is_all)

    chosen, items = complete(kept, widths_of(certain, len(ranking)), further, choose)
    ranked = chosen.column - certain
    nothing = np.full(len(items), -1, dtype=np.int64)
    return Places(
        places[chosen.user], items, np.where(ranked < 0, chosen.column, -1), nothing, np.where(ranked < 0, -1, ranked)
    )


def _joined(parts: list[Places]) -> Places:
    nothing = np.zeros(0, dtype=np.int64)
    columns = ([each.user for each in parts], [each.item for each in parts], [each.kept for each in parts],
               [each.candidate for each in parts], [each.ranked for each in parts])  # fmt: skip
    return Places(*(np.concatenate([nothing, *each]) for each in columns))
