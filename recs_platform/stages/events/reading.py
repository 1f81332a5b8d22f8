"""One raw file as the DuckDB view `raw_records`, with the records that could not be parsed beside it.

What the records mean is the source SQL's matter; whether its rows are valid is decided in `validation`.
"""
# ruff: noqa: S608 - identifiers come from source.yml or this module, quoted; values are literals built by text_literal

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.stages.events.counting import TextLayout, scan_text
from recs_platform.stages.events.numbering import RECORD, number_lines
from recs_platform.stages.events.sources import AS_IT_COMES, FileFormat, SourceFile
from recs_platform.stages.events.unpacking import UnreadableFileError
from recs_platform.warehouse.clauses import quoted, text_literal

RAW = "raw_records"
UNPARSED = "unparsed"
_PARSED = "parsed"
_REJECTS = "csv_rejects"
_SCANS = "csv_scans"
# JSON holds no control characters, so this one never separates anything within a line.
_NO_DELIMITER = "\x01"


@dataclass(frozen=True)
class Scratch:
    """Where a file's parsed records are kept while it is taken in."""

    folder: Path

    @property
    def parsed(self) -> str:
        return str(self.folder / "parsed.parquet")

    @property
    def numbered(self) -> str:
        return str(self.folder / "numbered.parquet")

    @property
    def plain(self) -> Path:
        return self.folder / "plain"


def read_records(
    con: duckdb.DuckDBPyConnection, path: Path, kind: SourceFile, file_format: FileFormat, scratch: Scratch
) -> int:
    """Make the view `raw_records` and the table `unparsed` from one plain (decompressed) file.

    `raw_records` holds `line_number` BIGINT and the declared columns, NULL where the file has none; `unparsed` holds
    line_number, reason_code, reason, payload. Returns the number of records in the file, counted independently of the
    reader. Raises UnreadableFileError when the file cannot be read as a whole or records went missing on the way.
    """
    con.execute(f"drop view if exists {RAW}")
    con.execute(f"drop table if exists {UNPARSED}")
    con.execute(
        f"create temp table {UNPARSED} ({c.LINE_NUMBER} bigint, {c.REASON_CODE} varchar, {c.REASON} varchar, "
        f"{c.PAYLOAD} varchar)"
    )
    try:
        records = _READERS[file_format](con, path, kind, scratch)
        _require_all_read(con, records)
    except (duckdb.InvalidInputException, duckdb.IOException, duckdb.SerializationException) as error:
        raise UnreadableFileError(f"not a readable {file_format} file: {_first_line(error)}") from error
    return records


def raw_columns(kind: SourceFile) -> str:
    """The declared columns of one raw record as a DuckDB struct, for a payload."""
    fields = ", ".join(f"{text_literal(name)}: r.{quoted(name)}" for name in kind.columns)
    return f"{{{fields}}}"


def _read_csv(con: duckdb.DuckDBPyConnection, path: Path, kind: SourceFile, scratch: Scratch) -> int:
    layout = scan_text(path, quoted=True)
    header = _header(path) if layout.records else []
    if not header:
        _no_records(con, kind)
        return 0
    _require_columns(kind, header)
    # Names from a file never become identifiers: the reader knows its columns by number.
    types = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(header)))
    places = {name.casefold(): place for place, name in enumerate(header)}
    picked = ", ".join(
        f"c{places[name.casefold()]} as {quoted(name)}" for name in kind.columns if name.casefold() in places
    )
    _copy_with_rejects(
        con,
        f"select {picked} from read_csv({text_literal(str(path))}, header = true, auto_detect = false, delim = ',', "
        f"quote = '\"', escape = '\"', columns = {{{types}}}, store_rejects = true, "
        f"rejects_table = '{_REJECTS}', rejects_scan = '{_SCANS}')",
        scratch,
    )
    _keep_rejects(con, layout.continued)
    _number_parsed(con, scratch, {1, *layout.blank, *_rejected_places(con)}, layout.continued)
    _show(con, kind, list(places))
    return layout.records - 1


def _read_jsonl(con: duckdb.DuckDBPyConnection, path: Path, kind: SourceFile, scratch: Scratch) -> int:
    layout = scan_text(path, quoted=False)
    if not layout.records:
        _no_records(con, kind)
        return 0
    if not _read_clean_jsonl(con, path, kind, scratch, layout):
        _read_jsonl_by_line(con, path, kind, scratch)
    _show(con, kind, list(kind.columns))
    return layout.records


