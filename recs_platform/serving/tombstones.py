"""Who was forgotten by a command of another process: whether the home's tombstones are others than a second ago.

Requests over HTTP are told by files of their own, in `lake.forget_requests`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


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
