"""Landing: raw files as they came, under `landing/<source>/`, and which of them are still to be ingested.

Their content is hashed here, never parsed. How they come there is described in `arrivals`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from recs_platform.contracts import columns as c
from recs_platform.contracts.home import Home
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.contracts.tables import INGESTIONS
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.content_hashes import ContentHashes
from recs_platform.stages.events.file_names import is_hidden, is_marker, is_unfinished
from recs_platform.stages.events.sources import DataSource, SourceFile, Sources


@dataclass(frozen=True)
class FileState:
    """What tells that a file was written to: its size and the time of its last change."""

    size: int
    changed_ns: int


@dataclass(frozen=True)
class PendingFile:
    """A landed file not ingested yet; `source_file` is its path relative to landing, `file_hash` its SHA-256."""

    source: str
    source_file: str
    path: Path
    file_hash: str
    kind: SourceFile
    state: FileState


@dataclass(frozen=True)
class Landed:
    """What lies in landing: files to read in the order they were written, and what is left alone, by name.

    `unknown`: no source knows it. `rejected`: (name, reason). `settling`: changed a moment ago, so perhaps unfinished.
    `markers` accompany data: checksums, marks of success, hidden files.
    """

    files: tuple[PendingFile, ...]
    unknown: tuple[str, ...]
    rejected: tuple[tuple[str, str], ...] = ()
    settling: Mapping[str, FileState] = field(default_factory=dict[str, FileState])
    markers: tuple[str, ...] = ()


def pending(
    home: Home, sources: Mapping[str, DataSource], lake: Lake, *, changed_before: datetime | None = None
) -> list[PendingFile]:
    """Landed files whose content the ledger does not hold, in the order they were written; each content once."""
    return split_pending(look_into_landing(home, sources, changed_before=changed_before), lake)


def look_into_landing(
    home: Home,
    sources: Mapping[str, DataSource],
    *,
    changed_before: datetime | None = None,
    quiet: Mapping[str, FileState] | None = None,
) -> Landed:
    """Every landed file, hashed. Names that end in .part or .tmp are not there yet.

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
        sources: Mapping[str, DataSource],
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
        self._markers: list[str] = []

    def add(self, file: Path) -> None:
        inside = file.relative_to(self._root)
        name, below = inside.as_posix(), "/".join(inside.parts[1:])
        source = self._sources.get(inside.parts[0]) if below else None
        if is_hidden(name) or is_marker(name):
            self._markers.append(name)
            return
        if source is not None and source.ignores(below):
            return
        kind = source.file_for(below) if source else None
        if source is None and (fault := _broken(self._sources, inside.parts[0])):
            self._refused.append((name, fault))
        elif source is None or kind is None:
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
            tuple(sorted(self._files, key=_arrival)),
            tuple(sorted(self._unknown)),
            tuple(sorted(self._refused)),
            dict(sorted(self._settling.items())),
            tuple(sorted(self._markers)),
        )


def _arrival(file: PendingFile) -> tuple[int, str, list[tuple[int, str]]]:
    """What orders files as they came, so that one ingestion of all gives what an ingestion of each would.

    Of those written at the same instant, numbers in names count as numbers: part 2 comes before part 10.
    """
    return file.state.changed_ns, file.source, natural_order(file.source_file)


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key for names in which numbers count as numbers.

    >>> sorted(["items.10.csv", "items.2.csv"], key=natural_order)
    ['items.2.csv', 'items.10.csv']
    """
    parts = [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name)]
    return [*parts, (-1, name)]


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
    return set(known_contents(lake))


def known_contents(lake: Lake) -> dict[tuple[str, str], tuple[str, int]]:
    """Everything that was ingested, by hash of the content and table: the name of its file, and its rejected rows."""
    import polars as pl

    files = lake.files(INGESTIONS.name) if lake.exists(INGESTIONS.name) else []
    columns = [c.FILE_HASH, c.CONTRACT_TABLE, c.SOURCE_FILE, c.ROWS_QUARANTINED]
    rows = pl.read_parquet(files, columns=columns).iter_rows() if files else ()
    return {(file_hash, table): (name, rejected) for file_hash, table, name, rejected in rows}


def why_unknown(sources: Mapping[str, DataSource], name: str) -> str:
    """Why a landed file of this name is not read: its folder is no source, or the source reads none of that name."""
    folder, _, below = name.partition("/")
    if not below:
        return "it lies outside the folders of sources; land it with `recs land`"
    if folder not in sources:
        return f"there is no source {folder!r}{did_you_mean(folder, sources)}"
    return f"source {folder!r} reads {sources[folder].expected}"


def _broken(sources: Mapping[str, DataSource], name: str) -> str | None:
    """What is wrong with a source of one's own that is left out."""
    return sources.broken.get(name) if isinstance(sources, Sources) else None


def _files_under(folder: Path) -> list[Path]:
    """Everything at any depth that is no folder and whose name says that it is finished, in order of paths."""
    return sorted(
        file for file in folder.rglob("*") if (file.is_symlink() or not file.is_dir()) and not is_unfinished(file.name)
    )
