"""Events on their way to landing: appended with group commit, sealed by rename, never lost once they are durable.

`<home>/spool/<process>/<n>.jsonl` is appended to; whoever waits is told after the fsync that covers their lines. A file
that is old or large enough is renamed into `landing/http/`, where ingestion takes it in exactly once by its content.
Files of processes that died are sealed by the next one: half a last line, which nobody was told of, is cut off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import time
import uuid
from typing import TYPE_CHECKING

from recs_platform.lake.disk import flush
from recs_platform.lake.processes import is_abandoned, process_name
from recs_platform.serving.problems import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from recs_platform.contracts.home import Home

_LOG = logging.getLogger(__name__)
SOURCE = "http"
_SEAL_BYTES = 32_000_000


class SpoolFile:
    """One file of events. Blocking; one thread at a time."""

    def __init__(self, folder: Path, landing: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        landing.mkdir(parents=True, exist_ok=True)
        self._landing = landing
        self._path = folder / f"{uuid.uuid4().hex}.jsonl"
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_EXCL, 0o600)
        try:
            flush((folder, folder.parent))
        except OSError:
            self.abandon()
            self._path.unlink(missing_ok=True)
            raise
        self.durable_bytes, self.since, self.is_broken = 0, time.monotonic(), False

    def append(self, lines: bytes) -> None:
        """Write whole lines and flush them; where that fails the file is cut back to what was durable."""
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            try:
                os.ftruncate(self._descriptor, self.durable_bytes)
            except OSError:
                self.is_broken = True
            raise
        self.durable_bytes += len(lines)

    def abandon(self) -> None:
        """Close the file and leave it where it lies, to the next start."""
        os.close(self._descriptor)

    def seal(self) -> None:
        """Close the file and move it into landing; an empty one is removed."""
        os.close(self._descriptor)
        _to_landing(self._path, self._landing)


def _to_landing(path: Path, landing: Path) -> None:
    if path.stat().st_size == 0:
        path.unlink()
        return
    # The name is the file's own: sealed twice, by whomever, it would be the same file.
    path.rename(landing / f"events-{path.stem}.jsonl")
    flush((landing, path.parent))


def recover(home: Home) -> int:
    """Seal what dead processes left; how many files went to landing."""
    landing = home.landing / SOURCE
    found = 0
    for folder in sorted(home.spool.glob("*")):
        if not is_abandoned(folder.name):
            continue
        landing.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.jsonl")):
            with contextlib.suppress(FileNotFoundError):  # another server that starts now took it
                _cut_half_line(path)
                found += path.stat().st_size > 0
                _to_landing(path, landing)
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _cut_half_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
        flush((path,))


class Spool:
    """Group commit on the event loop: one flush for all that wait, the next one gathering meanwhile."""

    def __init__(self, home: Home, *, queued_events_max: int, seal_seconds: float) -> None:
        self._home = home
        self._queued_max, self._seal_seconds = queued_events_max, seal_seconds
        self._queue: list[tuple[bytes, asyncio.Future[None]]] = []
        self.queued_events = 0
        self._wake = asyncio.Event()
        self._file: SpoolFile | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self.fault: str | None = None
        self.durable_events = 0

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest event that is not in landing yet; 0 without one."""
        file = self._file
        return 0.0 if file is None or not file.durable_bytes else time.monotonic() - file.since

    async def start(self) -> None:
        """Seal what dead processes left, then take events; a spool that was stopped may start again."""
        self._wake, self._is_closing = asyncio.Event(), False
        count = await asyncio.to_thread(recover, self._home)
        if count:
            _LOG.info("%d files of events that a dead process left went to landing", count)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Make durable what waits, seal it, and stop."""
        self._is_closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def append(self, lines: bytes, events: int) -> None:
        """Return once `lines` are durable. Raises Problem where too much waits, or the disk refuses."""
        if self._task is None or self._task.done():
            raise Problem("spool_unavailable", "events are not taken in", retry_after=5)
        if self._is_closing or self.queued_events + events > self._queued_max:
            raise Problem("overloaded", f"{self.queued_events} events wait for the disk; try again", retry_after=1)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((lines, done))
        self.queued_events += events
        self._wake.set()
        try:
            await done
        finally:
            self.queued_events -= events
        self.durable_events += events

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), timeout=self._seal_seconds / 2)
            self._wake.clear()
            waiting, self._queue = self._queue, []
            if waiting:
                await self._commit(waiting)
            await self._seal_if_due()
            if self._is_closing and not self._queue:
                return

    async def _commit(self, waiting: list[tuple[bytes, asyncio.Future[None]]]) -> None:
        lines = b"".join(each for each, _ in waiting)
        try:
            await asyncio.to_thread(self._write, lines)
        except OSError as error:
            self.fault = f"{error.strerror or error}"
            _LOG.exception("events could not be stored")
            refused = Problem("spool_unavailable", f"nothing was stored: {self.fault}", retry_after=5)
            for _, done in waiting:
                if not done.done():
                    done.set_exception(refused)
            return
        self.fault = None
        for _, done in waiting:
            if not done.done():
                done.set_result(None)

    def _write(self, lines: bytes) -> None:
        if self._file is None:
            self._file = SpoolFile(self._home.spool / process_name(), self._home.landing / SOURCE)
        try:
            self._file.append(lines)
        finally:
            # Half a line at its end would spoil the next: it is left for the next start, which cuts it off.
            if self._file.is_broken:
                self._file.abandon()
                self._file = None

    async def _seal_if_due(self) -> None:
        file = self._file
        if file is None:
            return
        is_due = time.monotonic() - file.since >= self._seal_seconds or file.durable_bytes >= _SEAL_BYTES
        if is_due or self._is_closing:
            self._file = None
            try:
                await asyncio.to_thread(file.seal)
            except OSError as error:
                # It is durable where it lies, and goes to landing when the next server starts.
                self.fault = f"events stay in the spool: {error.strerror or error}"
                _LOG.exception("a file of events could not be moved to landing")
