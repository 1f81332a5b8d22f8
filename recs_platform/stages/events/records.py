"""What the readers of raw files share: names, scratch files, true line numbers, and records that are set aside.

How one format is read belongs to its reader; what records mean to the source's SQL.
"""
# ruff: noqa: S608 - relations and columns are named by this package; values are literals built by text_literal
# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.texts import BLANKS
from recs_platform.stages.events.archives import UnreadableFileError
from recs_platform.stages.events.numbering import RECORD, keeps_order, number_lines
from recs_platform.stages.events.sources import AS_IT_COMES, SourceFile
from recs_platform.warehouse.clauses import quoted, text_literal

RAW = "raw_records"
# All of the file's records, of which RAW may show a part.
ALL_RECORDS = "all_records"
PARSED = "parsed"
UNPARSED = "unparsed"
# Longer lines are rejected: DuckDB keeps whole lines in memory, once a thread.
LINE_BYTES_MAX = 2_097_152
TOO_LONG = ("line_too_long", f"the line has more than {LINE_BYTES_MAX} bytes")

_REJECTS = "csv_rejects"
_SCANS = "csv_scans"


@dataclass(frozen=True)
class Scratch:
    """Where a file's parsed records are kept while it is ingested."""

    folder: Path

    @property
    def parsed(self) -> str:
        return str(self.folder / "parsed.parquet")

    @property
    def repaired(self) -> Path:
        return self.folder / "repaired"

    @property
    def respelled(self) -> Path:
        return self.folder / "respelled"

    @property
    def text(self) -> Path:
        return self.folder / "text"

    @property
    def plain(self) -> Path:
        return self.folder / "plain"


@dataclass(frozen=True)
class Parsed:
    """A file behind the view `parsed`: records counted independently of its reader, and the columns it has.

    `in_order` says that the view gives them in the order of their lines, so that they need not be sorted.
    """

    records: int
    columns: tuple[str, ...]
    in_order: bool


@dataclass(frozen=True)
class Fault:
    """A record that is set aside: its line, why, and the line as it came."""

    line_number: int
    code: str
    reason: str
    payload: str


def spellings(kind: SourceFile, present: Iterable[str]) -> dict[str, str]:
    """The file's own name of each declared column that it has: the same but for case and blanks around it.

    Raises UnreadableFileError when the file has a declared column twice.
    """
    found = all_spellings(kind, present)
    for names in found.values():
        if len(names) > 1:
            raise UnreadableFileError(f"the file names a column twice: {', '.join(names)}")
    return {name: names[0] for name, names in found.items()}


def all_spellings(kind: SourceFile, present: Iterable[str]) -> dict[str, list[str]]:
    """The names in `present` of each declared column that is there, in their order."""
    found: dict[str, list[str]] = {}
    declared = {plain_spelling(name): name for name in kind.columns}
    for spelling in present:
        name = declared.get(plain_spelling(spelling))
        if name is not None:
            found.setdefault(name, []).append(spelling)
    return {name: found[name] for name in kind.columns if name in found}


def plain_spelling(name: str) -> str:
    """What two names of columns share that are one: no case, no blanks around."""
    return name.strip(BLANKS).casefold()


def require_columns(kind: SourceFile, present: Sequence[str]) -> None:
    """Raise UnreadableFileError unless the file has every column that its source needs."""
    known = set(map(plain_spelling, present))
    missing = [name for name in kind.required_columns if plain_spelling(name) not in known]
    if missing:
        raise UnreadableFileError(f"the file lacks {', '.join(missing)}; it has {', '.join(present)}")


def number_parsed(
    con: duckdb.DuckDBPyConnection,
    path: str,
    columns: str,
    *,
    gaps: Collection[int] = (),
    continued: Collection[int] = (),
    where: str = "",
) -> bool:
    """Make the view `parsed`: columns of a Parquet file's records, those that satisfy `where`, with true line numbers.

    Returns whether the view gives them in the order of their lines.
    """
    records = (
        f"(select file_row_number + 1 as {RECORD}, {columns} "
        f"from read_parquet({text_literal(path)}, file_row_number = true))"
    )
    numbered = number_lines(con, records, gaps, continued)
    con.execute(f"create or replace temp view {PARSED} as select * from ({numbered}){where and f' where {where}'}")
    return keeps_order(gaps, continued)


