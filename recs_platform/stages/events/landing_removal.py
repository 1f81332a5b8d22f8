"""Landed files rewritten without one person's records; which those are is told by the source's own SQL.

Text files lose lines, Parquet files rows; what is left stays as it came, in its order. The ledger knows the new content
from before it lies there, so that it is not ingested again.
"""
# ruff: noqa: S608 - identifiers come from the contracts, quoted; values are literals built by text_literal
# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import gzip
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import INGESTIONS, TableContract
from recs_platform.lake.column_types import polars_schema
from recs_platform.lake.disk import flush
from recs_platform.stages.events.archives import DAMAGED, UnreadableFileError, members_of, open_packed, unpack
from recs_platform.stages.events.content_hashes import content_hash
from recs_platform.stages.events.failed_records import FAILING, set_failing_aside
from recs_platform.stages.events.forgotten import IS_FORGOTTEN
from recs_platform.stages.events.ingestion import IngestContext, working
from recs_platform.stages.events.landing import PendingFile, look_into_landing
from recs_platform.stages.events.people import Person
from recs_platform.stages.events.pseudonyms import pseudonym_sql
from recs_platform.stages.events.reading import read_records
from recs_platform.stages.events.reading_csv import records_of
from recs_platform.stages.events.records import RAW, UNPARSED, show_records, types_of
from recs_platform.stages.events.sources import SOURCE_TABLES
from recs_platform.stages.events.staging import Staging
from recs_platform.stages.events.validation import checked_select
from recs_platform.stages.events.values import PERSON_IDS
from recs_platform.warehouse.clauses import quoted

_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class LandedRecords:
    """Records of the person in one landed file; `after` is the hash of the file without them, None where it went."""

    source_file: str
    records: int
    before: str
    after: str | None = None


@dataclass(frozen=True)
class LandingRemoval:
    """What landing held of a person. `unread`: files of no source that name them, which are left to their owner."""

    files: tuple[LandedRecords, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True)
class _Search:
    """Whose records are looked for."""

    person: Person
    with_tombstones: bool

    def condition(self, contract: TableContract, stored: Callable[[str], str]) -> str | None:
        """SQL condition of their rows, None where the table names nobody."""
        theirs = self.person.rows_sql(contract.column_names, stored)
        if theirs is None or not self.with_tombstones:
            return theirs
        names = [name for name in PERSON_IDS if name in contract.column_names]
        return " or ".join([theirs, *(f"{IS_FORGOTTEN}({quoted(name)})" for name in names)])


def remove_from_landing(
    context: IngestContext,
    con: duckdb.DuckDBPyConnection,
    person: Person,
    *,
    dry_run: bool,
    note: Callable[[LandedRecords], None],
    with_tombstones: bool = False,
) -> LandingRemoval:
    """Rewrite every landed file that holds records of the person; called under the ingest lock.

    `with_tombstones`: records of ids too that are known by their hash alone, because the person was forgotten before.
    `note` is told of a file before it is replaced. A file that cannot be read, but names the person, is removed.
    """
    landed = look_into_landing(context.home, context.sources)
    search = _Search(person, with_tombstones=with_tombstones)
    found: list[LandedRecords] = []
    with working(context, con) as staging:
        for place, file in enumerate(landed.files, start=1):
            context.progress(f"looking into {file.source_file} ({place} of {len(landed.files)})")
            records = _remove(context, staging, file, search, dry_run=dry_run, note=note)
            found += [] if records is None else [records]
    others = (*landed.unknown, *landed.settling, *landed.markers, *(name for name, _ in landed.rejected))
    unread = [name for name in others if _names(context.home.landing / name, person)]
    return LandingRemoval(tuple(found), tuple(sorted(unread)))


