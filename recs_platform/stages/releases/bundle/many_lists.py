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
from recs_platform.stages.releases.bundle.content import EVERYWHERE
from recs_platform.stages.releases.bundle.many_users import items_of, regions_of, slices_of

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
    """The filters of batch for many users at a time: what is kept away on a surface, what is excluded where one is."""

    def __init__(self, bundle: Bundle, surface: str = EVERYWHERE) -> None:
        self.bundle, self._n_items = bundle, max(bundle.n_items, 1)
        hidden = bundle.hidden_rows(surface)
        self._kept_away = ("consumed",) if hidden is None else ("consumed", hidden)
        self._available = np.frombuffer(bundle.is_available, dtype=np.bool_)
        excluded = [
            region * self._n_items + item
            for region in range(len(bundle.regions))
            for item in bundle.excluded_in(region)
        ]
        self._excluded = np.sort(np.array(excluded, dtype=np.int64))
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
        """The same, and which are not kept away from the `users` (n,), by code, -1 of unknown ones."""
        known, passing = np.flatnonzero(users >= 0), self.may_be_shown(items, regions)
        pairs = np.arange(len(items))[:, None] * self._n_items + items
        for name in self._kept_away:
            gone, lengths = items_of(self.bundle, name, users[known])
            passing &= ~_among(pairs, np.repeat(known, lengths) * self._n_items + gone)
        return passing


def _among(keys: Codes, ascending: Codes) -> Mask:
    if not len(ascending):
        return np.zeros(keys.shape, dtype=np.bool_)
    found = np.searchsorted(ascending, keys)
    return ascending[np.minimum(found, len(ascending) - 1)] == keys


@dataclass(frozen=True, eq=False)
class _Asked:
    """Some users by code (n,), the rows of theirs that stay (n, m), and how many places each has (n,)."""

    users: Codes
    kept: Codes
    count: Codes

    def at(self, rows: Codes) -> _Asked:
        """Some of them."""
        return _Asked(self.users[rows], self.kept[rows], self.count[rows])


class _Choice:
    """Chooses places of the users asked for; the first `certain` columns are neither capped nor kept away."""

    def __init__(self, rules: Passing, asked: _Asked, cap: int, certain: int = 0) -> None:
        self._rules, self._asked, self._cap, self._certain = rules, asked, cap, certain
        self._regions = regions_of(rules.bundle, asked.users)

    def __call__(self, at: Codes, offered: Codes, *, is_all: bool) -> tuple[Chosen, Mask]:
        rules, regions, certain = self._rules, self._regions[at], self._certain
        passes = rules.passes(offered, self._asked.users[at], regions)
        passes[:, :certain] = rules.may_be_shown(offered[:, :certain], regions)
        count, category = self._asked.count[at], rules.category[offered]
        return choose_places(offered, passes, category, count, self._cap, certain=certain, is_all=is_all)


class _Behind:
    """What is offered behind the rows that stay: candidates of the users, then what is popular."""

    def __init__(self, bundle: Bundle, users: Codes, popular: Codes) -> None:
        self._stored, self._popular = bundle.arrays["candidate.items"], popular
        self.starts, self._lengths = slices_of(bundle, "candidate", users)
        self.longest = int(self._lengths.max(initial=0))

    def __call__(self, at: Codes, width: int) -> Codes:
        own = padded(self._stored, self.starts[at], self._lengths[at], min(width, self.longest)).astype(np.int64)
        shared = self._popular[: width - own.shape[1]]
        return np.concatenate([own, np.broadcast_to(shared, (len(at), len(shared)))], axis=1)

    def widths(self, most: int) -> list[int]:
        """Ever more columns, for who has `most` places."""
        beyond = (self.longest + each for each in widths_of(most, len(self._popular)))
        return sorted({*widths_of(most, self.longest), *beyond})


def served_places(bundle: Bundle, users: Codes, kept: Codes, count: Codes, has_candidates: Mask) -> Places:
    """What `served_list` shows of each of `users` (codes, -1 of unknown ones) whose rows `kept` (n, m) stay.

    `count`: places (n,). `has_candidates`: whose candidates are offered behind the rows (n,).
    """
    rules, asked = Passing(bundle), _Asked(users, kept, count)
    popular = bundle.fallback()[-1][1].astype(np.int64)
    parts = list[Places]()
    for at in _some_at_a_time(np.arange(len(users))):
        some = asked.at(at)
        behind = _Behind(bundle, np.where(has_candidates[at], some.users, -1), popular)
        choose = _Choice(rules, some, bundle.rules.max_per_category)
        chosen, items = complete(some.kept, behind.widths(int(some.count.max(initial=0))), behind, choose)
        place = chosen.column - some.kept.shape[1]
        is_candidate = (place >= 0) & (place < behind.longest)
        parts.append(
            Places(
                at[chosen.user],
                items,
                np.where(place < 0, chosen.column, -1),
                np.where(is_candidate, behind.starts[chosen.user] + place, -1),
                np.where(place >= behind.longest, place - behind.longest, -1),
            )
        )
    return _joined(parts)


def board_places_of(
    bundle: Bundle, board: SealedBoard, users: Codes, kept: Codes, count: Codes, is_grouped: Mask
) -> Places:
    """What `surface_places` shows of each of `users` (codes) whose rows `kept` (n, m) stay of `count` (n,).

    Who is not `is_grouped` (n,) is shown the board of everybody, as `board_list` does.
    """
    rules, asked, parts = Passing(bundle, board.surface), _Asked(users, kept, count), list[Places]()
    # Who is unknown here is in no group.
    known = is_grouped & (users >= 0)
    groups = np.where(known, board.groups[users], 0) if len(board.groups) else np.zeros(len(users), np.int64)
    for group in sorted(set(groups.tolist())):
        ranking = board.ranking(group).astype(np.int64)
        for at in _some_at_a_time(np.flatnonzero(groups == group)):
            parts.append(_of_group(rules, ranking, board.max_per_category, asked.at(at), at))
    found = _joined(parts)
    order = np.argsort(found.user, kind="stable")
    return Places(*(each[order] for each in (found.user, found.item, found.kept, found.candidate, found.ranked)))


def _of_group(rules: Passing, ranking: Codes, cap: int, asked: _Asked, places: Codes) -> Places:
    certain = asked.kept.shape[1]

    def further(at: Codes, width: int) -> Codes:
        return np.broadcast_to(ranking[:width], (len(at), min(width, len(ranking))))

    choose = _Choice(rules, asked, cap, certain)
    chosen, items = complete(asked.kept, widths_of(certain, len(ranking)), further, choose)
    ranked = chosen.column - certain
    nothing = np.full(len(items), -1, dtype=np.int64)
    return Places(
        places[chosen.user], items, np.where(ranked < 0, chosen.column, -1), nothing, np.where(ranked < 0, -1, ranked)
    )


def _some_at_a_time(rows: Codes) -> list[Codes]:
    """The rows in parts of which places are chosen at once; none of no rows."""
    return np.split(rows, range(USERS_AT_ONCE, len(rows), USERS_AT_ONCE)) if len(rows) else []


def _joined(parts: list[Places]) -> Places:
    nothing = np.zeros(0, dtype=np.int64)
    columns = ([each.user for each in parts], [each.item for each in parts], [each.kept for each in parts],
               [each.candidate for each in parts], [each.ranked for each in parts])  # fmt: skip
    return Places(*(np.concatenate([nothing, *each]) for each in columns))