def show_records(con: duckdb.DuckDBPyConnection, relation: str = ALL_RECORDS, where: str = "true") -> None:
    """Let `raw_records`, which the SQL of sources reads, show the records of a relation that satisfy `where`."""
    con.execute(f"create or replace temp view {RAW} as select * from {relation} where {where}")


def show_no_records(con: duckdb.DuckDBPyConnection, kind: SourceFile) -> None:
    """Make `raw_records` of the declared columns without a record."""
    columns = ", ".join(
        f"null::{'VARCHAR' if dtype == AS_IT_COMES else dtype} as {quoted(name)}"
        for name, dtype in kind.columns.items()
    )
    con.execute(
        f"create or replace temp view {ALL_RECORDS} as select 0::bigint as {c.LINE_NUMBER}, {columns}, "
        f"null::varchar as {c.SOURCE_FILE} where false"
    )
    show_records(con)


def set_aside(con: duckdb.DuckDBPyConnection, faults: Iterable[Fault]) -> None:
    """Put records that cannot be parsed into `unparsed`."""
    import pyarrow as pa

    rows = [astuple(fault) for fault in faults]
    if not rows:
        return
    names = (c.LINE_NUMBER, c.REASON_CODE, c.REASON, c.PAYLOAD)
    types = (pa.int64(), pa.string(), pa.string(), pa.string())
    columns = [pa.array([row[place] for row in rows], type_) for place, type_ in enumerate(types)]
    con.register("faulty_lines", pa.table(columns, names=list(names)))
    con.execute(f"insert into {UNPARSED} select * from faulty_lines")
    con.unregister("faulty_lines")


def as_text(line: bytes) -> str:
    """A line as it is kept: without its end, bytes that are no UTF-8 replaced, cut where it is endless."""
    return line[:LINE_BYTES_MAX].decode(errors="replace").rstrip("\r\n")


def all_but_place() -> str:
    """Every column of a Parquet file that this package wrote."""
    return "* exclude (file_row_number)"


def copy_with_rejects(con: duckdb.DuckDBPyConnection, columns: str, read_csv: str, scratch: Scratch) -> None:
    """Copy what a csv reader yields into scratch, and what it rejects into a table."""
    con.execute(f"drop table if exists {_REJECTS}")
    con.execute(f"drop table if exists {_SCANS}")
    options = f"store_rejects = true, rejects_table = '{_REJECTS}', rejects_scan = '{_SCANS}'"
    con.execute(
        f"copy (select {columns} from read_csv({read_csv}, max_line_size = {LINE_BYTES_MAX}, {options})) "
        f"to {text_literal(scratch.parsed)} (format parquet, compression lz4_raw)"
    )


def rejected_places(con: duckdb.DuckDBPyConnection) -> list[int]:
    """Places counted as the reader counts: blank lines count, a record of several lines counts once."""
    return [int(row[0]) for row in con.execute(f"select distinct line from {_REJECTS} order by line").fetchall()]


def keep_rejects(con: duckdb.DuckDBPyConnection, continued: Iterable[int]) -> None:
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


def count_seen(con: duckdb.DuckDBPyConnection) -> int:
    """Records that are parsed or set aside."""
    parsed, unparsed = numbers_of(con, f"select (select count(*) from {PARSED}), (select count(*) from {UNPARSED})")
    return parsed + unparsed


def types_of(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Column names of a relation with their DuckDB types."""
    return {str(row[0]): str(row[1]) for row in con.execute(f"describe select * from {relation}").fetchall()}


def numbers_of(con: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    """The first row of a query that counts."""
    return tuple(int(value) for value in con.execute(query).fetchall()[0])


def named(columns: Iterable[str]) -> str:
    """Columns of a struct of types, all text, as readers take it."""
    return "{" + ", ".join(f"{text_literal(name)}: 'VARCHAR'" for name in columns) + "}"
