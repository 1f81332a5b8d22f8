"""Landed files rewritten without one person's records; which those are is told by the source's own SQL.

Text files lose lines, Parquet files rows; what is left stays as it came, in its order. The ledger knows the new content
from before it lies there, so that it is not ingested again.
"""
# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import INGESTIONS
from recs_platform.lake.column_types import polars_schema
from recs_platform.stages.events.archives import UnreadableFileError, unpack
from recs_platform.stages.events.content_hashes import content_hash
from recs_platform.stages.events.ingestion import IngestContext, working
from recs_platform.stages.events.landing import PendingFile, look_into_landing
from recs_platform.stages.events.people import Person
from recs_platform.stages.events.persons_records import Search, lines_of
from recs_platform.stages.events.reading import read_records
from recs_platform.stages.events.rewritten_files import (
    holds_ids,
    pack,
    replace_file,
    rewrite_parquet,
    rewrite_text,
)
from recs_platform.stages.events.staging import Staging


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
    search = Search(person, with_tombstones=with_tombstones)
    found: list[LandedRecords] = []
    with working(context, con) as staging:
        for place, file in enumerate(landed.files, start=1):
            context.progress(f"looking into {file.source_file} ({place} of {len(landed.files)})")
            records = _remove(context, staging, file, search, dry_run=dry_run, note=note)
            found += [] if records is None else [records]
    others = (*landed.unknown, *landed.settling, *landed.markers, *(name for name, _ in landed.rejected))
    unread = [name for name in others if holds_ids(context.home.landing / name, person)]
    return LandingRemoval(tuple(found), tuple(sorted(unread)))


def _remove(
    context: IngestContext,
    staging: Staging,
    file: PendingFile,
    search: Search,
    *,
    dry_run: bool,
    note: Callable[[LandedRecords], None],
) -> LandedRecords | None:
    file_format = file.kind.format_of(file.path.name) or "csv"
    try:
        plain = unpack(file.path, staging.scratch.plain)
        raw = read_records(staging.con, plain, file.kind, file_format, staging.scratch, file.source_file)
        theirs, unparsed = lines_of(staging, file, search)
    except UnreadableFileError:
        return _remove_whole(file, search.person, dry_run=dry_run, note=note)
    aside = staging.scratch.folder / "rewritten"
    if file_format == "parquet":
        gone = len(theirs)
        if gone and not dry_run:
            rewrite_parquet(plain, aside, theirs)
    else:
        path = raw.path if raw.records else plain
        delimiter = (file.kind.delimiter or ",").encode() if file_format == "csv" else None
        gone = rewrite_text(path, aside, delimiter, theirs, unparsed, search.person) if theirs or unparsed else 0
    if not gone:
        return None
    if dry_run:
        return LandedRecords(file.source_file, gone, file.file_hash)
    packed = pack(file.path, aside, staging.scratch.folder / "packed")
    records = LandedRecords(file.source_file, gone, file.file_hash, content_hash(packed))
    note(records)
    _know_content(context, file, str(records.after))
    replace_file(file.path, packed)
    return records


def _remove_whole(
    file: PendingFile, person: Person, *, dry_run: bool, note: Callable[[LandedRecords], None]
) -> LandedRecords | None:
    if not holds_ids(file.path, person):
        return None
    records = LandedRecords(file.source_file, 0, file.file_hash)
    if not dry_run:
        note(records)
        file.path.unlink()
    return records


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
