"""Who was forgotten by a command of another process: whether the home's tombstones are others than a second ago.

Requests over HTTP are told by files of their own, in `lake.forget_requests`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path


class UserHashes(NamedTuple):
    """Keyed hashes of users as they are stored, under the key of the home's tombstones, so that one finds the other.

    `of`: the hash of one. `forgotten`: those of everybody who was forgotten; it reads a file.
    """

    of: Callable[[str], str]
    forgotten: Callable[[], Collection[str]]


class Tombstones:
    """The file of a home's tombstones, which is written anew as a whole."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None

    def are_new(self) -> bool:
        """Whether somebody was forgotten since the last time: one look at a file, for it is asked every second."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return False
        stamp = (found.st_mtime_ns, found.st_ino)
        is_new, self._stamp = stamp != self._stamp, stamp
        return is_new
