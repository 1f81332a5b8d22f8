"""Comma-separated files: the header, the records as text, and the lines that DuckDB's reader rejects.

Its reader wants all lines to end alike and none to be endless. Other files are read from a copy with one kind of line
end, in which a blank line stands in the place of every record that cannot be read.
"""
# ruff: noqa: S608 - relations are named by this package

import csv
import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

import duckdb

from recs_platform.stages.events.archives import UnreadableFileError
from recs_platform.stages.events.record_counts import TextLayout, lines_of, scan_text
from recs_platform.stages.events.records import (
    LINE_BYTES_MAX,
    TOO_LONG,
    UNPARSED,
    Fault,
    Parsed,
    Scratch,
    all_but_place,
    as_text,
    copy_with_rejects,
    count_seen,
    keep_rejects,
    named,
    number_parsed,
    rejected_places,
    require_columns,
    set_aside,
    spellings,
)
from recs_platform.stages.events.sources import SourceFile
from recs_platform.warehouse.clauses import quoted, text_literal

_ODD_QUOTE = ("odd_quote", "a quote does not close, or something follows a closing quote")
_STRAY_RETURN = ("stray_carriage_return", "a carriage return stands within the line, outside of quotes")


def read_csv(con: duckdb.DuckDBPyConnection, path: Path, kind: SourceFile, scratch: Scratch) -> Parsed | None:
    """Make the view `parsed` and fill `unparsed`; None when the file holds no header."""
    layout = scan_text(path, quoted=True, delimiter=_delimiter(kind))
    if not layout.records:
        return None
    if layout.is_even and layout.longest_bytes <= LINE_BYTES_MAX:
        parsed = _read_even(con, path, kind, scratch, layout, set(layout.blank))
        # After an odd quote the reader and the count part ways.
        if count_seen(con) == parsed.records:
            return parsed
        con.execute(f"delete from {UNPARSED}")
    left_out = set(layout.blank)
    repaired = _repair(con, path, scratch, left_out, _delimiter(kind))
    return _read_even(con, repaired, kind, scratch, layout, left_out)


def _read_even(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    kind: SourceFile,
    scratch: Scratch,
    layout: TextLayout,
    left_out: Collection[int],
) -> Parsed:
    """Read a file whose lines all end alike; `left_out` are the places of blank lines."""
    header, header_place = _header(path, kind), _header_place(layout)
    require_columns(kind, header)
    # Names from a file never become identifiers: the reader knows its columns by number.
    numbered = [f"c{place}" for place in range(len(header))]
    places = {name: header.index(spelling) for name, spelling in spellings(kind, header).items()}
    picked = ", ".join(f"c{place} as {quoted(name)}" for name, place in places.items()) or "c0 as nothing"
    copy_with_rejects(
        con,
        picked,
        f"{text_literal(str(path))}, header = true, skip = {header_place - 1}, auto_detect = false, "
        f"delim = {text_literal(_delimiter(kind).decode())}, quote = '\"', escape = '\"', columns = {named(numbered)}",
        scratch,
    )
    keep_rejects(con, layout.continued)
    gaps = {header_place, *left_out, *rejected_places(con)}
    in_order = number_parsed(con, scratch.parsed, all_but_place(), gaps=gaps, continued=layout.continued)
    return Parsed(layout.records - 1, tuple(places), in_order)


def _delimiter(kind: SourceFile) -> bytes:
    return (kind.delimiter or ",").encode()


@cache
def _well_quoted(delimiter: bytes) -> re.Pattern[bytes]:
    """Values between quotes, in which quotes are doubled, and values that begin with none: RFC 4180, quotes within."""
    end = re.escape(delimiter)
    value = rb'(?:"(?:[^"]|"")*"|[^"' + end + rb"][^" + end + rb"\r\n]*|)"
    return re.compile(value + rb"(?:" + end + value + rb")*")


def _header(path: Path, kind: SourceFile) -> list[str]:
    try:
        # Decoded line by line: bad bytes further down are the rejects' matter, not the header's.
        with path.open("rb") as file:
            rows = csv.reader((line.decode("utf-8-sig") for line in file), delimiter=_delimiter(kind).decode())
            header = next((row for row in rows if row), list[str]())
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"the csv header cannot be read: {error}") from error
    return header


def _header_place(layout: TextLayout) -> int:
    """The first place that is no blank line."""
    blank = set(layout.blank)
    return next(place for place in range(1, len(blank) + 2) if place not in blank)


def _repair(con: duckdb.DuckDBPyConnection, path: Path, scratch: Scratch, left_out: set[int], delimiter: bytes) -> Path:
    """Write the copy, set faulty records aside and add their places to `left_out`; returns the copy."""
    faults: list[Fault] = []
    with scratch.repaired.open("wb") as target:
        for place, (number, record) in enumerate(records_of(path, delimiter), start=1):
            fault = _fault(record, delimiter)
            if fault is None:
                body = record.removesuffix(b"\n").removesuffix(b"\r")
                target.write(body + b"\n")
                continue
            if not faults and place <= len(left_out) + 1 and left_out.issuperset(range(1, place)):
                raise UnreadableFileError(f"the csv header cannot be read: {fault[1]}")
            faults.append(Fault(number, *fault, as_text(record)))
            left_out.add(place)
            target.write(b"\n")
    set_aside(con, faults)
    return scratch.repaired


def records_of(path: Path, delimiter: bytes) -> Iterator[tuple[int, bytes]]:
    """Records and blank lines in order, each with the number of its first line."""
    first, pieces = 0, list[bytes]()
    for number, is_continued, line in lines_of(path, quoted=True, delimiter=delimiter):
        if pieces and not is_continued:
            yield first, b"".join(pieces)
            pieces = []
        if not pieces:
            first = number
        pieces.append(line)
    if pieces:
        yield first, b"".join(pieces)


def _fault(record: bytes, delimiter: bytes) -> tuple[str, str] | None:
    """Why the reader would stumble over a record, None when it would not."""
    if len(record) > LINE_BYTES_MAX:
        return TOO_LONG
    body = record.removesuffix(b"\n").removesuffix(b"\r")
    if b'"' in body and _well_quoted(delimiter).fullmatch(body) is None:
        return _ODD_QUOTE
    # Every second piece is within quotes, the doubled quotes of a value included.
    return _STRAY_RETURN if any(b"\r" in piece for piece in body.split(b'"')[::2]) else None
