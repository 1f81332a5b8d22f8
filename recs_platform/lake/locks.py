"""Locks between processes, held by the kernel: a dead process holds nothing. What they protect is not known here."""

import fcntl
import os
import shlex
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from recs_platform.contracts.errors import Busy
from recs_platform.lake.processes import is_running

_DESCRIPTION_CHARACTERS = 200
# A holder writes its pid just after taking the lock, and `holder` takes it shared for an instant: look again.
_LOOKS = 50
_LOOK_SECONDS = 0.01


@contextmanager
def exclusive(
    path: Path, *, wait: bool = True, on_wait: Callable[[str], None] | None = None
) -> Generator[None, None, None]:
    """Hold the lock file `path` (created with its folders) for the body; it holds the pid and the command meanwhile.

    With `wait`, `on_wait` is told once who holds it, if anyone does, and the call blocks; without, Busy names the
    holder. Two calls in one process exclude each other too, so a nested call for the same path never returns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _taken(descriptor, fcntl.LOCK_EX):
            held = f"{path.name} is held by {_description(descriptor)}"
            if not wait:
                raise Busy(f"{held}; wait for it to end, or stop it")
            if on_wait is not None:
                on_wait(f"waiting: {held}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        _describe(descriptor, f"{os.getpid()} {shlex.join(sys.argv)[:_DESCRIPTION_CHARACTERS]}\n")
        try:
            yield
        finally:
            _describe(descriptor, "")
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
    """The pid, empty when nobody wrote one, and the command."""
    pid, _, command = os.pread(descriptor, 4096, 0).decode(errors="replace").strip().partition(" ")
    return pid, command


def _pid(descriptor: int) -> int | None:
    pid, _ = _read(descriptor)
    return int(pid) if pid.isdigit() else None


def _description(descriptor: int) -> str:
    pid, command = _read(descriptor)
    return f"process {pid} ({command})" if pid else "an unknown process"


def _describe(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
