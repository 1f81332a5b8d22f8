"""Taking landing in: every file not taken in yet becomes part of one sealed batch, each row decided once.

How files are read, rows checked and repeats found is told by the modules beside this one.
"""
# ruff: noqa: S608 - identifiers come from the contracts, quoted; values are literals built by text_literal

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError, ModelError, RecsError
from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import BATCH_TABLES, INGESTIONS, QUARANTINE, TableContract
from recs_platform.lake.batches import next_number, open_batch, recover
from recs_platform.lake.locks import exclusive
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.deciding import HISTORIES, decide, staged, write_appended, write_catalogue
from recs_platform.stages.events.landing import PendingFile, look_into_landing, split_pending
from recs_platform.stages.events.reading import RAW, UNPARSED, Scratch, raw_columns, read_records
from recs_platform.stages.events.sources import SOURCE_TABLES, Source
from recs_platform.stages.events.unpacking import UnreadableFileError, unpack
from recs_platform.stages.events.validation import FILE_ORDER, reason_case, staging_select
from recs_platform.warehouse.clauses import instant_literal, quoted, text_literal

LOCK = "ingest"
_CONTRACTS = {contract.table: contract for contract in BATCH_TABLES}


@dataclass(frozen=True)
class FileCounts:
    """What became of one file's rows in one table; rows_read = accepted + quarantined + duplicate."""

    source: str
    source_file: str
    file_hash: str
    contract_table: str
    raw_records: int = 0
    rows_read: int = 0
    rows_accepted: int = 0
    rows_quarantined: int = 0
    rows_duplicate: int = 0
    unreadable: str | None = None


@dataclass(frozen=True)
class IngestReport:
    """What one ingestion did: `batch` is None when nothing was new, `recovered` are batches finished for a dead run."""

    batch: int | None
    files: tuple[FileCounts, ...]
    recovered: tuple[int, ...]
    unknown_files: tuple[str, ...]

    @property
    def is_nothing_new(self) -> bool:
        return self.batch is None

    @property
    def totals(self) -> dict[str, FileCounts]:
        """Sums by contract table, in the order of SOURCE_TABLES."""
        return {
            table: _summed(table, counts)
            for table in SOURCE_TABLES
            if (counts := [file for file in self.files if file.contract_table == table])
        }


@dataclass
class _Door:
    """One ingestion under way: the connection, where staged rows lie, and what is known of each file so far."""

    con: duckdb.DuckDBPyConnection
    lake: Lake
    sources: Mapping[str, Source]
    scratch: Scratch
    now: datetime
    counts: dict[tuple[int, str], FileCounts]
    staged: dict[str, list[Path]]


def ingest(
    home: Home,
    lake: Lake,
    sources: Mapping[str, Source],
    con: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    progress: Callable[[str], None],
) -> IngestReport:
    """Take in every landed file whose content is not in the ledger, exactly once, as one batch.

    Finishes batches of dead runs first. Waits for another ingestion to end, telling `progress` so. `now` becomes
    ingested_at where the source gives none, and valid_from. All raw tables exist afterwards, once anything was taken
    in. Raises ModelError when a source's SQL is wrong; then nothing is written.
    """
    with exclusive(home.locks / LOCK, on_wait=progress):
        recovered = tuple(recover(home.batches, lake, _CONTRACTS))
        landed = look_into_landing(home, sources)
        if landed.unknown:
            progress(f"warning: no source knows {', '.join(landed.unknown)}; left where they are")
        files = split_pending(landed, lake)
        if not files:
            progress("nothing new in landing")
            return IngestReport(None, (), recovered, landed.unknown)
        scratch = Scratch(home.temporary / LOCK)
        shutil.rmtree(scratch.folder, ignore_errors=True)
        scratch.folder.mkdir(parents=True)
        try:
            # A cursor of its own: its temporary tables go when it closes.
            with closing(con.cursor()) as cursor:
                cursor.execute("set TimeZone = 'UTC'")
                door = _Door(cursor, lake, sources, scratch, now, {}, {table: [] for table in SOURCE_TABLES})
                number = next_number(lake)
                with open_batch(home.batches, number) as folder:
                    _write_batch(door, files, folder, progress)
        finally:
            shutil.rmtree(scratch.folder, ignore_errors=True)
        recover(home.batches, lake, _CONTRACTS)
        return IngestReport(number, tuple(door.counts.values()), recovered, landed.unknown)


