"""One landed file into staged rows: read, checked, written in the form they are stored in, or rejected with a reason.

What is a repeat, and which rows reach the lake, is decided in `deduplication` once every file is staged.
"""
# ruff: noqa: S608 - identifiers come from the contracts, quoted; values are literals built by text_literal

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ModelError
from recs_platform.contracts.tables import TableContract
from recs_platform.stages.events.archives import UnreadableFileError, unpack
from recs_platform.stages.events.disk_errors import raise_disk_full
from recs_platform.stages.events.failed_records import FAILING, is_of_data, set_failing_aside
from recs_platform.stages.events.landing import PendingFile, file_state
from recs_platform.stages.events.ledger import FileCounts
from recs_platform.stages.events.macros import MACROS
from recs_platform.stages.events.privacy import ALL, Privacy, dropped_attributes_sql
from recs_platform.stages.events.quarantined_rows import forget_quarantined, quarantine_records, quarantine_rows
from recs_platform.stages.events.reading import RawCounts, read_records, require_whole
from recs_platform.stages.events.records import RAW, UNPARSED, Scratch, numbers_of, show_records, types_of
from recs_platform.stages.events.source_sql import source_fault
from recs_platform.stages.events.sources import SOURCE_TABLES, DataSource
from recs_platform.stages.events.validation import (
    Origin,
    accepted_select,
    checked_select,
    filters_where_they_stand,
    reason_case,
)
from recs_platform.warehouse.clauses import text_literal
from recs_platform.warehouse.row_shape import is_row_by_row

_FAILED = "failed_records"


@dataclass(frozen=True)
class StagedFile:
    """Valid rows of one file for one table, as they are stored, in the order of the file."""

    order: int
    path: Path
    rows: int


@dataclass
class Staging:
    """An ingestion under way: where rows are staged, and what is known of each file so far."""

    con: duckdb.DuckDBPyConnection
    sources: Mapping[str, DataSource]
    scratch: Scratch
    now: datetime
    privacy: Privacy
    counts: dict[tuple[int, str], FileCounts] = field(default_factory=dict[tuple[int, str], FileCounts])
    staged: dict[str, list[StagedFile]] = field(
        default_factory=lambda: {table: list[StagedFile]() for table in SOURCE_TABLES}
    )
    unfinished: list[str] = field(default_factory=list[str])

    def forget(self) -> None:
        """Drop everything that was staged, to begin anew."""
        self.counts.clear()
        self.staged = {table: list[StagedFile]() for table in SOURCE_TABLES}
        self.unfinished.clear()


def stage_file(staging: Staging, order: int, file: PendingFile) -> None:
    """Stage one file's rows for every table that it feeds.

    A file that cannot be read becomes one quarantined row. One that changed since its content was hashed leaves
    nothing behind and is named in `unfinished`. Raises ModelError when the source's SQL is wrong.
    """
    try:
        _read_and_stage(staging, order, file)
    except UnreadableFileError as error:
        _drop(staging, order, file)
        _quarantine_file(staging, order, file, str(error))
    if _is_changed(file):
        _drop(staging, order, file)
        staging.unfinished.append(file.source_file)


def _read_and_stage(staging: Staging, order: int, file: PendingFile) -> None:
    file_format = file.kind.format_of(file.path.name)
    if file_format is None:
        raise ModelError(f"{file.source_file}: the format of this file is not known; write it into source.yml")
    try:
        plain = unpack(file.path, staging.scratch.plain)
    except OSError as error:
        raise_disk_full(error)
        raise UnreadableFileError(f"the file cannot be read: {error.strerror}") from error
    raw = read_records(staging.con, plain, file.kind, file_format, staging.scratch, file.source_file)
    staging.con.execute(f"create or replace temp table {_FAILED} ({c.LINE_NUMBER} bigint)")
    may_be_silent = True
    for table in file.kind.tables:
        sql = staging.sources[file.source].sql[table]
        may_be_silent = may_be_silent and not is_row_by_row(sql, RAW, MACROS)
        show_records(staging.con)
        _stage(staging, order, file, SOURCE_TABLES[table], raw)
    _quarantine_records(staging, order, file, raw, may_be_silent=may_be_silent)


def _stage(staging: Staging, order: int, file: PendingFile, contract: TableContract, raw: RawCounts) -> None:
    """Write the valid rows of one table, refuse the others; records on which the SQL fails are rejected first."""
    try:
        _write_valid(staging, order, file, contract, raw, failed=0)
    except duckdb.Error as error:
        rows = _require_data_at_fault(staging, file, contract, error)
        failed = set_failing_aside(staging.con, rows)
        staging.con.execute(f"insert into {_FAILED} select {c.LINE_NUMBER} from {FAILING}")
        _quarantine_looked_up(
            staging,
            file,
            contract.table,
            raw,
            f"select {c.LINE_NUMBER}, 'source_sql_failed', 'the SQL of the source fails on it: ' || message, null "
            f"from {FAILING}",
        )
        try:
            _write_valid(staging, order, file, contract, raw, failed=failed)
        except duckdb.Error as again:
            _require_data_at_fault(staging, file, contract, again)
            raise UnreadableFileError(f"the SQL of the source fails on the file: {_first_line(again)}") from again


