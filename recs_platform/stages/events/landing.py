"""Landing: raw files as they came, under `landing/<source>/`, and which of them are still to be taken in.

Their content is hashed and copied here, never parsed.
"""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import INGESTIONS
from recs_platform.lake.tables import Lake
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
class PendingFile:
    """A landed file not taken in yet; `source_file` is its path relative to landing, `file_hash` its SHA-256."""

    source: str
    source_file: str
    path: Path
    file_hash: str
    kind: SourceFile


@dataclass(frozen=True)
class Landed:
    """What lies in landing: files to read in order of source and name, and files no source knows."""

    files: tuple[PendingFile, ...]
    unknown: tuple[str, ...]


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
    wanted = [file for file in found if source.file_for(file.name) is not None and not source.ignores(file.name)]
    if not wanted:
        raise UsageError(
            f"{path} holds no file of source {source.name!r}; expected: {source.expected} (plain, .gz, .zst or .zip)"
        )
    folder = home.landing / source.name
    hashes = {file_hash(file): file for file in _files_under(folder)}
    copied: list[str] = []
    already: list[str] = []
    for file in wanted:
        digest = file_hash(file)
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


def pending(home: Home, sources: Mapping[str, Source], lake: Lake) -> list[PendingFile]:
    """Landed files whose content the ledger does not hold, in order of source and name; the same content only once."""
    return _not_in_ledger(look_into_landing(home, sources).files, _ledger_keys(lake))


def look_into_landing(home: Home, sources: Mapping[str, Source]) -> Landed:
    """Every landed file, hashed. Names that start with a dot or end in .part or .tmp are not there yet."""
    known: list[PendingFile] = []
    unknown: list[str] = []
    for file in _files_under(home.landing):
        inside = file.relative_to(home.landing)
        source = sources.get(inside.parts[0]) if len(inside.parts) > 1 else None
        kind = source.file_for(file.name) if source else None
        if source is None or kind is None:
            if source is None or not source.ignores(file.name):
                unknown.append(inside.as_posix())
            continue
        if not source.ignores(file.name):
            known.append(PendingFile(source.name, inside.as_posix(), file, file_hash(file), kind))
    return Landed(tuple(sorted(known, key=lambda file: (file.source, file.source_file))), tuple(sorted(unknown)))


def split_pending(landed: Landed, lake: Lake) -> list[PendingFile]:
    """Of the files in landing, those whose content the ledger does not hold."""
    return _not_in_ledger(landed.files, _ledger_keys(lake))


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, remembered while its size and time of change stay."""
    stat = path.stat()
    return _hash_content(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=4096)
def _hash_content(path: Path, _size: int, _changed_ns: int, _inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    """Finished files at any depth, in order of their paths."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and not file.name.lower().endswith(_UNFINISHED)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.part")
    shutil.copyfile(file, aside)
    aside.rename(target)
