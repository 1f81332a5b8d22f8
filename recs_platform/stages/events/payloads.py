"""Rejected records as they came: looked up in the file by their lines, with every column and name that the file has."""
# ruff: noqa: S608 - relations are named by this package; values are literals built by text_literal
# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import csv
import io
import json
from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.stages.events.reading_csv import records_of
from recs_platform.stages.events.records import LINE_BYTES_MAX, as_text, types_of
from recs_platform.stages.events.sources import FileFormat
from recs_platform.warehouse.clauses import quoted, text_literal

PAYLOADS = "payloads"
_ROWS = 50_000


def look_up_payloads(
    con: duckdb.DuckDBPyConnection, path: Path, file_format: FileFormat, delimiter: str, lines: str
) -> str:
    """Make the table `payloads(line_number, payload)` of the lines in the relation `lines(line_number)`; its name.

    A csv or Parquet record is an object of its columns under their own names, a JSON line is itself.
    """
    con.execute(f"create or replace temp table {PAYLOADS} ({c.LINE_NUMBER} bigint, {c.PAYLOAD} varchar)")
    wanted = {int(row[0]) for row in con.execute(f"select distinct {c.LINE_NUMBER} from {lines}").fetchall()}
    if wanted and file_format == "parquet":
        _from_parquet(con, path, lines)
    elif wanted:
        found = _csv_payloads(path, delimiter, wanted) if file_format == "csv" else _json_payloads(path, wanted)
        while rows := list(islice(found, _ROWS)):
            _insert(con, rows)
    return PAYLOADS


def _from_parquet(con: duckdb.DuckDBPyConnection, path: Path, lines: str) -> None:
    file = f"read_parquet({text_literal(str(path))}, file_row_number = true)"
    names = types_of(con, f"read_parquet({text_literal(str(path))})")
    values = ", ".join(f"{text_literal(name)}: try(to_json({quoted(name)}))" for name in names)
    con.execute(
        f"insert into {PAYLOADS} select file_row_number + 1, {{{values}}}::json::varchar from {file} "
        f"where file_row_number + 1 in (select {c.LINE_NUMBER} from {lines})"
    )


def _csv_payloads(path: Path, delimiter: str, wanted: set[int]) -> Iterator[tuple[int, str]]:
    header = list[str]()
    # Python's own limit is lower than the longest line that is read.
    csv.field_size_limit(LINE_BYTES_MAX)
    for number, record in records_of(path, delimiter.encode()):
        if not header:
            header = _values(record, delimiter)
        elif number in wanted:
            pairs = zip_longest(header, _values(record, delimiter), fillvalue="")
            yield number, json.dumps(dict(pairs), ensure_ascii=False)


def _values(record: bytes, delimiter: str) -> list[str]:
    text = io.StringIO(record.decode(errors="replace"), newline="")
    return next(csv.reader(text, delimiter=delimiter), list[str]())


def _json_payloads(path: Path, wanted: set[int]) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number in wanted:
                yield number, as_text(line)


def _insert(con: duckdb.DuckDBPyConnection, rows: list[tuple[int, str]]) -> None:
    import pyarrow as pa

    numbers, texts = zip(*rows, strict=True)
    con.register("looked_up", pa.table([pa.array(numbers, pa.int64()), pa.array(texts, pa.string())], ["n", "t"]))
    con.execute(f"insert into {PAYLOADS} select n, t from looked_up")
    con.unregister("looked_up")
