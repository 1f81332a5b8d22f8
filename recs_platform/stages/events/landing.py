"""Landing: raw files as they came, under `landing/<source>/`, and which of them are still to be taken in.

Their content is hashed and copied here, never parsed.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import INGESTIONS
from recs_platform.lake.disk import flush
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.hashes import ContentHashes, content_hash
from recs_platform.stages.events.sources import Source, SourceFile

_UNFINISHED = (".part", ".tmp")


@dataclass(frozen=True)
class LandReport:
    """What `land` did, or would do: paths relative to the landing folder, ignored ones relative to what was given."""

    source: str
    copied: tuple[str, ...]
    already_there: tuple[str, ...]
    ignored: tuple[str, ...]
    dry_run: bool


@dataclass(frozen=True)
class FileState:
    """What tells that a file was written to: its size and the time of its last change."""

    size: int
    changed_ns: int


@dataclass(frozen=True)
class PendingFile:
    """A landed file not taken in yet; `source_file` is its path relative to landing, `file_hash` its SHA-256."""

    source: str
    source_file: str
    path: Path
    file_hash: str
    kind: SourceFile
    state: FileState


@dataclass(frozen=True)
class Landed:
    """What lies in landing: files to read in order of source and name, and what is left alone, by name.

    `unknown`: no source knows it. `refused`: (name, reason). `settling`: changed a moment ago, so perhaps unfinished.
    """

    files: tuple[PendingFile, ...]
    unknown: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()
    settling: Mapping[str, FileState] = field(default_factory=dict[str, FileState])


def land(home: Home, source: Source, path: Path, *, dry_run: bool) -> LandReport:
    """Copy a file, or a folder's files at any depth, into the source's landing folder.

    A file whose content lies there already is not copied again; another content under a known name goes into a folder
    named by its hash, so that what came first stays as it came. Raises UsageError when `path` is missing or holds
    nothing the source knows.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist")
    base = path.parent if path.is_file() else path
    found = [path] if path.is_file() else _files_under(path)
    wanted = [
        file
        for file in found
        if file.is_file() and source.file_for(file.name) is not None and not source.ignores(file.name)
    ]
    if not wanted:
        raise UsageError(
            f"{path} holds no file of source {source.name!r}; expected: {source.expected} (plain, .gz, .zst or .zip)"
        )
    folder = home.landing / source.name
    hashes = {content_hash(file): file for file in _files_under(folder) if file.is_file()}
    copied: list[str] = []
    already: list[str] = []
    for file in wanted:
        digest = content_hash(file)
        if digest in hashes:
            already.append(hashes[digest].relative_to(home.landing).as_posix())
            continue
        target = folder / file.relative_to(base)
        if target.exists():
            target = folder / digest[:12] / file.relative_to(base)
        hashes[digest] = target
        copied.append(target.relative_to(home.landing).as_posix())
        if not dry_run:
            _copy(file, target)
    ignored = tuple(file.relative_to(base).as_posix() for file in found if file not in wanted)
    return LandReport(source.name, tuple(copied), tuple(already), ignored, dry_run)


def pending(
    home: Home, sources: Mapping[str, Source], lake: Lake, *, changed_before: datetime | None = None
) -> list[PendingFile]:
    """Landed files whose content the ledger does not hold, in order of source and name; the same content only once."""
    return split_pending(look_into_landing(home, sources, changed_before=changed_before), lake)


def look_into_landing(
    home: Home,
    sources: Mapping[str, Source],
    *,
    changed_before: datetime | None = None,
    quiet: Mapping[str, FileState] | None = None,
) -> Landed:
    """Every landed file, hashed. Names that start with a dot or end in .part or .tmp are not there yet.

    A file changed at or after `changed_before` is settling, unless it is as `quiet` remembers it.
    """
    hashes = ContentHashes(home)
    found = _Found(home.landing, sources, hashes, changed_before, quiet or {})
    for file in _files_under(home.landing):
        found.add(file)
    hashes.remember()
    return found.landed()


