"""Files of one JSON object a line: all values as text, and each line that is none set aside with its number.

DuckDB's reader passes a line that it cannot read as a record of nothing, and after some of them the next line too.
Such records are looked up in the file and judged one by one. Where good lines were lost, the file is read again from a
copy in which an empty object stands in the place of every faulty line.
"""
# ruff: noqa: S608 - identifiers come from source.yml or this package, quoted; values are literals built by text_literal

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.stages.events.archives import UnreadableFileError
from recs_platform.stages.events.record_counts import TextLayout, scan_text
from recs_platform.stages.events.records import (
    LINE_BYTES_MAX,
    PARSED,
    TOO_LONG,
    Fault,
    Parsed,
    Scratch,
    all_but_place,
    all_spellings,
    as_text,
    named,
    number_parsed,
    numbers_of,
    set_aside,
)
from recs_platform.stages.events.sources import SourceFile
from recs_platform.warehouse.clauses import quoted, text_literal

_NO_OBJECT = ("bad_json", "the line is not a JSON object")
_NO_TEXT = ("invalid_encoding", "the line is not UTF-8 text")
_TWICE = ("column_twice", "the record names a column twice, in several spellings")
_NOTHING = b"{}\n"


def read_jsonl(con: duckdb.DuckDBPyConnection, path: Path, kind: SourceFile, scratch: Scratch) -> Parsed | None:
    """Make the view `parsed` and fill `unparsed`; None when the file holds no line."""
    layout = scan_text(path, quoted=False)
    if not layout.records:
        return None
    keys, is_repeated = _keys(con, path)
    found, twice = all_spellings(kind, keys), list[Fault]()
    if is_repeated or any(len(spelled) > 1 for spelled in found.values()):
        twice = _spell_alike(path, kind, scratch.respelled)
        path, found = scratch.respelled, {name: [name] for name in found}
    names = {name: spelled[0] for name, spelled in found.items()}
    empty = _empty_records(con, path, names, scratch, layout)
    faults = None if empty is None else _judged(path, empty, names)
    if faults is None:
        faults = _read_mended(con, path, names, scratch, layout, empty)
    faults += twice
    set_aside(con, faults)
    return Parsed(layout.records, tuple(names), in_order=_leave_out(con, names, scratch, layout, faults))


def _keys(con: duckdb.DuckDBPyConnection, path: Path) -> tuple[list[str], bool]:
    """Keys of the file's objects, in alphabetical order, and whether an object has one of them twice."""
    lines = (
        f"read_json_objects({text_literal(str(path))}, format = 'newline_delimited', ignore_errors = true, "
        f"maximum_object_size = {LINE_BYTES_MAX})"
    )
    try:
        rows = con.execute(
            f"select json_keys(json) as keys from {lines} where json_type(json) = 'OBJECT' group by keys"
        ).fetchall()
    except duckdb.InvalidInputException:
        # A line that is too long stops the reader; here it stops nothing.
        return _keys_line_by_line(path)
    # Few: records of one kind have the same keys.
    records = [list[str](row[0]) for row in rows]
    return sorted({key for keys in records for key in keys}), any(len(set(keys)) < len(keys) for keys in records)


def _spell_alike(path: Path, kind: SourceFile, target: Path) -> list[Fault]:
    """Copy a file whose lines spell a column in several ways; those that have it twice are faults, and empty."""
    faults: list[Fault] = []
    with target.open("wb") as copy:
        for number, line in _lines(path):
            if not line.strip() or _fault(line) is not None:
                copy.write(line)
                continue
            pairs = cast("_Pairs", json.loads(line, object_pairs_hook=_Pairs)).pairs
            found = all_spellings(kind, (name for name, _ in pairs))
            if any(len(spelled) > 1 for spelled in found.values()):
                faults.append(Fault(number, *_TWICE, as_text(line)))
                copy.write(_NOTHING)
            else:
                record = cast("dict[str, object]", json.loads(line))
                copy.write(json.dumps({name: record[spelled[0]] for name, spelled in found.items()}).encode() + b"\n")
    return faults


