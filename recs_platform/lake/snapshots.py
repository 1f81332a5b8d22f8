"""Delta tables held open for reading, so that a table that nobody changed is read from disk once a process.

Which tables may be read is decided in `protocol`.
"""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from recs_platform.lake.protocol import open_table

if TYPE_CHECKING:
    from deltalake import DeltaTable

# About the tables of two homes at two versions each; a snapshot holds the names of its table's files.
_KEPT = 256


class _Entry(NamedTuple):
    """A file of the log: another one under the same name, in a folder made anew, is not the same."""

    inode: int
    changed_ns: int
    size: int


class Snapshots:
    """The last tables opened, each at one version. A version is what it was as long as its log entry is the same file.

    Tables are shared between callers: open one with `open_table` to change it.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self._kept = kept
        self._opened: OrderedDict[tuple[Path, int], tuple[_Entry, DeltaTable]] = OrderedDict()
        self._newest: dict[Path, int] = {}
        self._lock = threading.Lock()

    def read(self, folder: Path, name: str, version: int | None = None) -> "DeltaTable":
        """The table in `folder` at `version`, or the newest one; errors are those of `open_table`."""
        wanted = self.newest(folder) if version is None else version
        entry = None if wanted is None else _entry(folder, wanted)
        if wanted is not None and entry is not None:
            held = self._held(folder, wanted)
            if held is not None and held[0] == entry:
                return held[1]
        table = open_table(folder, name, wanted if entry is not None else version)
        self._hold(folder, table, is_newest=version is None)
        return table

    def newest(self, folder: Path) -> int | None:
        """The newest version of a table that was read before, from the names in its log; None where that is unknown."""
        version = self._newest.get(folder)
        if version is None or _entry(folder, version) is None:
            return None
        while _entry(folder, version + 1) is not None:
            version += 1
        return version

    def forget(self, folder: Path) -> None:
        """Open the table anew when it is asked for next: its log was rewritten."""
        with self._lock:
            self._newest.pop(folder, None)
            for key in [key for key in self._opened if key[0] == folder]:
                del self._opened[key]

    def _held(self, folder: Path, version: int) -> "tuple[_Entry, DeltaTable] | None":
        with self._lock:
            if (folder, version) in self._opened:
                self._opened.move_to_end((folder, version))
            return self._opened.get((folder, version))

    def _hold(self, folder: Path, table: "DeltaTable", *, is_newest: bool) -> None:
        version = table.version()
        entry = _entry(folder, version)
        if entry is None:  # cleaned away once a checkpoint holds it
            return
        with self._lock:
            if is_newest:
                self._newest[folder] = version
            self._opened[folder, version] = (entry, table)
            self._opened.move_to_end((folder, version))
            while len(self._opened) > self._kept:
                self._opened.popitem(last=False)


def _entry(folder: Path, version: int) -> _Entry | None:
    try:
        found = (folder / "_delta_log" / f"{version:020d}.json").stat()
    except FileNotFoundError:
        return None
    return _Entry(found.st_ino, found.st_mtime_ns, found.st_size)


SNAPSHOTS = Snapshots()