def _write_batch(door: _Door, files: Sequence[PendingFile], folder: Path, progress: Callable[[str], None]) -> None:
    quarantine = ", ".join(f"{quoted(column.name)} {column.dtype}" for column in QUARANTINE.columns)
    door.con.execute(f"create temp table quarantined ({quarantine})")
    door.con.execute(f"create temp table batch_files ({FILE_ORDER} integer, {c.FILE_HASH} varchar, {c.SOURCE} varchar)")
    for order, file in enumerate(files):
        progress(f"reading {file.source_file} ({order + 1} of {len(files)})")
        before = file.path.stat()
        door.con.execute("insert into batch_files values ($1, $2, $3)", [order, file.file_hash, file.source])
        _take_in(door, order, file)
        after = file.path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise RecsError(f"{file.source_file} changed while it was read; nothing was taken in, run again")
    progress("finding duplicates")
    for table, contract in SOURCE_TABLES.items():
        _write_table(door, contract, door.staged[table], folder)
    _write_unless_empty(door, QUARANTINE, "quarantined", folder)
    _write_ledger(door, folder)


def _take_in(door: _Door, order: int, file: PendingFile) -> None:
    """Stage one file's rows for every table it feeds; a file that cannot be read becomes one quarantined row."""
    for table in file.kind.tables:
        door.counts[order, table] = FileCounts(file.source, file.source_file, file.file_hash, table)
    file_format = file.kind.format_of(file.path.name)
    if file_format is None:
        raise ModelError(f"{file.source_file}: the format of this file is not known; write it into source.yml")
    try:
        plain = unpack(file.path, door.scratch.plain)
        records = read_records(door.con, plain, file.kind, file_format, door.scratch)
    except UnreadableFileError as error:
        _quarantine_file(door, order, file, str(error))
        return
    for table in file.kind.tables:
        _stage(door, order, file, SOURCE_TABLES[table])
        door.counts[order, table] = replace(door.counts[order, table], raw_records=records)
    _quarantine_records(door, order, file)


def _stage(door: _Door, order: int, file: PendingFile, contract: TableContract) -> None:
    source = door.sources[file.source]
    sql = source.sql[contract.table]
    target = door.scratch.folder / f"{contract.table}-{order}.parquet"
    try:
        yields = {str(row[0]): str(row[1]) for row in door.con.execute(f"describe {sql}").fetchall()}
        select = staging_select(contract, sql, yields, source=source.name, file_order=order, now=door.now)
        door.con.execute(f"copy ({select}) to {text_literal(str(target))} (format parquet)")
    except (duckdb.Error, ModelError) as error:
        where = f"{source.folder / f'{contract.table}.sql'} on {file.source_file}"
        raise ModelError(f"{where}: {str(error).splitlines()[0]}") from error
    door.staged[contract.table].append(target)
    rows = f"read_parquet({text_literal(str(target))})"
    refused = (
        f"select s.{c.LINE_NUMBER}, s.{c.REASON_CODE}, {reason_case(contract, door.now)} as {c.REASON}, "
        f"to_json({raw_columns(file.kind)}) as {c.PAYLOAD} "
        f"from {rows} as s left join {RAW} as r using ({c.LINE_NUMBER}) where s.{c.REASON_CODE} is not null"
    )
    read = _count(door, f"select count(*) from {rows}")
    count = _quarantine(door, file, contract.table, refused)
    door.counts[order, contract.table] = replace(
        door.counts[order, contract.table], rows_read=read, rows_quarantined=count
    )


def _quarantine_records(door: _Door, order: int, file: PendingFile) -> None:
    """Records that could not be parsed or gave no row count with the first table that the file feeds."""
    table = file.kind.tables[0]
    paths = ", ".join(text_literal(str(door.staged[name][-1])) for name in file.kind.tables)
    silent = (
        f"select r.{c.LINE_NUMBER}, 'no_contract_row', 'the source SQL gave no row for this record', "
        f"to_json({raw_columns(file.kind)}) from {RAW} as r "
        f"anti join (select {c.LINE_NUMBER} from read_parquet([{paths}], union_by_name = true)) using ({c.LINE_NUMBER})"
    )
    lost = _quarantine(door, file, table, f"from {UNPARSED}") + _quarantine(door, file, table, silent)
    counts = door.counts[order, table]
    door.counts[order, table] = replace(
        counts, rows_read=counts.rows_read + lost, rows_quarantined=counts.rows_quarantined + lost
    )


