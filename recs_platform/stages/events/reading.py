"""One raw file as the DuckDB view `raw_records`, with the records that could not be parsed beside it.

How csv and JSONL are parsed is described beside this module, what the records mean in the source's SQL, and whether its
rows are valid in `validation`.
"""
# ruff: noqa: S608 - identifiers come from source.yml or this package, quoted; values are literals built by text_literal

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.stages.events.archives import UnreadableFileError
from recs_platform.stages.events.disk_errors import raise_disk_full
from recs_platform.stages.events.reading_csv import read_csv
from recs_platform.stages.events.reading_jsonl import read_jsonl
from recs_platform.stages.events.records import (
    ALL_RECORDS,
    PARSED,
    RAW,
    UNPARSED,
    Parsed,
    Scratch,
    number_parsed,
    numbers_of,
    require_columns,
    show_no_records,
    show_records,
    spellings,
    types_of,
)
from recs_platform.stages.events.sources import AS_IT_COMES, FileFormat, SourceFile
from recs_platform.stages.events.texts import as_plain_text
from recs_platform.stages.events.values import whole_number
from recs_platform.warehouse.clauses import quoted, text_literal


@dataclass(frozen=True)
class RawCounts:
    """Records of a file by an independent count, how many `raw_records` shows, and whether in the order of lines.

    `path` is where the records lie as they were read.
    """

    records: int
    shown: int
    in_order: bool = True
    path: Path = Path()


def read_records(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    kind: SourceFile,
    file_format: FileFormat,
    scratch: Scratch,
    source_file: str,
) -> RawCounts:
    """Make the view `raw_records` and the table `unparsed` from one plain (decompressed) file.

    `raw_records` holds `line_number` BIGINT, the declared columns, NULL where the file has none, and `source_file`;
    `unparsed` holds line_number, reason_code, reason, payload, which is NULL where the record can be looked up. Raises
    UnreadableFileError when the file cannot be read as a whole or records went missing on the way.
    """
    con.execute(f"drop view if exists {RAW}")
    con.execute(f"drop view if exists {ALL_RECORDS}")
    con.execute(f"drop table if exists {UNPARSED}")
    con.execute(
        f"create temp table {UNPARSED} ({c.LINE_NUMBER} bigint, {c.REASON_CODE} varchar, {c.REASON} varchar, "
        f"{c.PAYLOAD} varchar)"
    )
    try:
        if file_format != "parquet":
            path = as_plain_text(path, file_format, scratch.text)
        parsed = _READERS[file_format](con, path, kind, scratch)
        if parsed is None:
            show_no_records(con, kind)
            return RawCounts(0, 0)
        _show(con, kind, parsed.columns, source_file)
        return RawCounts(parsed.records, _shown(con, parsed.records), parsed.in_order, path)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise_disk_full(error)
        raise UnreadableFileError(f"not a readable {file_format} file: {str(error).splitlines()[0]}") from error


def require_whole(con: duckdb.DuckDBPyConnection) -> None:
    """Raise UnreadableFileError when a value of `raw_records` cannot be read: a damaged page shows only then."""
    columns = ", ".join(f"max(hash({quoted(name)}))" for name in types_of(con, RAW))
    try:
        con.execute(f"select {columns} from {RAW}").fetchall()
    except duckdb.Error as error:
        raise_disk_full(error)
        raise UnreadableFileError(f"the file is damaged: {str(error).splitlines()[0]}") from error


def _declared_value(column: str, physical: str, dtype: str) -> str:
    """SQL of a value in another type, NULL where it does not fit; lists and structs may come as JSON text."""
    if dtype.upper() in _WHOLE_NUMBERS and not physical.upper().endswith("INT"):
        return whole_number(column, dtype)
    if physical.upper() == "VARCHAR" and dtype.upper().endswith(("]", ")")) and "DECIMAL" not in dtype.upper():
        return f"try_cast(try_cast({column} as json) as {dtype})"
    return f"try_cast({column} as {dtype})"


