"""Landing a data set: which of its files a source reads, what is left out and why, and the copy of the rest.

What lies in landing already is described in `landing`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.stages.events.archives import UnreadableFileError, require_whole
from recs_platform.stages.events.content_hashes import content_hash
from recs_platform.stages.events.file_names import is_hidden, is_marker, is_partition, is_unfinished
from recs_platform.stages.events.raw_files import ZIP_IN_ZIP, RawFile, files_of, is_zip, leads_out, members
from recs_platform.stages.events.sources import DataSource, SourceFile

_ARCHIVES = (".tar", ".tgz", ".7z", ".rar", ".xlsx", ".xls", ".bz2", ".xz")
_NO_ZIP = "it is no whole zip; land a whole copy"
_SHOWN = 5
# By hash of a content and table that it fed: the name of its file in landing, and how many of its rows were rejected.
Ledger = Mapping[tuple[str, str], tuple[str, int]]
Look = Callable[[RawFile, SourceFile], str | None]


@dataclass(frozen=True)
class LandReport:
    """What `land` did, or would do: paths relative to landing; those left out are relative to what was given.

    `ignored` are (name, reason), `others` those of them that a source of other names or columns could read. `markers`
    accompany data: checksums, marks of success, hidden files. `ingested`: content that the ledger holds, not copied;
    `to_replay`: names by which a replay finds what was copied although the ledger holds it: some rows were rejected.
    """

    source: str
    copied: tuple[str, ...]
    already_there: tuple[str, ...]
    ignored: tuple[tuple[str, str], ...]
    markers: tuple[str, ...]
    dry_run: bool
    others: tuple[str, ...] = ()
    ingested: tuple[str, ...] = ()
    to_replay: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sorted:
    """Files of an export: those the source reads, with the path they get below its folder, and those left out."""

    wanted: tuple[tuple[str, RawFile], ...]
    ignored: tuple[tuple[str, str], ...]
    markers: tuple[str, ...]
    others: tuple[str, ...]


def land(
    home: Home,
    source: DataSource,
    path: Path,
    *,
    dry_run: bool,
    look: Look | None = None,
    ledger: Ledger = MappingProxyType({}),
) -> LandReport:
    """Copy a file, or a folder's files at any depth, into the source's landing folder; a zip is taken apart.

    A file whose content lies there already is not copied again; another content under a known name goes into a folder
    named by its hash, so that what came first stays as it came. Nor is one that the `ledger` holds, which would not be
    ingested again, unless it is for a replay: then it is copied to where that looks for it. `look` may find a reason to
    leave a file out. Raises UsageError when `path` is missing or holds nothing the source reads.
    """
    found = sort_files(source, path, look)
    if not found.wanted:
        raise UsageError(_nothing(source, path, found))
    folder = home.landing / source.name
    landed = (file for file in files_of(folder) if file.path.is_file())
    hashes = {content_hash(file.path): file.inside for file in landed if not is_unfinished(file.inside)}
    copied: list[str] = []
    already: list[str] = []
    ingested, to_replay = list[str](), list[str]()
    for inside, file in found.wanted:
        digest = file.digest
        if digest in hashes:
            already.append(f"{source.name}/{hashes[digest]}")
            continue
        known = _known(ledger, digest, source.file_for(inside))
        replayed = [name for name, rejected in known or () if rejected and name.startswith(f"{source.name}/")]
        if known is not None and not replayed:
            ingested.append(file.inside)
            continue
        to_replay.extend(replayed[:1])
        wished = replayed[0].removeprefix(f"{source.name}/") if replayed else inside
        name = f"{digest[:12]}/{wished}" if (folder / wished).exists() or wished in hashes.values() else wished
        hashes[digest] = name
        copied.append(f"{source.name}/{name}")
        if not dry_run:
            file.copy_to(folder / name)
    return LandReport(
        source.name,
        tuple(copied),
        tuple(already),
        found.ignored,
        found.markers,
        dry_run,
        found.others,
        tuple(ingested),
        tuple(to_replay),
    )


def _known(ledger: Ledger, digest: str, kind: SourceFile | None) -> list[tuple[str, int]] | None:
    """What the ledger says of a content, by table that it feeds; None where it lacks one."""
    tables = () if kind is None else kind.tables
    found = [ledger[digest, table] for table in tables if (digest, table) in ledger]
    return found if found and len(found) == len(tables) else None


def sort_files(source: DataSource, path: Path, look: Look | None = None) -> Sorted:
    """What a source reads of a file or folder. Raises UsageError when it is missing."""
    if not path.exists():
        raise UsageError(f"{path} does not exist")
    base = path.parent if path.is_file() else path
    wanted: list[tuple[str, RawFile]] = []
    ignored: list[tuple[str, str]] = []
    markers, others = list[str](), list[str]()
    for file in _apart(source, files_of(path)):
        if is_hidden(file.inside) or is_marker(file.inside):
            markers.append(file.inside)
            continue
        inside, kind = _placed(source, base, file.inside)
        reason = _reason(source, file, kind)
        misfit = look(file, kind) if look and kind and reason is None else None
        if misfit is not None or reason == _no_pattern(source):
            others.append(file.inside)
        reason = reason or misfit or _fault(file)
        if reason is None:
            wanted.append((inside, file))
        else:
            ignored.append((file.inside, reason))
    return Sorted(tuple(wanted), tuple(ignored), tuple(markers), tuple(others))


def _apart(source: DataSource, files: list[RawFile]) -> Iterator[RawFile]:
    """The files, members in the place of each zip, unless it is one packed file that the source knows by its name."""
    for file in files:
        inner = list(members(file)) if is_zip(file) else []
        if not inner or (len(inner) == 1 and source.file_for(file.inside) is not None) or source.ignores(file.inside):
            yield file
        else:
            yield from inner


def _placed(source: DataSource, base: Path, inside: str) -> tuple[str, SourceFile | None]:
    """The path below the source's folder and what it is there; the folder that was given may be what tells it."""
    path = inside
    for folder in (base.absolute(), *base.absolute().parents):
        kind = source.file_for(path)
        if kind is not None:
            return path, kind
        path = f"{folder.name}/{path}"
        if not is_partition(folder.name):
            break
    return (path, kind) if (kind := source.file_for(path)) is not None else (inside, None)


