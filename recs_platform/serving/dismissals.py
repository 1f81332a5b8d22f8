"""What users dismissed, until a release knows it: a session ends in minutes, the next release comes in a day.

They are read back from the files of events in landing, which are there anyway: after a restart, and of other processes.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from recs_platform.contracts.http_documents import Event
from recs_platform.serving.bounded import Bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from recs_platform.stages.releases.bundle import Bundle

_LOG = logging.getLogger(__name__)
_ITEMS_MAX = 1_000
_USER_BYTES, _ITEM_BYTES = 350, 260
# From being in landing to being known: whatever an ingestion, and the wait for a build after it, may take.
_TAKEN_IN_SECONDS = 6 * 3600.0
_DISMISS = "dismiss"
_MARK = b'"dismiss"'
_EVENT = msgspec.json.Decoder(Event)


class Dismissal(NamedTuple):
    """One dismissal: instants, in seconds since 1970, when it happened and when it was accepted.

    `user`: as they are stored, or as an event names them.
    """

    user: str
    item: str
    occurred_at: float
    accepted_at: float


class Dismissals:
    """Dismissed items by user, as they are stored: the last 1,000 of each, of as many users as fit in `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        self._by_user: Bounded[str, dict[str, tuple[float, float]]] = Bounded(bytes_max)
        self.most = bytes_max // _ITEM_BYTES
        """More than that are never remembered."""

    @property
    def bytes(self) -> int:
        """What all of them take."""
        return self._by_user.bytes

    def __len__(self) -> int:
        return len(self._by_user)

    def users(self) -> list[str]:
        """Who dismissed anything."""
        return list(self._by_user)

    def add(self, one: Dismissal) -> None:
        """Take one in; the same one again changes nothing."""
        items = self._by_user.get(one.user) or {}
        before = items.pop(one.item, (one.occurred_at, one.accepted_at))
        items[one.item] = max(before[0], one.occurred_at), max(before[1], one.accepted_at)
        if len(items) > _ITEMS_MAX:
            del items[next(iter(items))]
        self._by_user.put(one.user, items, _USER_BYTES + sum(_ITEM_BYTES + len(item) for item in items))

    def unknown_to(self, bundle: Bundle, user: str) -> list[str]:
        """What the user dismissed and the release of the bundle may not know; what it knows, its rules deal with."""
        items = self._by_user.get(user)
        if not items:
            return []
        as_of, known_at = _seconds_of(bundle)
        return [
            item
            for item, (occurred, accepted) in items.items()
            if occurred >= as_of or accepted + _TAKEN_IN_SECONDS > known_at
        ]

    def forget(self, user: str) -> None:
        """Drop what a user dismissed."""
        self._by_user.pop(user)


class LastDismissals:
    """Dismissals that were read and wait to be noted: the last `most` of different items or users."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[tuple[str, str], Dismissal] = {}

    def extend(self, dismissals: Iterable[Dismissal]) -> None:
        """Take some in, oldest first; one again counts once, as the last."""
        for one in dismissals:
            before = self._found.pop((one.user, one.item), one)
            self._found[one.user, one.item] = one._replace(
                occurred_at=max(before.occurred_at, one.occurred_at),
                accepted_at=max(before.accepted_at, one.accepted_at),
            )
            if len(self._found) > self._most:
                del self._found[next(iter(self._found))]

    def take(self) -> list[Dismissal]:
        """All of them, oldest first; then there are none."""
        found, self._found = self._found, {}
        return list(found.values())


class DismissalFiles:
    """Files of events in landing, each read once, from the first that a release may not know."""

    def __init__(self, landing: Path) -> None:
        self._landing = landing
        self._seen = set[str]()
        self._told = set[str]()
        self._since = float("inf")

    def new(self, bundle: Bundle) -> Iterator[Dismissal]:
        """Dismissals of files that are new, accepted at the instant of their file; all again for an older release.

        Files are read as they are asked for, line by line: a day of events is larger than memory. Older ones come
        first, for where there are more than can be remembered, the last ones are.
        """
        since = min(_seconds_of(bundle)) - _TAKEN_IN_SECONDS
        if since < self._since:
            self._seen, self._since = set[str](), since
        for accepted, path in self._unseen():
            # One that cannot be read is looked for again, and keeps nobody from the others.
            try:
                if accepted >= self._since:
                    with path.open("rb") as file:
                        yield from _dismissals_in(file, accepted)
                self._seen.add(path.name)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._tell(path, error)

    def _tell(self, path: Path, error: OSError) -> None:
        """Once for each file: it is looked for every few seconds."""
        if path.name not in self._told:
            self._told.add(path.name)
            _LOG.warning(
                "what was dismissed in landing/%s/%s is not known, and is looked for again: %s",
                *(path.parent.name, path.name, error.strerror or error),
            )

    def _unseen(self) -> list[tuple[float, Path]]:
        """New files with the instant of each, in seconds since 1970, ascending: their names are drawn."""
        names = {path.name for path in self._landing.glob("events-*.jsonl")}
        self._seen &= names
        found: list[tuple[float, Path]] = []
        for path in (self._landing / name for name in names - self._seen):
            with contextlib.suppress(FileNotFoundError):
                found.append((path.stat().st_mtime, path))
        return sorted(found)


def _dismissals_in(lines: Iterable[bytes], accepted_at: float) -> Iterator[Dismissal]:
    for line in lines:
        if _MARK in line:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):  # a file that somebody else put there
                event = _EVENT.decode(line)
                if event.event_type == _DISMISS and event.item_id is not None and event.occurred_at is not None:
                    yield Dismissal(event.user_id, event.item_id, event.occurred_at.timestamp(), accepted_at)


def _seconds_of(bundle: Bundle) -> tuple[float, float]:
    return bundle.manifest.as_of.timestamp(), bundle.lists_known_at.timestamp()