def _remove(
    context: IngestContext,
    staging: Staging,
    file: PendingFile,
    search: "_Search",
    *,
    dry_run: bool,
    note: Callable[[LandedRecords], None],
) -> LandedRecords | None:
    file_format = file.kind.format_of(file.path.name) or "csv"
    try:
        plain = unpack(file.path, staging.scratch.plain)
        raw = read_records(staging.con, plain, file.kind, file_format, staging.scratch, file.source_file)
        theirs, unparsed = _lines_of(staging, file, search)
    except UnreadableFileError:
        return _remove_whole(file, search.person, dry_run=dry_run, note=note)
    aside = staging.scratch.folder / "rewritten"
    if file_format == "parquet":
        gone = len(theirs)
        if gone and not dry_run:
            _rewrite_parquet(plain, aside, theirs)
    else:
        path = raw.path if raw.records else plain
        delimiter = (file.kind.delimiter or ",").encode() if file_format == "csv" else None
        gone = _rewrite_text(path, aside, delimiter, theirs, unparsed, search.person) if theirs or unparsed else 0
    if not gone:
        return None
    if dry_run:
        return LandedRecords(file.source_file, gone, file.file_hash)
    packed = _pack(file.path, aside, staging.scratch.folder / "packed")
    records = LandedRecords(file.source_file, gone, file.file_hash, content_hash(packed))
    note(records)
    _know_content(context, file, str(records.after))
    _replace(file.path, packed)
    return records


def _lines_of(staging: Staging, file: PendingFile, search: "_Search") -> tuple[set[int], set[int]]:
    """Lines that give rows of the person, and lines of which nothing is known: unread, or no row of any table."""
    con, theirs = staging.con, set[int]()
    unread, silent = _numbers(con, f"select {c.LINE_NUMBER} from {UNPARSED}"), list[set[int]]()
    for table in file.kind.tables:
        contract, sql = SOURCE_TABLES[table], staging.sources[file.source].sql[table]
        show_records(con)
        condition = search.condition(contract, _as_stored(staging)) or "false"
        try:
            theirs |= _theirs(staging, table, sql, condition)
        except duckdb.Error:
            set_failing_aside(con, checked_select(contract, sql, types_of(con, f"({sql}\n)"), staging.now))
            unread |= _numbers(con, f"select {c.LINE_NUMBER} from {FAILING}")
            theirs |= _theirs(staging, table, sql, condition)
        silent.append(_silent(staging, table, sql))
    return theirs, unread.union(set.intersection(*silent) if silent else ())


def _silent(staging: Staging, table: str, sql: str) -> set[int]:
    """Lines that give no row of the table."""
    yields = types_of(staging.con, f"({sql}\n)")
    checked = checked_select(SOURCE_TABLES[table], sql, yields, staging.now)
    told = f"select {c.LINE_NUMBER} from ({checked}) where {c.LINE_NUMBER} is not null"
    return _numbers(staging.con, f"select {c.LINE_NUMBER} from {RAW} where {c.LINE_NUMBER} not in ({told})")


def _theirs(staging: Staging, table: str, sql: str, condition: str) -> set[int]:
    yields = types_of(staging.con, f"({sql}\n)")
    checked = checked_select(SOURCE_TABLES[table], sql, yields, staging.now)
    return _numbers(staging.con, f"select distinct {c.LINE_NUMBER} from ({checked}) where {condition}")


def _as_stored(staging: Staging) -> Callable[[str], str]:
    return quoted if staging.privacy.key is None else lambda name: pseudonym_sql(quoted(name))


def _numbers(con: duckdb.DuckDBPyConnection, query: str) -> set[int]:
    return {int(row[0]) for row in con.execute(query).fetchall() if row[0] is not None}


def _rewrite_text(
    path: Path, aside: Path, delimiter: bytes | None, theirs: Collection[int], unparsed: Collection[int], person: Person
) -> int:
    """Copy the records that stay; returns how many do not. Of those that could not be read a word decides."""
    words, gone = person.words(only_telling=False), 0
    with aside.open("wb") as target:
        for number, record in records_of(path, delimiter) if delimiter is not None else _lines(path):
            is_named = number in unparsed and words is not None and words.search(record.decode(errors="replace"))
            if number in theirs or is_named:
                gone += 1
            else:
                target.write(record)
    return gone


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        yield from enumerate(file, start=1)