def _read_parquet(con: duckdb.DuckDBPyConnection, path: Path, kind: SourceFile, _scratch: Scratch) -> Parsed | None:
    if path.stat().st_size == 0:
        return None
    file = text_literal(str(path))
    present = _columns_of(con, file)
    require_columns(kind, present)
    named = spellings(kind, present)
    picked = ", ".join(f"{quoted(spelling)} as {quoted(name)}" for name, spelling in named.items())
    number_parsed(con, str(path), picked or "1 as nothing")
    (records,) = numbers_of(con, f"select coalesce(sum(num_rows), 0) from parquet_file_metadata({file})")
    return Parsed(records, tuple(named), in_order=True)


def _columns_of(con: duckdb.DuckDBPyConnection, file: str) -> list[str]:
    """Names of the columns as the file has them: the reader renames those that differ by case alone."""
    rows = con.execute(f"select name, coalesce(num_children, 0) from parquet_schema({file})").fetchall()
    names, inner = list[str](), 0
    for name, children in rows[1:]:
        if not inner:
            names.append(str(name))
        inner = max(inner - 1, 0) + int(children)
    return names


_WHOLE_NUMBERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
)  # fmt: skip
_READERS = {"csv": read_csv, "jsonl": read_jsonl, "parquet": _read_parquet}


def _show(con: duckdb.DuckDBPyConnection, kind: SourceFile, present: Sequence[str], source_file: str) -> None:
    """Make `raw_records` from `parsed`; a record whose value is not of the declared type is set aside, not blanked."""
    known = set(present)
    types, from_path = types_of(con, PARSED), _values_of_folders(con, kind)
    columns: list[str] = []
    mistyped: list[str] = []
    for name, declared in kind.columns.items():
        column, dtype = quoted(name), "VARCHAR" if declared == AS_IT_COMES else declared
        if name not in known:
            columns.append(f"{from_path.get(name, 'null')}::{dtype} as {column}")
        elif declared == AS_IT_COMES or types[name].upper() == declared.upper():
            columns.append(f"coalesce({column}, {from_path[name]}) as {column}" if name in from_path else column)
        else:
            value = _declared_value(column, types[name], dtype)
            columns.append(
                f"coalesce({value}, {from_path[name]}) as {column}" if name in from_path else f"{value} as {column}"
            )
            mistyped.append(f"when {column} is not null and {value} is null then {text_literal(name)}")
    where = _set_mistyped_aside(con, mistyped) if mistyped else ""
    origin = f"{text_literal(source_file)} as {c.SOURCE_FILE}"
    con.execute(
        f"create or replace temp view {ALL_RECORDS} as select {c.LINE_NUMBER}, {', '.join(columns)}, {origin} "
        f"from {PARSED}{where}"
    )
    show_records(con)


def _values_of_folders(con: duckdb.DuckDBPyConnection, kind: SourceFile) -> dict[str, str]:
    """SQL of the columns whose values the file's folders tell; refuses the file where one is not of its type."""
    from_path: dict[str, str] = {}
    for name, value in kind.partitions.items():
        dtype = "VARCHAR" if kind.columns[name] == AS_IT_COMES else kind.columns[name]
        from_path[name] = f"{text_literal(value)}::{dtype}"
        if con.execute(f"select try_cast({text_literal(value)} as {dtype})").fetchall() == [(None,)]:
            raise UnreadableFileError(f"its folder says {name}={value}, which is not of type {dtype}")
    return from_path


def _set_mistyped_aside(con: duckdb.DuckDBPyConnection, mistyped: Sequence[str]) -> str:
    """Records with a value of another type than declared become unparsed; returns the clause that keeps the others."""
    fault = f"case {' '.join(mistyped)} end"
    con.execute(
        f"insert into {UNPARSED} select {c.LINE_NUMBER}, 'bad_' || fault, "
        f"fault || ' is not of the type that the source declares', null "
        f"from (select *, {fault} as fault from {PARSED}) as p where fault is not null"
    )
    return f" where {fault} is null"


def _shown(con: duckdb.DuckDBPyConnection, records: int) -> int:
    shown, unparsed = numbers_of(con, f"select (select count(*) from {RAW}), (select count(*) from {UNPARSED})")
    if shown + unparsed != records:
        raise UnreadableFileError(
            f"the file holds {records} records, {shown + unparsed} could be read; look for an odd quote or line end"
        )
    return shown