class _Pairs:
    """An object as it is written: a name may stand in it twice."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        self.pairs = pairs


def _keys_line_by_line(path: Path) -> tuple[list[str], bool]:
    keys, is_repeated = set[str](), False
    for _, line in _lines(path):
        if line.strip() and _fault(line) is None:
            names = [name for name, _ in cast("_Pairs", json.loads(line, object_pairs_hook=_Pairs)).pairs]
            is_repeated |= len(set(names)) < len(names)
            keys.update(names)
    return sorted(keys), is_repeated


def _empty_records(
    con: duckdb.DuckDBPyConnection, path: Path, names: Mapping[str, str], scratch: Scratch, layout: TextLayout
) -> set[int] | None:
    """Copy the records into scratch; numbers of the lines that gave nothing, or None where records are missing."""
    picked = ", ".join(f"{quoted(spelling)} as {quoted(name)}" for name, spelling in names.items()) or "nothing"
    try:
        con.execute(
            f"copy (select {picked} from read_json({text_literal(str(path))}, format = 'newline_delimited', "
            f"columns = {named(names.values() or ['nothing'])}, ignore_errors = true, "
            f"maximum_object_size = {LINE_BYTES_MAX})) "
            f"to {text_literal(scratch.parsed)} (format parquet, compression lz4_raw)"
        )
    except duckdb.InvalidInputException:
        return None
    file = f"read_parquet({text_literal(scratch.parsed)})"
    records, empty = numbers_of(con, f"select count(*), count(*) filter ({_nothing(names)}) from {file}")
    if records != layout.records:
        return None
    if not empty:
        return set()
    number_parsed(con, scratch.parsed, all_but_place(), gaps=layout.blank)
    rows = con.execute(f"select {c.LINE_NUMBER} from {PARSED} where {_nothing(names)}").fetchall()
    return {int(row[0]) for row in rows}


def _judged(path: Path, empty: Collection[int], names: Mapping[str, str]) -> list[Fault] | None:
    """Faults among the lines that gave nothing; None when one of them is a record that was not read."""
    faults: list[Fault] = []
    if not empty:
        return faults
    for number, line in _lines(path):
        if number not in empty:
            continue
        fault = _fault(line)
        if fault is not None:
            faults.append(Fault(number, *fault, as_text(line)))
        elif _says_something(line, names):
            return None
    return faults


def _read_mended(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    names: Mapping[str, str],
    scratch: Scratch,
    layout: TextLayout,
    suspects: Collection[int] | None,
) -> list[Fault]:
    """Read a copy without the faulty lines, which are among `suspects` or, where these are unknown, any."""
    faults: list[Fault] = []
    with scratch.repaired.open("wb") as target:
        for number, line in _lines(path):
            fault = _fault(line) if line.strip() and (suspects is None or number in suspects) else None
            if fault is not None:
                faults.append(Fault(number, *fault, as_text(line)))
            target.write(line if fault is None else _NOTHING)
    empty = _empty_records(con, scratch.repaired, names, scratch, layout)
    if empty is None:
        raise UnreadableFileError("its lines cannot be told apart; look for an odd line end")
    left = empty - {fault.line_number for fault in faults}
    # What even now was not read must not pass as empty.
    unread = [(number, line) for number, line in _lines(path) if number in left and _says_something(line, names)]
    return faults + [Fault(number, *_NO_OBJECT, as_text(line)) for number, line in unread]


def _leave_out(
    con: duckdb.DuckDBPyConnection,
    names: Iterable[str],
    scratch: Scratch,
    layout: TextLayout,
    faults: Collection[Fault],
) -> bool:
    """Make `parsed` without the faulty lines: they, and objects that say nothing, are the records of nothing."""
    where = ""
    if faults:
        con.execute("create or replace temp table faulty_numbers (number bigint)")
        con.execute("insert into faulty_numbers select unnest($1::bigint[])", [[fault.line_number for fault in faults]])
        where = f"not ({_nothing(names)}) or {c.LINE_NUMBER} not in (select number from faulty_numbers)"
    return number_parsed(con, scratch.parsed, all_but_place(), gaps=layout.blank, where=where)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        yield from enumerate(file, start=1)


def _fault(line: bytes) -> tuple[str, str] | None:
    """Why a line is no JSON object, None when it is one."""
    if len(line) > LINE_BYTES_MAX:
        return TOO_LONG
    try:
        value: object = json.loads(line.decode())
    except UnicodeDecodeError:
        return _NO_TEXT
    except (ValueError, RecursionError):
        return _NO_OBJECT
    return None if isinstance(value, dict) else _NO_OBJECT


def _says_something(line: bytes, names: Mapping[str, str]) -> bool:
    """Whether an object gives a value to a column of its source."""
    record = cast("dict[str, object]", json.loads(line))
    return any(record.get(spelling) is not None for spelling in names.values())


def _nothing(names: Iterable[str]) -> str:
    return " and ".join(f"{quoted(name)} is null" for name in names) or "true"
