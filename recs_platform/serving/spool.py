"""Events on their way to landing: appended with group commit, sealed by rename, never lost once they are durable.

`<home>/spool/<process>/<n>.jsonl` is appended to; whoever waits is told after the fsync that covers their lines. A file
that is old or large enough is renamed into `landing/http/`, where ingestion takes it in exactly once by its content.
Files of processes that died are sealed by the next one. What is written to one file is in `spool_file`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from recs_platform.lake.processes import process_name
from recs_platform.serving.problems import Problem
from recs_platform.serving.spool_file import SOURCE, SpoolFile, recover

if TYPE_CHECKING:
    from recs_platform.contracts.home import Home

_LOG = logging.getLogger(__name__)
_SEAL_BYTES = 32_000_000
# Files that the disk would not cut back; beyond it no other one is begun.
_SPOILT_MAX = 8


class Spool:
    """Group commit on the event loop: one flush for all that wait, the next one gathering meanwhile."""

    def __init__(self, home: Home, *, queued_events_max: int, seal_seconds: float) -> None:
        self._home = home
        self._queued_max, self._seal_seconds = queued_events_max, seal_seconds
        self._queue: list[tuple[bytes, asyncio.Future[None]]] = []
        self.queued_events = 0
        self._wake = asyncio.Event()
        self._file: SpoolFile | None = None
        self._left: list[SpoolFile] = []  # to be sealed as soon as the disk lets them
        self._tried_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._is_closing = False
        self.fault: str | None = None
        self.sealing_fault: str | None = None
        self.durable_events = 0

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest event that is not in landing yet; 0 without one."""
        files = [*self._left, *([] if self._file is None else [self._file])]
        now = time.monotonic()
        return max((now - file.since for file in files if file.durable_bytes), default=0.0)

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
            is_last = self._is_closing  # asked once: what closes meanwhile has a round of its own
            waiting, self._queue = self._queue, []
            if waiting:
                await self._commit(waiting)
            await self._seal_if_due(is_last=is_last)
            if is_last and not self._queue:
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
            if sum(file.is_spoilt for file in self._left) >= _SPOILT_MAX:
                self._seal_left()
            self._file = SpoolFile(self._home.spool / process_name(), self._home.landing / SOURCE)
        try:
            self._file.append(lines)
        finally:
            # What was refused would stand between what was acknowledged: the next lines go to another file.
            if self._file.is_spoilt:
                self._left.append(self._file)
                self._file = None

    async def _seal_if_due(self, *, is_last: bool) -> None:
        file, now = self._file, time.monotonic()
        is_due = is_last or now - self._tried_at >= self._seal_seconds
        if file is not None and (
            is_last or now - file.since >= self._seal_seconds or file.durable_bytes >= _SEAL_BYTES
        ):
            self._file, is_due = None, True
            self._left.append(file)
        if self._left and is_due:
            self._tried_at = now
            try:
                await asyncio.to_thread(self._seal_left)
            except OSError as error:
                # What is durable lies where it is, and goes to landing later, or when the next server starts.
                self.sealing_fault = f"events stay in the spool: {error.strerror or error}"
                _LOG.exception("a file of events could not be moved to landing")
            else:
                self.sealing_fault = None

    def _seal_left(self) -> None:
        """Raises the last OSError where a file cannot be sealed yet; those that can be are."""
        left, self._left = self._left, []
        fault: OSError | None = None
        for file in left:
            try:
                file.seal()
            except FileNotFoundError:
                _LOG.exception("a file of events was taken away")
            except OSError as error:
                fault = error
                self._left.append(file)
        if fault is not None:
            raise fault