def _require_data_at_fault(staging: Staging, file: PendingFile, contract: TableContract, error: duckdb.Error) -> str:
    """The select of all typed rows, on which the SQL failed. Raises what is not to be blamed on the file's values."""
    raise_disk_full(error)
    require_whole(staging.con)
    source = staging.sources[file.source]
    if fault := source_fault(source):
        raise ModelError(f"{fault}; met on {file.source_file}") from error
    if not is_of_data(error):
        raise error
    try:
        sql = source.sql[contract.table]
        return checked_select(contract, sql, types_of(staging.con, f"({sql}\n)"), staging.now)
    except duckdb.Error as unsuited:
        raise UnreadableFileError(f"the types of its columns do not suit: {_first_line(unsuited)}") from unsuited


def _write_valid(
    staging: Staging, order: int, file: PendingFile, contract: TableContract, raw: RawCounts, *, failed: int
) -> None:
    con, source = staging.con, staging.sources[file.source]
    sql = source.sql[contract.table]
    target = staging.scratch.folder / f"{contract.table}-{order}.parquet"
    yields = types_of(con, f"({sql}\n)")
    try:
        checked = checked_select(contract, sql, yields, staging.now)
    except ModelError as error:
        raise ModelError(f"{source.folder / f'{contract.table}.sql'} on {file.source_file}: {error}") from error
    origin = Origin(source.name, file.file_hash, staging.now)
    as_it_comes = is_row_by_row(sql, RAW, MACROS)
    rows = accepted_select(
        contract, checked, yields, origin, staging.privacy, is_sorted=not (as_it_comes and raw.in_order)
    )
    with filters_where_they_stand(con):
        valid = int(con.execute(f"copy ({rows}) to {text_literal(str(target))} (format parquet)").fetchall()[0][0])
    read = raw.shown - failed if as_it_comes else numbers_of(con, f"select count(*) from ({sql}\n)")[0]
    dropped = _dropped_attributes(staging, contract, checked)
    if valid < read:
        _quarantine_refused(staging, file, contract, raw, checked)
    staging.staged[contract.table].append(StagedFile(order, target, valid))
    staging.counts[order, contract.table] = FileCounts(
        file.source,
        file.source_file,
        file.file_hash,
        contract.table,
        raw_records=raw.records,
        rows_read=read + failed,
        rows_quarantined=read + failed - valid,
        attributes_dropped=dropped,
    )


def _quarantine_refused(
    staging: Staging, file: PendingFile, contract: TableContract, raw: RawCounts, checked: str
) -> None:
    _quarantine_looked_up(
        staging,
        file,
        contract.table,
        raw,
        f"select {c.LINE_NUMBER}, {c.REASON_CODE}, {reason_case(contract, staging.now)}, null from ({checked}) "
        f"where {c.REASON_CODE} is not null",
    )


def _quarantine_looked_up(staging: Staging, file: PendingFile, table: str, raw: RawCounts, rejected: str) -> int:
    is_hidden = staging.privacy.key is not None
    return quarantine_records(staging.con, file, table, rejected, staging.now, path=raw.path, is_hidden=is_hidden)


def _dropped_attributes(staging: Staging, contract: TableContract, checked: str) -> int:
    allowed = staging.privacy.allowed_attributes(contract.name)
    if c.ATTRIBUTES not in contract.column_names or ALL in allowed:
        return 0
    dropped = dropped_attributes_sql(c.ATTRIBUTES, allowed)
    query = f"select coalesce(sum({dropped}), 0) from ({checked}) where {c.REASON_CODE} is null"
    return numbers_of(staging.con, query)[0]


def _quarantine_records(
    staging: Staging, order: int, file: PendingFile, raw: RawCounts, *, may_be_silent: bool
) -> None:
    """Records that could not be parsed or gave no row count with the first table that the file feeds."""
    table = file.kind.tables[0]
    lost = _quarantine_looked_up(
        staging, file, table, raw, f"select {c.LINE_NUMBER}, {c.REASON_CODE}, {c.REASON}, {c.PAYLOAD} from {UNPARSED}"
    )
    if may_be_silent:
        show_records(staging.con, where=f"{c.LINE_NUMBER} not in (select {c.LINE_NUMBER} from {_FAILED})")
        given = " union all ".join(
            f"select {c.LINE_NUMBER} from ({staging.sources[file.source].sql[name]}\n)" for name in file.kind.tables
        )
        lost += _quarantine_looked_up(
            staging,
            file,
            table,
            raw,
            f"select r.{c.LINE_NUMBER}, 'no_contract_row', 'the source SQL gave no row for this record', null "
            f"from {RAW} as r anti join ({given}) using ({c.LINE_NUMBER})",
        )
    counts = staging.counts[order, table]
    staging.counts[order, table] = replace(
        counts, rows_read=counts.rows_read + lost, rows_quarantined=counts.rows_quarantined + lost
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0]


def _quarantine_file(staging: Staging, order: int, file: PendingFile, reason: str) -> None:
    for table in file.kind.tables:
        row = f"select null::bigint, 'unreadable_file', {text_literal(reason)}, null::varchar"
        quarantine_rows(staging.con, file, table, row, staging.now)
        staging.counts[order, table] = FileCounts(
            file.source,
            file.source_file,
            file.file_hash,
            table,
            raw_records=1,
            rows_read=1,
            rows_quarantined=1,
            unreadable=reason,
        )


def _drop(staging: Staging, order: int, file: PendingFile) -> None:
    """Forget everything of a file."""
    for table in file.kind.tables:
        staging.counts.pop((order, table), None)
        staging.staged[table] = [staged for staged in staging.staged[table] if staged.order != order]
    forget_quarantined(staging.con, file)


def _is_changed(file: PendingFile) -> bool:
    try:
        return file_state(file.path) != file.state
    except OSError:
        return True
