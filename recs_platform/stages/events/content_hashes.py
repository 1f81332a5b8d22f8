"""SHA-256 of landed files, remembered between runs while a file's size, times and inode stay as they were."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from recs_platform.contracts.home import Home
from recs_platform.lake.disk import replace_text

_FILE = "landing_hashes.json"


class ContentHashes:
    """Hashes by path below landing. The memory is one file under the home's temporary folder, safe to delete."""

    def __init__(self, home: Home) -> None:
        self._root = home.landing
        self._path = home.temporary / _FILE
        self._known = self._read()
        self._seen: dict[str, list[object]] = {}

    def of(self, path: Path) -> str:
        """The file's hash, read anew when it changed. Raises OSError when it cannot be read."""
        stat = path.stat()
        state: list[object] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        name = path.relative_to(self._root).as_posix()
        known = self._known.get(name)
        digest = known[-1] if known is not None and known[:-1] == state else content_hash(path)
        self._seen[name] = [*state, digest]
        return str(digest)

    def remember(self) -> None:
        """Keep the hashes asked for, and no others, for the next run."""
        if self._seen == self._known:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # A full disk must not stop a run for the sake of a memory.
        with suppress(OSError):
            replace_text(self._path, json.dumps(self._seen))
        self._known = dict(self._seen)

    def _read(self) -> dict[str, list[object]]:
        try:
            return dict(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}


def content_hash(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
