"""Making files and folders survive a power cut."""

import os
import stat
import threading
from collections.abc import Iterable
from pathlib import Path

from recs_platform.lake.processes import is_abandoned, process_name


def write_whole(descriptor: int, content: bytes) -> None:
    """Write all of it: a disk that fills up takes a part and says so only when it is given the rest.

    Raises OSError where it refuses; how much was written is not known then.
    """
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def flush(paths: Iterable[Path]) -> None:
    """Ask the kernel to write files or folders (their lists of names) to the disk itself."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Flush everything under `folder`, then the folder."""
    flush(sorted(folder.rglob("*"), reverse=True))
    flush((folder,))


def replace_text(path: Path, text: str) -> None:
    """Write a small UTF-8 file as `replace_bytes` does."""
    replace_bytes(path, text.encode("utf-8"))


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all, and flush it; what dead processes left half-written beside it goes.

    It has the permissions of the file in whose place it comes; a new one is its owner's alone.
    """
    mark = f"{path.name}.tmp-"
    for leftover in path.parent.glob(f"{mark}*"):
        if is_abandoned(leftover.name.removeprefix(mark)):
            leftover.unlink(missing_ok=True)
    aside = path.with_name(f"{mark}{process_name()}-{threading.get_ident()}")
    try:
        permissions = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        permissions = 0o600
    aside.touch(0o600)
    aside.write_bytes(content)
    aside.chmod(permissions)
    flush((aside,))
    aside.replace(path)
    flush((path.parent,))


def seal(folder: Path, sealed: Path) -> None:
    """Flush `folder` and rename it to `sealed` beside it: it is there whole or not at all. Raises OSError if taken."""
    flush_tree(folder)
    folder.rename(sealed)
    flush((sealed.parent,))
