"""Whether the bundle that answers holds the bytes that were sealed: read slowly, beside requests.

Opening maps files and looks at their sizes alone, for a bundle may have gigabytes. A byte that the disk lost is found
here: lists would hold another item, or fail, and nothing would say why.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from recs_platform.serving.watch import BundleWatch
    from recs_platform.stages.releases.bundle import Bundle

_LOG = logging.getLogger(__name__)
# A twentieth of a core and some 20 MB a second: no answer waits longer than a part takes, which is under a millisecond.
_AT_ONCE_BYTES = 2**18
_PAUSE_SECONDS = 0.0125
_EVERY_SECONDS = 10.0


class Checking:
    """Reads each bundle once that is taken up, and what is damaged of it again until it is put back."""

    def __init__(self, watch: BundleWatch) -> None:
        self._watch = watch
        self._checked: Bundle | None = None
        self._read_bytes = 0

    async def run(self) -> None:
        """Look again and again, until it is cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Tell the watch of a file that is damaged, or that it is put back: it opens the bundle anew then."""
        watch = self._watch
        if not watch.is_open or (watch.bundle is self._checked and watch.damaged is None):
            return
        bundle = watch.bundle
        damaged = await self._first_damaged(bundle)
        if watch.bundle is not bundle:
            return  # another one answers: the next look is at that
        if damaged is None and watch.damaged is not None:
            watch.open_anew()
        elif damaged != watch.damaged:
            watch.damaged = damaged
            _LOG.error("%s", watch.damage)
        self._checked = bundle

    async def _first_damaged(self, bundle: Bundle) -> Path | None:
        for file, sha256 in bundle.sealed_files(self._watch.folder_of(bundle)):
            # Removed meanwhile: another bundle is about to answer.
            with suppress(FileNotFoundError):
                if await self._sha256(file) != sha256:
                    return file
        return None

    async def _sha256(self, file: Path) -> str:
        digest, read = hashlib.sha256(), 0
        while length := await asyncio.to_thread(_add_part, digest.update, file, read):
            read += length
            self._read_bytes += length
            if self._read_bytes >= _AT_ONCE_BYTES:
                self._read_bytes = 0
                await asyncio.sleep(_PAUSE_SECONDS)
        return digest.hexdigest()


def _add_part(add: Callable[[bytes], None], file: Path, start: int) -> int:
    """Add the bytes from `start` on, as many as are read at once; returns how many there were."""
    # Opened for each part: a server that stops meanwhile leaves none open.
    with file.open("rb") as opened:
        opened.seek(start)
        part = opened.read(_AT_ONCE_BYTES)
    add(part)
    return len(part)