def _read_clean_jsonl(
    con: duckdb.DuckDBPyConnection, path: Path, kind: SourceFile, scratch: Scratch, layout: TextLayout
) -> bool:
    """Read at full speed; False when a record came out empty or missing, which is how the reader passes bad ones."""
    types = ", ".join(f"{text_literal(name)}: 'VARCHAR'" for name in kind.columns)
    try:
        con.execute(
            f"copy (select * from read_json({text_literal(str(path))}, format = 'newline_delimited', "
            f"columns = {{{types}}}, ignore_errors = true)) to {text_literal(scratch.parsed)} (format parquet)"
        )
    except duckdb.InvalidInputException:
        return False
    nothing = " and ".join(f"{quoted(name)} is null" for name in kind.columns)
    file = f"read_parquet({text_literal(scratch.parsed)})"
    found = _numbers_of(con, f"select count(*), count(*) filter ({nothing}) from {file}")
    if found != (layout.records, 0):
        return False
    _number_parsed(con, scratch, layout.blank, ())
    return True


def _read_jsonl_by_line(con: duckdb.DuckDBPyConnection, path: Path, kind: SourceFile, scratch: Scratch) -> None:
    """Read line by line: half as fast, but every bad line is known by its number and kept as it came."""
    _copy_with_rejects(
        con,
        f"select line from read_csv({text_literal(str(path))}, header = false, auto_detect = false, "
        f"delim = '{_NO_DELIMITER}', quote = '', escape = '', columns = {{'line': 'VARCHAR'}}, store_rejects = true, "
        f"rejects_table = '{_REJECTS}', rejects_scan = '{_SCANS}')",
        scratch,
    )
    _keep_rejects(con, ())
    _number_parsed(con, scratch, _rejected_places(con), ())
    con.execute(
        f"create or replace temp table json_lines as select {c.LINE_NUMBER}, line, "
        f"json_valid(line) and coalesce(json_type(try_cast(line as json)), '') = 'OBJECT' as is_record "
        f"from {_PARSED} where trim(line, e' \\t\\r') <> ''"
    )
    con.execute(
        f"insert into {UNPARSED} select {c.LINE_NUMBER}, 'bad_json', 'the line is not a JSON object', line "
        f"from json_lines where not is_record"
    )
    shape = "{" + ", ".join(f'"{name}": "VARCHAR"' for name in kind.columns) + "}"
    con.execute(
        f"copy (with records as (select {c.LINE_NUMBER}, from_json(line, {text_literal(shape)}) as record "
        f"from json_lines where is_record) select {c.LINE_NUMBER}, unnest(record) from records) "
        f"to {text_literal(scratch.numbered)} (format parquet)"
    )
    con.execute("drop table json_lines")
    con.execute(
        f"create or replace temp view {_PARSED} as select * from read_parquet({text_literal(scratch.numbered)})"
    )


def _read_parquet(con: duckdb.DuckDBPyConnection, path: Path, kind: SourceFile, scratch: Scratch) -> int:
    if path.stat().st_size == 0:
        _no_records(con, kind)
        return 0
    file = text_literal(str(path))
    present = [str(row[0]) for row in con.execute(f"describe select * from read_parquet({file})").fetchall()]
    _require_columns(kind, present)
    names = {name.casefold() for name in present}
    picked = ", ".join(quoted(name) for name in kind.columns if name.casefold() in names)
    # Copied before it is used: a damaged page must show before a row of it is accepted.
    con.execute(f"copy (select {picked} from read_parquet({file})) to {text_literal(scratch.parsed)} (format parquet)")
    _number_parsed(con, scratch, (), ())
    _show(con, kind, list(names))
    return _numbers_of(con, f"select coalesce(sum(num_rows), 0) from parquet_file_metadata({file})")[0]


_READERS = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}


def _header(path: Path) -> list[str]:
    try:
        # Decoded line by line: bad bytes further down are the rejects' matter, not the header's.
        with path.open("rb") as file:
            rows = csv.reader(line.decode("utf-8-sig") for line in file)
            header = [name.strip() for name in next((row for row in rows if row), list[str]())]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"the csv header cannot be read: {error}") from error
    if len({name.casefold() for name in header}) < len(header):
        raise UnreadableFileError(f"the csv header names a column twice: {', '.join(header)}")
    return header


def _require_columns(kind: SourceFile, present: Sequence[str]) -> None:
    known = {name.casefold() for name in present}
    missing = [name for name in kind.required_columns if name.casefold() not in known]
    if missing:
        raise UnreadableFileError(f"the file lacks {', '.join(missing)}; it has {', '.join(present)}")


