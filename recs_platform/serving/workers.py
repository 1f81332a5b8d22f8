"""Several server processes on one port: started, started again where one dies, stopped together.

What one process does is in `server`; what they share, in `shared`.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import RecsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import SpawnProcess
    from types import FrameType

    from recs_platform.settings import Settings

_LOG = logging.getLogger(__name__)
_STOP_SECONDS = 6.0
_QUICK_SECONDS = 5.0
_QUICK_DEATHS_MAX = 5


def require_shareable(settings: Settings) -> None:
    """Raises UsageError for settings under which several processes would not serve as one."""
    if settings.serving.redis_url is None:
        raise UsageError("several workers share sessions and shown lists: set serving.redis_url, or serve with one")
    if settings.canary.share:
        raise UsageError("a canary release is counted by one process: set canary.share = 0, or serve with one worker")
    if settings.serving.demo:
        # Its forms are those of one process, and the list of another would not know what was pressed.
        raise UsageError("the page /demo is that of one process: set serving.demo = false, or serve with one worker")


def serve_with_workers(work: Callable[[str, socket.socket], None], host: str, port: int, workers: int) -> None:
    """Run `work(host, socket)` in processes of their own until a signal stops it; `work` can be imported by name.

    Raises RecsError where workers die as soon as they start, UsageError where the address cannot be bound.
    """
    with _bound(host, port) as shared_socket:
        Supervisor(work, host, shared_socket, workers).run()


class Supervisor:
    """The parent of the workers: it serves nothing itself."""

    def __init__(
        self, work: Callable[[str, socket.socket], None], host: str, shared_socket: socket.socket, workers: int
    ) -> None:
        self._work, self._host, self._socket, self._count = work, host, shared_socket, workers
        self._context = multiprocessing.get_context("spawn")  # threads of libraries do not survive a fork
        self._workers: list[tuple[SpawnProcess, float]] = []
        self._is_stopping = False
        self._quick_deaths = 0

    def run(self) -> None:
        """Start the workers, and any that dies again, until a signal comes."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        try:
            while not self._is_stopping:
                while len(self._workers) < self._count:
                    self._workers.append((self._start(), time.monotonic()))
                wait([process.sentinel for process, _ in self._workers], timeout=0.5)
                self._collect()
        finally:
            self._end()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopping = True

    def _start(self) -> SpawnProcess:
        process = self._context.Process(target=run_worker, args=(self._work, self._host, self._socket))
        process.start()
        return process

    def _collect(self) -> None:
        """Let go of the dead. Raises RecsError where one after the other dies as soon as it starts."""
        dead = [(process, since) for process, since in self._workers if not process.is_alive()]
        self._workers = [each for each in self._workers if each not in dead]
        for process, since in dead if not self._is_stopping else ():
            _LOG.warning("worker %s ended with %s; another one starts", process.pid, process.exitcode)
            self._quick_deaths = self._quick_deaths + 1 if time.monotonic() - since < _QUICK_SECONDS else 0
        if self._quick_deaths >= _QUICK_DEATHS_MAX:
            raise RecsError(f"{self._quick_deaths} workers ended as soon as they had started; the log above says why")

    def _end(self) -> None:
        for process, _ in self._workers:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process, _ in self._workers:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()


def run_worker(work: Callable[[str, socket.socket], None], host: str, shared_socket: socket.socket) -> None:
    """One worker, which ends with its parent, however that ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    work(host, shared_socket)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
        )
    except OSError as error:
        raise UsageError(f"{host}:{port} cannot be listened on: {error.strerror or error}") from None
