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
from pathlib import Path, PurePosixPath
from typing import IO

from recs_platform.lake.disk import flush
from recs_platform.stages.events.hashes import content_hash
from recs_platform.stages.events.sources import FORMATS
from recs_platform.stages.events.unpacking import members_of

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class RawFile:
    """A file, or a member of a zip; `inside` is its path relative to what was given, below the zip's own name."""

    inside: str
    path: Path
    member: str | None = None

    @property
    def size(self) -> int:
        if self.member is None:
            return self.path.stat().st_size
        with zipfile.ZipFile(self.path) as archive:
            return archive.getinfo(self.member).file_size

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hex."""
        if self.member is None:
            return content_hash(self.path)
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
        stat = self.path.stat()
        os.utime(aside, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        flush((aside,))
        aside.rename(target)


def files_of(path: Path) -> list[RawFile]:
    """A file, or everything at any depth of a folder that is no folder, in order of paths."""
    if path.is_file():
        return [RawFile(path.name, path)]
    found = sorted(file for file in path.rglob("*") if file.is_symlink() or not file.is_dir())
    return [RawFile(file.relative_to(path).as_posix(), file) for file in found]


def is_zip(file: RawFile) -> bool:
    """Whether it is a whole zip: its name alone is not enough."""
    return file.path.suffix.lower() == ".zip" and zipfile.is_zipfile(file.path)


def members(file: RawFile) -> Iterator[RawFile]:
    """The files of a zip, in a folder of its name. Names that lead out of it are there as they are: see `leads_out`."""
    folder = PurePosixPath(file.inside).with_suffix("")
    while folder.suffix.lower() in FORMATS:
        folder = folder.with_suffix("")
    with zipfile.ZipFile(file.path) as archive:
        names = members_of(archive)
    for name in names:
        yield RawFile(f"{folder.as_posix()}/{name}", file.path, name)


def leads_out(file: RawFile) -> bool:
    """Whether the name of a zip's member is absolute, climbs, or is written for another system."""
    name = file.member
    return name is not None and (name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"))