def _rewrite_parquet(path: Path, aside: Path, theirs: Collection[int]) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    gone, first = np.array(sorted(theirs), dtype=np.int64) - 1, 0
    with pq.ParquetFile(path.resolve()) as source, pq.ParquetWriter(aside, source.schema_arrow) as writer:
        for batch in source.iter_batches():
            stays = np.ones(batch.num_rows, dtype=np.bool_)
            inside = gone[(gone >= first) & (gone < first + batch.num_rows)] - first
            stays[inside] = False
            first += batch.num_rows
            writer.write_batch(batch.filter(pa.array(stays)))


def _pack(original: Path, plain: Path, target: Path) -> Path:
    """The plain file packed as the original is; the same content gives the same bytes."""
    target.unlink(missing_ok=True)
    match original.suffix.lower():
        case ".gz":
            with plain.open("rb") as source, target.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as gz:
                shutil.copyfileobj(source, gz, _CHUNK_BYTES)
        case ".zip":
            with zipfile.ZipFile(original) as archive:
                member = members_of(archive)[0]
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
                # An entry that is given no time has the first that a zip can hold.
                archive.writestr(zipfile.ZipInfo(member), plain.read_bytes(), zipfile.ZIP_DEFLATED)
        case ".zst":
            import pyarrow as pa

            with plain.open("rb") as source, pa.CompressedOutputStream(str(target), "zstd") as packed:
                while chunk := source.read(_CHUNK_BYTES):
                    packed.write(chunk)
        case _:
            plain.replace(target)
    return target


def _know_content(context: IngestContext, file: PendingFile, after: str) -> None:
    """Enter the new content into the ledger, with no row of its own, where the old one is there."""
    if not context.lake.exists(INGESTIONS.name):
        return
    ledger = pl.concat([pl.read_parquet(each) for each in context.lake.files(INGESTIONS.name)], how="diagonal_relaxed")
    theirs = ledger.filter(pl.col(c.FILE_HASH) == file.file_hash)
    known = ledger.filter(pl.col(c.FILE_HASH) == after)[c.CONTRACT_TABLE]
    rows = theirs.filter(~pl.col(c.CONTRACT_TABLE).is_in(known.implode())).with_columns(
        pl.lit(after).alias(c.FILE_HASH),
        pl.lit(file.source_file).alias(c.SOURCE_FILE),
        pl.lit(context.now).alias(c.INGESTED_AT),
        *(pl.lit(0, pl.Int64).alias(column.name) for column in INGESTIONS.columns if column.dtype == "BIGINT"),
    )
    if rows.height:
        schema = polars_schema(INGESTIONS.columns)
        version = context.lake.append(INGESTIONS.name, rows.select(INGESTIONS.column_names).cast(schema))
        context.lake.flush(INGESTIONS.name, version)


def _replace(path: Path, packed: Path) -> None:
    """Put a file in the place of a landed one, whole or not at all; it keeps its age, which orders files."""
    before = path.stat()
    aside = path.with_name(f"{path.name}.tmp")
    shutil.copyfile(packed, aside)
    aside.chmod(before.st_mode & 0o777)
    os.utime(aside, ns=(before.st_atime_ns, before.st_mtime_ns))
    flush((aside,))
    aside.replace(path)
    flush((path.parent,))


def _remove_whole(
    file: PendingFile, person: Person, *, dry_run: bool, note: Callable[[LandedRecords], None]
) -> LandedRecords | None:
    if not _names(file.path, person):
        return None
    records = LandedRecords(file.source_file, 0, file.file_hash)
    if not dry_run:
        note(records)
        file.path.unlink()
    return records


def _names(path: Path, person: Person) -> bool:
    """Whether a file that nobody can read record by record holds one of the person's telling ids."""
    if not person.telling or not path.is_file() or path.is_symlink():
        return False
    wanted = re.compile(rb"(?<!\w)(?:" + b"|".join(re.escape(name.encode()) for name in person.telling) + rb")(?!\w)")
    longest, tail = max(len(name.encode()) for name in person.telling) + 1, b""
    try:
        with open_packed(path) as packed:
            while chunk := packed.read(_CHUNK_BYTES):
                text = tail + bytes(chunk)
                if wanted.search(text):
                    return True
                tail = text[-longest:]
    except (*DAMAGED, UnreadableFileError):
        return wanted.search(path.read_bytes()) is not None
    return False
