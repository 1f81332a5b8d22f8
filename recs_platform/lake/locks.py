"""Locks between processes, held by the kernel: a dead process holds nothing. Their names are in `contracts.home`."""

import fcntl
import os
import shlex
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from recs_platform.contracts.errors import Busy
from recs_platform.lake.processes import is_running

_WORKS: list[str] = []
_DESCRIPTION_CHARACTERS = 200
# A holder writes its pid just after taking the lock, and `holder` takes it shared for an instant: look again.
_LOOKS = 50
_LOOK_SECONDS = 0.01


@contextmanager
def exclusive(
    path: Path, *, wait: bool = True, on_wait: Callable[[str], None] | None = None
) -> Generator[int, None, None]:
    """Hold the lock file `path` (created with its folders) for the body, which is given its descriptor.

    A process that inherits the descriptor holds the lock too, until it ends.

    Meanwhile it says which process holds it, for what (see `at_work`, else the command), and since when.

    With `wait`, `on_wait` is called once with the holder, if there is one, and the call blocks; without, Busy names the
    holder. Two calls in one process exclude each other too, so a nested call for the same path never returns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _taken(descriptor, fcntl.LOCK_EX):
            held = f"{path.name} is held by {_description(descriptor) or 'an unknown process'}"
            if not wait:
                raise Busy(f"{held}; wait for it to end, or stop it")
            if on_wait is not None:
                on_wait(f"waiting: {held}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        _describe(descriptor, f"{os.getpid()} {_WORKS[-1] if _WORKS else _command()}\n")
        try:
            yield descriptor
        finally:
            _describe(descriptor, "")
    finally:
        os.close(descriptor)


@contextmanager
def at_work(what: str) -> Generator[None, None, None]:
    """Say what this process works on during the body, to whoever waits for a lock that it takes."""
    work = _one_line(what)
    _WORKS.append(work)
    try:
        yield
    finally:
        _WORKS.remove(work)


def describe_holder(path: Path) -> str | None:
    """Which process holds the lock file, for what and since when; None when it is free."""
    if holder(path) is None:
        return None
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return _description(descriptor) or None
    finally:
        os.close(descriptor)


def holder(path: Path) -> int | None:
    """Process that holds the lock file, None when it is free."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _taken(descriptor, fcntl.LOCK_SH) else _pid(descriptor)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, kind: int) -> bool:
    """Try to take the lock; False once a living process is seen to hold it, or nobody let go while we looked."""
    for _ in range(_LOOKS):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        pid = _pid(descriptor)
        if pid is not None and is_running(pid):
            return False
        time.sleep(_LOOK_SECONDS)
    return False


def _read(descriptor: int) -> tuple[str, str]:
    """The pid, empty when nobody wrote one, and for what."""
    pid, _, what = os.pread(descriptor, 4096, 0).decode(errors="replace").strip().partition(" ")
    return pid, what


def _pid(descriptor: int) -> int | None:
    pid, _ = _read(descriptor)
    return int(pid) if pid.isdigit() else None


def _description(descriptor: int) -> str:
    pid, what = _read(descriptor)
    # The holder writes once, when it takes the lock.
    since = datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)
    return f"process {pid} ({what}) since {since:%Y-%m-%d %H:%M:%S} UTC" if pid else ""


def _command() -> str:
    return _one_line(shlex.join(sys.argv))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_DESCRIPTION_CHARACTERS]


def _describe(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