def _reason(source: DataSource, file: RawFile, kind: SourceFile | None) -> str | None:
    """Why a file is not landed, None when it is."""
    name = file.inside
    if leads_out(file):
        return "its name leads out of the zip"
    if not (file.path.is_file() and name.isprintable()):
        return "it is no regular file" if name.isprintable() else "its name holds control characters; rename it"
    if is_unfinished(name):
        return "it is still being written; rename it when it is whole"
    if kind is None or source.ignores(name):
        return f"source {source.name!r} ignores it" if source.ignores(name) else _no_kind(source, file)
    return "it is empty" if file.size == 0 else None


def _no_kind(source: DataSource, file: RawFile) -> str:
    name = file.inside.lower()
    if name.endswith(_ARCHIVES):
        return "it is packed in a way that is not read; unpack it, to csv, JSON lines or Parquet"
    if name.endswith(".zip") and file.member is not None:
        return ZIP_IN_ZIP
    if name.endswith(".zip"):
        return "the zip holds no file" if is_zip(file) else _NO_ZIP
    return _no_pattern(source)


def _no_pattern(source: DataSource) -> str:
    return f"no file pattern of source {source.name!r} fits: {source.expected}"


def _fault(file: RawFile) -> str | None:
    """Why a file cannot be read to its end, None when it can; of a zip that is landed as it is, its one member."""
    if file.member is None and file.path.suffix.lower() == ".zip" and not is_zip(file):
        return _NO_ZIP
    try:
        for each in (file, *(members(file) if is_zip(file) else ())):
            _ = each.digest
            with each.open() as content:
                require_whole(content, PurePosixPath(each.inside).suffix.lower())
    except UnreadableFileError as error:
        return str(error)
    return None


def _nothing(source: DataSource, path: Path, found: Sorted) -> str:
    listed = "; ".join(f"{name}: {reason}" for name, reason in found.ignored[:_SHOWN])
    more = f"; and {len(found.ignored) - _SHOWN} more" if len(found.ignored) > _SHOWN else ""
    left = f" Left out: {listed}{more}." if listed else ""
    # No other source reads what is cut, empty or packed.
    advice = f" `recs source new NAME {path}` writes a source for other files" if found.others or not listed else ""
    return (
        f"{path} holds no file that source {source.name!r} reads; expected: {source.expected} (plain, .gz, .zst or "
        f".zip).{left}{advice}"
    )