class _Found:
    """Landed files sorted into what is to be read and what is left alone."""

    def __init__(
        self,
        root: Path,
        sources: Mapping[str, Source],
        hashes: ContentHashes,
        changed_before: datetime | None,
        quiet: Mapping[str, FileState],
    ) -> None:
        self._root, self._sources, self._hashes = root, sources, hashes
        self._young_ns = None if changed_before is None else changed_before.timestamp() * 1e9
        self._quiet = quiet
        self._files: list[PendingFile] = []
        self._unknown: list[str] = []
        self._refused: list[tuple[str, str]] = []
        self._settling: dict[str, FileState] = {}

    def add(self, file: Path) -> None:
        inside = file.relative_to(self._root)
        name = inside.as_posix()
        source = self._sources.get(inside.parts[0]) if len(inside.parts) > 1 else None
        if source is not None and source.ignores(file.name):
            return
        kind = source.file_for(file.name) if source else None
        if source is None or kind is None:
            self._unknown.append(name)
        elif fault := _fault(self._root, inside):
            self._refused.append((name, fault))
        else:
            self._add_known(source.name, name, file, kind)

    def _add_known(self, source: str, name: str, file: Path, kind: SourceFile) -> None:
        try:
            state = file_state(file)
            if self._is_young(state) and self._quiet.get(name) != state:
                self._settling[name] = state
                return
            self._files.append(PendingFile(source, name, file, self._hashes.of(file), kind, state))
        except OSError as error:
            self._refused.append((name, f"cannot be read: {error.strerror}"))

    def _is_young(self, state: FileState) -> bool:
        return self._young_ns is not None and state.changed_ns >= self._young_ns

    def landed(self) -> Landed:
        return Landed(
            tuple(sorted(self._files, key=lambda file: (file.source, file.source_file))),
            tuple(sorted(self._unknown)),
            tuple(sorted(self._refused)),
            dict(sorted(self._settling.items())),
        )


def split_pending(landed: Landed, lake: Lake) -> list[PendingFile]:
    """Of the files in landing, those whose content the ledger does not hold."""
    return _not_in_ledger(landed.files, _ledger_keys(lake))


def file_state(path: Path) -> FileState:
    """Raises OSError when the file is gone."""
    stat = path.stat()
    return FileState(stat.st_size, stat.st_mtime_ns)


def _fault(root: Path, inside: Path) -> str | None:
    """Why a landed file is not opened: what leads out of landing, and names that would break a report's lines."""
    if not inside.as_posix().isprintable():
        return "its name holds control characters; rename it"
    parents = [root.joinpath(*inside.parts[:depth]) for depth in range(1, len(inside.parts) + 1)]
    if any(path.is_symlink() for path in parents):
        return "it is a symbolic link; land the file itself"
    return None if parents[-1].is_file() else "it is no regular file"


def _not_in_ledger(files: tuple[PendingFile, ...], ledger: set[tuple[str, str]]) -> list[PendingFile]:
    """An empty file has the same hash whatever it is meant for, so the table belongs to the key."""
    seen = set(ledger)
    found: list[PendingFile] = []
    for file in files:
        keys = {(file.file_hash, table) for table in file.kind.tables}
        if not keys <= seen:
            found.append(file)
        seen |= keys
    return found


def _ledger_keys(lake: Lake) -> set[tuple[str, str]]:
    import polars as pl

    if not lake.exists(INGESTIONS.name):
        return set()
    files = lake.files(INGESTIONS.name)
    return set(pl.read_parquet(files, columns=[c.FILE_HASH, c.CONTRACT_TABLE]).iter_rows()) if files else set()


def _files_under(folder: Path) -> list[Path]:
    """Everything at any depth that is no folder and whose name says that it is finished, in order of paths."""
    return sorted(
        file
        for file in folder.rglob("*")
        if (file.is_symlink() or not file.is_dir())
        and not file.name.lower().endswith(_UNFINISHED)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def _copy(file: Path, target: Path) -> None:
    """Copy aside, then rename, with the file's own time of change: what has lain still need not settle again."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.part")
    shutil.copyfile(file, aside)
    stat = file.stat()
    os.utime(aside, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    flush((aside,))
    aside.rename(target)
