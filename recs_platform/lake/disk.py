"""Making files and folders survive a power cut. What they hold and what they are called is decided elsewhere."""

import os
from collections.abc import Iterable
from pathlib import Path


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


def seal(folder: Path, sealed: Path) -> None:
    """Flush `folder` and rename it to `sealed` beside it: it is there whole or not at all. Raises OSError if taken."""
    flush_tree(folder)
    folder.rename(sealed)
    flush((sealed.parent,))
