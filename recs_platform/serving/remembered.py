"""Lists that were shown, by recommendation_id: what cursors and impressions refer to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from recs_platform.serving.bounded import Bounded
from recs_platform.serving.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from recs_platform.serving.kept import KeptList
    from recs_platform.serving.live_lists import LiveList

CURSOR = r"([0-9a-f]{32}(?:~[a-z0-9_-]+=[a-z0-9_-]+)*)\.([0-9]{1,6})"
_CURSOR = re.compile(CURSOR)
_LIST_BYTES, _CODE_BYTES, _PLACE_BYTES = 800, 96, 320


class RememberedLists:
    """The last lists that fit in `bytes_max`, and of other processes in `kept_bytes_max`, each for `ttl_seconds`.

    `hashed`: how users of lists of other processes are named.
    """

    def __init__(
        self,
        ttl_seconds: float,
        clock: Callable[[], float],
        hashed: Callable[[str], str],
        bytes_max: int,
        kept_bytes_max: int,
    ) -> None:
        self._ttl, self._clock, self._hashed = ttl_seconds, clock, hashed
        self._lists: Bounded[str, tuple[float, LiveList]] = Bounded(bytes_max)
        self._kept: Bounded[str, tuple[float, KeptList]] = Bounded(kept_bytes_max)

    @property
    def bytes(self) -> int:
        """What all of them take."""
        return self._lists.bytes + self._kept.bytes

    def add(self, recommendation_id: str, made: LiveList) -> None:
        """Remember a list."""
        now = self._clock()
        self._drop_ended(self._lists, now)
        self._lists.put(recommendation_id, (now, made), _bytes_of(made))

    def weigh(self, recommendation_id: str) -> None:
        """Note that more of a list was looked at."""
        found = self._lists.get(recommendation_id)
        if found is not None:
            self._lists.weigh(recommendation_id, _bytes_of(found[1]))

    def find(self, recommendation_id: str) -> LiveList | None:
        """The list of that id, None where it is not remembered any more."""
        found = self._lists.get(recommendation_id)
        return None if found is None or self._clock() - found[0] > self._ttl else found[1]

    def add_kept(self, recommendation_id: str, kept: KeptList) -> None:
        """Remember a list of another process, which this one can go on with."""
        now = self._clock()
        self._drop_ended(self._kept, now)
        size = _LIST_BYTES + _CODE_BYTES * len(kept.exclude) + _PLACE_BYTES * len(kept.places)
        self._kept.put(recommendation_id, (now, kept), size)

    def find_kept(self, recommendation_id: str) -> KeptList | None:
        """The list of another process of that id."""
        found = self._kept.get(recommendation_id)
        return None if found is None or self._clock() - found[0] > self._ttl else found[1]

    def is_of(self, kept: KeptList, user_id: str) -> bool:
        """Whether a list of another process is this user's."""
        return kept.user == self._hashed(user_id)

    def at(self, cursor: str, resume: Callable[[str, KeptList], LiveList | None]) -> tuple[str, int, LiveList]:
        """Id, first place and list of a cursor; `resume` makes a list of one that another process kept.

        Raises Problem for what is no cursor, or one that has expired.
        """
        list_id, first = read_cursor(cursor)
        found, kept = self.find(list_id), self.find_kept(list_id)
        if kept is not None and (found is None or kept.shown > len(found.seen())):
            found = resume(list_id, kept) or found
            if found is not None:
                self.add(list_id, found)
        if found is None:
            raise Problem("cursor_expired", "ask for the list anew, without a cursor")
        return list_id, first, found

    def users(self) -> set[str]:
        """Whose lists are in memory, made here."""
        return {made.asked.user_id for _, (_, made) in self._lists.items()}

    def forget(self, user_id: str) -> None:
        """Drop the lists of a user, whichever process made them."""
        for key in [key for key, (_, made) in self._lists.items() if made.asked.user_id == user_id]:
            self._lists.pop(key)
        name = self._hashed(user_id)
        for key in [key for key, (_, kept) in self._kept.items() if kept.user == name]:
            self._kept.pop(key)

    def _drop_ended(self, lists: Bounded[str, tuple[float, Any]], now: float) -> None:
        while (oldest := lists.oldest()) is not None and now - oldest[0] > self._ttl:
            lists.drop_oldest()


def _bytes_of(made: LiveList) -> int:
    """About what a list takes: what it was asked for, what it is made from, and places that cannot be made again."""
    return _LIST_BYTES + _CODE_BYTES * len(made.asked.exclude) + made.recipe_bytes + _PLACE_BYTES * made.known_count


def read_cursor(cursor: str) -> tuple[str, int]:
    """Id and first place of a cursor. Raises Problem for what is none."""
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise Problem("invalid_parameter", "cursor is none that this API gave", parameter="cursor")
    return match[1], int(match[2])


def cursor_of(recommendation_id: str, place: int) -> str:
    """The cursor of the page that begins at `place` (from 0)."""
    return f"{recommendation_id}.{place}"