def _quarantine_file(door: _Door, order: int, file: PendingFile, reason: str) -> None:
    for table in file.kind.tables:
        _quarantine(door, file, table, f"select null::bigint, 'unreadable_file', {text_literal(reason)}, null::varchar")
        door.counts[order, table] = replace(
            door.counts[order, table], raw_records=1, rows_read=1, rows_quarantined=1, unreadable=reason
        )


def _quarantine(door: _Door, file: PendingFile, table: str, refused: str) -> int:
    """Add rows (line_number, reason_code, reason, payload) to the quarantine; returns how many."""
    before = _count(door, "select count(*) from quarantined")
    door.con.execute(
        f"insert into quarantined select {text_literal(file.file_hash)}, {text_literal(file.source_file)}, "
        f"q.line_number, {text_literal(table)}, q.reason_code, q.reason, q.payload, {instant_literal(door.now)} "
        f"from ({refused}) as q(line_number, reason_code, reason, payload) order by q.line_number, q.reason_code"
    )
    return _count(door, "select count(*) from quarantined") - before


def _write_table(door: _Door, contract: TableContract, paths: Sequence[Path], folder: Path) -> None:
    rows = staged(contract, paths)
    repeats = decide(door.con, door.lake, contract, rows)
    duplicates = dict(
        door.con.execute(f"select {FILE_ORDER}, count(*) from {repeats} group by {FILE_ORDER}").fetchall()
    )
    taken = 0
    for (order, table), counts in door.counts.items():
        if table == contract.table:
            duplicate = int(duplicates.get(order, 0))
            accepted = counts.rows_read - counts.rows_quarantined - duplicate
            door.counts[order, table] = replace(counts, rows_accepted=accepted, rows_duplicate=duplicate)
            taken += accepted
    if contract.name in HISTORIES:
        if taken or not door.lake.exists(contract.name):
            write_catalogue(door.con, door.lake, contract, rows, repeats, folder=folder, now=door.now)
        return
    if taken or not door.lake.exists(contract.name):
        target = folder / f"{contract.table}.parquet"
        write_appended(door.con, contract, rows, repeats, target)
        written = _count(door, f"select count(*) from read_parquet({text_literal(str(target))})")
        if written != taken:
            raise ContractError(f"{written} rows of {contract.name} were written, the ledger says {taken}")


def _write_unless_empty(door: _Door, contract: TableContract, relation: str, folder: Path) -> None:
    """A batch adds nothing to a table that exists and gets no rows: its version stays."""
    if _count(door, f"select count(*) from {relation}") or not door.lake.exists(contract.name):
        target = text_literal(str(folder / f"{contract.table}.parquet"))
        door.con.execute(f"copy {relation} to {target} (format parquet)")


def _write_ledger(door: _Door, folder: Path) -> None:
    columns = ", ".join(f"{quoted(column.name)} {column.dtype}" for column in INGESTIONS.columns)
    door.con.execute(f"create temp table ledger ({columns})")
    for file in door.counts.values():
        door.con.execute(
            "insert into ledger values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10)",
            [
                file.file_hash, file.source_file, file.source, file.contract_table, file.raw_records, file.rows_read,
                file.rows_accepted, file.rows_quarantined, file.rows_duplicate, door.now,
            ],
        )  # fmt: skip
    _write_unless_empty(door, INGESTIONS, "ledger", folder)


def _count(door: _Door, query: str) -> int:
    return int(door.con.execute(query).fetchall()[0][0])


def _summed(table: str, counts: Sequence[FileCounts]) -> FileCounts:
    return FileCounts(
        "", "", "", table,
        raw_records=sum(file.raw_records for file in counts),
        rows_read=sum(file.rows_read for file in counts),
        rows_accepted=sum(file.rows_accepted for file in counts),
        rows_quarantined=sum(file.rows_quarantined for file in counts),
        rows_duplicate=sum(file.rows_duplicate for file in counts),
    )  # fmt: skip
