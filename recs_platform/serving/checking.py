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
    from pathlib import Path

    from recs_platform.serving.watch import BundleWatch
    from recs_platform.stages.releases.bundle import Bundle

_LOG = logging.getLogger(__name__)
_AT_ONCE_BYTES = 4 * 2**20
_PAUSE_SECONDS = 0.05  # a twentieth of a core, and 80 MB a second
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
        while part := await asyncio.to_thread(_part, file, read):
            await asyncio.to_thread(digest.update, part)
            read += len(part)
            self._read_bytes += len(part)
            if self._read_bytes >= _AT_ONCE_BYTES:
                self._read_bytes = 0
                await asyncio.sleep(_PAUSE_SECONDS)
        return digest.hexdigest()


def _part(file: Path, start: int) -> bytes:
    # Opened for each part: a server that stops meanwhile leaves none open.
    with file.open("rb") as opened:
        opened.seek(start)
        return opened.read(_AT_ONCE_BYTES)