def _copy_with_rejects(con: duckdb.DuckDBPyConnection, select: str, scratch: Scratch) -> None:
    con.execute(f"drop table if exists {_REJECTS}")
    con.execute(f"drop table if exists {_SCANS}")
    con.execute(f"copy ({select}) to {text_literal(scratch.parsed)} (format parquet)")


def _rejected_places(con: duckdb.DuckDBPyConnection) -> list[int]:
    """Places counted as the reader counts: blank lines count, a record of several lines counts once."""
    return [int(row[0]) for row in con.execute(f"select distinct line from {_REJECTS} order by line").fetchall()]


def _keep_rejects(con: duckdb.DuckDBPyConnection, continued: Iterable[int]) -> None:
    """One unparsed record a rejected line: a line with several faults is one record."""
    con.execute(
        f"create or replace temp table faults as select line as {RECORD}, min_by(error_type::varchar, place) as code, "
        f"min_by(error_message, place) as message, min_by(csv_line, place) as line "
        f"from (select *, coalesce(column_idx, 0) as place from {_REJECTS}) group by line"
    )
    con.execute(
        f"insert into {UNPARSED} select {c.LINE_NUMBER}, replace(lower(code), ' ', '_'), message, "
        f"trim(line, e'\\r\\n') from ({number_lines(con, 'faults', (), continued)}) order by {c.LINE_NUMBER}"
    )


def _number_parsed(
    con: duckdb.DuckDBPyConnection, scratch: Scratch, gaps: Iterable[int], continued: Iterable[int]
) -> None:
    """Make the view `parsed`: the copied records with their true line numbers."""
    file = text_literal(scratch.parsed)
    records = (
        f"(select file_row_number + 1 as {RECORD}, * exclude (file_row_number) "
        f"from read_parquet({file}, file_row_number = true))"
    )
    con.execute(f"create or replace temp view {_PARSED} as {number_lines(con, records, gaps, continued)}")


def _show(con: duckdb.DuckDBPyConnection, kind: SourceFile, present: Sequence[str]) -> None:
    """Make `raw_records` from `parsed`; a record whose value is not of the declared type is set aside, not blanked."""
    known = {name.casefold() for name in present}
    types = {str(row[0]): str(row[1]) for row in con.execute(f"describe {_PARSED}").fetchall()}
    columns: list[str] = []
    mistyped: list[str] = []
    for name, declared in kind.columns.items():
        column, dtype = quoted(name), "VARCHAR" if declared == AS_IT_COMES else declared
        if name.casefold() not in known:
            columns.append(f"null::{dtype} as {column}")
        elif declared == AS_IT_COMES or types[name].upper() == declared.upper():
            columns.append(column)
        else:
            value = typed_value(column, types[name], dtype)
            columns.append(f"{value} as {column}")
            mistyped.append(f"when {column} is not null and {value} is null then {text_literal(name)}")
    select, where = f"select {c.LINE_NUMBER}, {', '.join(columns)} from {_PARSED}", ""
    if mistyped:
        fault = f"case {' '.join(mistyped)} end"
        where = f" where {fault} is null"
        con.execute(
            f"insert into {UNPARSED} select {c.LINE_NUMBER}, 'bad_' || fault, "
            f"fault || ' is not of the type that the source declares', to_json(p) "
            f"from (select *, {fault} as fault from {_PARSED}) as p where fault is not null"
        )
    con.execute(f"create or replace temp view {RAW} as {select}{where}")


def typed_value(column: str, physical: str, dtype: str) -> str:
    """SQL of a value in another type, NULL where it does not fit; lists and structs may come as JSON text."""
    if physical.upper() == "VARCHAR" and dtype.upper().endswith(("]", ")")) and "DECIMAL" not in dtype.upper():
        return f"try_cast(try_cast({column} as json) as {dtype})"
    return f"try_cast({column} as {dtype})"


def _no_records(con: duckdb.DuckDBPyConnection, kind: SourceFile) -> None:
    columns = ", ".join(
        f"null::{'VARCHAR' if dtype == AS_IT_COMES else dtype} as {quoted(name)}"
        for name, dtype in kind.columns.items()
    )
    con.execute(f"create or replace temp view {RAW} as select 0::bigint as {c.LINE_NUMBER}, {columns} where false")


def _require_all_read(con: duckdb.DuckDBPyConnection, records: int) -> None:
    parsed, unparsed = _numbers_of(con, f"select (select count(*) from {RAW}), (select count(*) from {UNPARSED})")
    if parsed + unparsed != records:
        raise UnreadableFileError(
            f"the file holds {records} records, {parsed + unparsed} could be read; look for an odd quote or line end"
        )


def _numbers_of(con: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    return tuple(int(value) for value in con.execute(query).fetchall()[0])


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
