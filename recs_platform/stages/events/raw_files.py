"""Files of an export before they are landed: at any depth of a folder, and the members of a zip as files of their own.

Which of them a source reads is decided in `arrivals`.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO

from recs_platform.contracts.time import SECOND_NANOSECONDS
from recs_platform.lake.disk import flush
from recs_platform.stages.events.archives import DAMAGED, UnreadableFileError, members_of
from recs_platform.stages.events.content_hashes import content_hash
from recs_platform.stages.events.sources import FORMATS

_CHUNK_BYTES = 1 << 20
ZIP_IN_ZIP = "it is a zip inside a zip; unpack the outer one and give its folder"


@dataclass(frozen=True)
class RawFile:
    """A file, or a member of a zip; `inside` is its path relative to what was given, below the zip's own name."""

    inside: str
    path: Path
    member: zipfile.ZipInfo | None = None

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.member is None else self.member.file_size

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, in hex. Raises UnreadableFileError when it cannot be read to its end."""
        try:
            return content_hash(self.path) if self.member is None else self._member_digest()
        except DAMAGED as error:
            raise UnreadableFileError(f"it cannot be read: {error}; land a whole copy without a password") from error

    @property
    def changed_ns(self) -> int:
        """When it last changed: a member's own time, which names no zone, is taken for UTC."""
        changed = self.path.stat().st_mtime_ns
        if self.member is None:
            return changed
        try:
            member_changed_at = datetime(*self.member.date_time, tzinfo=UTC)
        except ValueError:
            # Some write a day of zeros where they know none.
            return changed
        # A member is no younger than its zip; where clocks are ahead of UTC it would seem so.
        return min(int(member_changed_at.timestamp()) * SECOND_NANOSECONDS, changed)

    def _member_digest(self) -> str:
        digest = hashlib.sha256()
        with self.open() as content:
            while block := content.read(_CHUNK_BYTES):
                digest.update(block)
        return digest.hexdigest()

    @contextmanager
    def open(self) -> Generator[IO[bytes], None, None]:
        if self.member is None:
            with self.path.open("rb") as content:
                yield content
        else:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as content:
                yield content

    def copy_to(self, target: Path) -> None:
        """Copy aside, then rename, with the file's own time of change: what has lain still need not settle again."""
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.part")
        with self.open() as content, aside.open("wb") as written:
            shutil.copyfileobj(content, written, _CHUNK_BYTES)
        os.utime(aside, ns=(self.path.stat().st_atime_ns, self.changed_ns))
        flush((aside,))
        aside.rename(target)


def files_of(path: Path) -> list[RawFile]:
    """A file, or everything at any depth of a folder that is no folder, in order of paths."""
    if path.is_file():
        return [RawFile(path.name, path)]
    # os.walk passes over folders that vanish or may not be entered.
    found = sorted(
        file
        for folder, folders, names in os.walk(path)
        for file in (Path(folder, name) for name in (*folders, *names))
        if file.is_symlink() or file.name in names
    )
    return [RawFile(file.relative_to(path).as_posix(), file) for file in found]


def is_zip(file: RawFile) -> bool:
    """Whether it is a whole zip: its name alone is not enough."""
    if file.member is not None or file.path.suffix.lower() != ".zip" or not file.path.is_file():
        return False
    try:
        with zipfile.ZipFile(file.path):
            return True
    except DAMAGED:
        return False


def members(file: RawFile) -> Iterator[RawFile]:
    """The files of a zip, in a folder of its name. Names that lead out of it are there as they are: see `leads_out`."""
    folder = PurePosixPath(file.inside).with_suffix("")
    while folder.suffix.lower() in FORMATS:
        folder = folder.with_suffix("")
    with zipfile.ZipFile(file.path) as archive:
        names = set(members_of(archive))
        inner = [each for each in archive.infolist() if each.filename in names]
    for each in inner:
        yield RawFile(f"{folder.as_posix()}/{each.filename}", file.path, each)


def leads_out(file: RawFile) -> bool:
    """Whether the name of a zip's member is absolute, climbs, or is written for another system."""
    if file.member is None:
        return False
    name = file.member.filename
    return name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/")
