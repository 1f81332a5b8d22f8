"""Files of events that are not in landing yet: appended to, cut back where the disk refuses, sealed by rename.

Whoever waits for the disk, and when a file is sealed, is in `spool`. Nothing that was refused goes to landing: it is
sent again. Where the disk would not even cut it off, the name of the file says how much of it counts (`lake.spooled`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from typing import TYPE_CHECKING

from recs_platform.lake.disk import flush, write_whole
from recs_platform.lake.processes import is_abandoned
from recs_platform.lake.spooled import SUFFIX, counted_bytes, marked_path, plain_path

if TYPE_CHECKING:
    from pathlib import Path

    from recs_platform.contracts.home import Home

SOURCE = "http"


class SpoolFile:
    """One file of events. Blocking; one thread at a time.

    `durable_bytes`: of what was acknowledged. `is_spoilt`: there may be something behind that, which was refused.
    """

    def __init__(self, folder: Path, landing: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        landing.mkdir(parents=True, exist_ok=True)
        self._landing = landing
        self._path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_EXCL, 0o600)
        self._is_open, self._is_moved = True, False
        self.durable_bytes, self.since, self.is_spoilt = 0, time.monotonic(), False
        try:
            flush((folder, folder.parent))
        except OSError:
            with contextlib.suppress(OSError):  # the disk has said so already
                self.close()
            self._path.unlink(missing_ok=True)
            raise

    def append(self, lines: bytes) -> None:
        """Write whole lines and flush them. Raises OSError where that fails; the file is cut back then, or spoilt."""
        try:
            write_whole(self._descriptor, lines)
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                self._cut_back()
            raise
        self.durable_bytes += len(lines)

    def seal(self) -> None:
        """Move what is durable into landing; an empty file is removed.

        Raises OSError where the disk refuses that, or to cut off what it refused before: to be tried again; and
        FileNotFoundError where somebody else took the file away.
        """
        if not self._is_moved:
            if self.is_spoilt:
                self._cut_back()
            self.close()
            _move(self._path, self._landing)
            self._is_moved = True
        flush((self._landing, self._path.parent))

    def close(self) -> None:
        """Close the file, and leave it where it lies, to the next start."""
        if self._is_open:
            self._is_open = False
            os.close(self._descriptor)

    def _cut_back(self) -> None:
        self.is_spoilt = True
        try:
            os.truncate(self._path, self.durable_bytes)
            flush((self._path,))
        except OSError:
            with contextlib.suppress(OSError):  # the disk has said so already, and the name has to change
                self.close()
            self._mark()
            raise
        self.is_spoilt = False

    def _mark(self) -> None:
        """Let the name tell the next start how much counts, as far as the disk lets it."""
        marked = marked_path(self._path, self.durable_bytes)
        with contextlib.suppress(OSError):
            self._path.rename(marked)
            self._path = marked
            flush((marked.parent,))


def _move(path: Path, landing: Path) -> None:
    landing.mkdir(parents=True, exist_ok=True)
    if path.stat().st_size == 0:
        path.unlink()
    else:
        # The name is the file's own: sealed twice, by whomever, it would be the same file.
        path.rename(landing / f"events-{plain_path(path).name}")


def recover(home: Home) -> int:
    """Seal what dead processes left; how many files went to landing."""
    landing = home.landing / SOURCE
    found = 0
    for folder in sorted(home.spool.glob("*")):
        if not is_abandoned(folder.name):
            continue
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            with contextlib.suppress(FileNotFoundError):  # another server that starts now took it
                _cut(path)
                found += path.stat().st_size > 0
                _move(path, landing)
                flush((landing, folder))
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _cut(path: Path) -> None:
    """Cut off what does not count: what was refused, and half a last line, which nobody was told of."""
    content = path.read_bytes()
    whole = content.rfind(b"\n", 0, counted_bytes(path)) + 1
    if whole < len(content):
        os.truncate(path, whole)
        flush((path,))
