"""The first records of a raw file, as text by field: enough to tell what it holds, whatever its size.

What the fields mean is described in `mapping`. A bad record does not reject a file here: ingestion does that.
"""

# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import csv
import gzip
import io
import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, TYPE_CHECKING, Any, cast

from recs_platform.contracts import columns as c
from recs_platform.stages.events.archives import DAMAGED, UnreadableFileError, open_packed
from recs_platform.stages.events.file_names import plain_name
from recs_platform.stages.events.raw_files import RawFile
from recs_platform.stages.events.sources import FORMATS, FileFormat

if TYPE_CHECKING:
    import pyarrow as pa

RECORDS_MAX = 5_000
# A column of generated sources: which kind of file a record came in.
FILE_KIND = "file_kind"
_BYTES_MAX = 1 << 22
_LINE_BYTES = 4_096
_DEPTH_MAX = 3
_DELIMITERS = (",", ";", "\t", "|")
_NO_NAME = re.compile(r"-?[\d.,:/ TZ+-]*\d[\d.,:/ TZ+-]*")
# Columns that the records get besides their own.
_TAKEN = frozenset({c.LINE_NUMBER, c.SOURCE_FILE, FILE_KIND})
_TEXT_SUFFIXES = (".txt", ".dat", ".psv")
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


@dataclass(frozen=True)
class Field:
    """A field of the records: `column` is what the file calls it, `path` leads on into JSON; `values` are not blank."""

    column: str
    path: tuple[str, ...]
    values: tuple[str, ...]
    is_json: bool = False

    @property
    def name(self) -> str:
        return ".".join((self.column, *self.path))


@dataclass(frozen=True)
class Sample:
    """What a file looks like. `delimiter` is that of a csv."""

    format: FileFormat
    delimiter: str | None
    fields: tuple[Field, ...]
    records: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the file, in its order."""
        return tuple(dict.fromkeys(field.column for field in self.fields))


def read_sample(file: RawFile, records: int = RECORDS_MAX) -> Sample | None:
    """The first records of a file, None when its name tells no format that is read.

    Raises UnreadableFileError when it is damaged or names no columns.
    """
    suffix = plain_name(file.inside).rpartition(".")[2]
    file_format = "csv" if f".{suffix}" in _TEXT_SUFFIXES else FORMATS.get(f".{suffix}")
    if file_format is None:
        return None
    try:
        with _opened(file) as content:
            if file_format == "parquet":
                return _parquet(content, records)
            text = _text(content, min(_BYTES_MAX, records * _LINE_BYTES))
    except DAMAGED as error:
        raise UnreadableFileError(f"it is cut or damaged: {error}") from error
    try:
        return _csv(text) if file_format == "csv" else _sample("jsonl", None, _json_records(text))
    except csv.Error as error:
        raise UnreadableFileError(f"it cannot be read as csv: {error}") from error


@contextmanager
def _opened(file: RawFile) -> Generator[IO[bytes], None, None]:
    if file.member is None:
        with open_packed(file.path) as content:
            yield cast("IO[bytes]", content)
    else:
        with file.open() as packed:
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=packed)) if file.inside.lower().endswith(".gz") else packed


def _text(content: IO[bytes], size: int) -> str:
    """The beginning of a text file, to the end of a line."""
    data = content.read(size)
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    text = data.decode(encoding, errors="replace")
    return text if len(data) < size else text[: text.rfind("\n") + 1]


def _csv(text: str) -> Sample:
    lines = [line for line in text.splitlines(keepends=True) if line.strip()]
    if not lines:
        return Sample("csv", ",", (), 0)
    delimiter = _delimiter(lines[:50])
    rows = csv.reader(io.StringIO("".join(lines)), delimiter=delimiter)
    header = [name.strip() for name in next(rows, [])]
    if any(_NO_NAME.fullmatch(name) for name in header) and len(header) > 1:
        raise UnreadableFileError(
            f"its first line names no columns, it holds {', '.join(header[:5])}; add a header line"
        )
    names = [name.casefold() for name in header]
    twice = next((name for place, name in enumerate(header) if name.casefold() in names[:place]), None)
    if twice is not None:
        raise UnreadableFileError(f"its header names {twice!r} twice; rename one of them")
    records = (dict(zip(header, row, strict=False)) for row in rows)
    return _sample("csv", delimiter, _limited(records), header)


def _delimiter(lines: list[str]) -> str:
    """The character that gives the most columns, and as many in each line as in the first."""

    def widths(delimiter: str) -> tuple[float, int]:
        rows = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        return (round(rows.count(rows[0]) / len(rows), 1) if rows[0] > 1 else 0.0, rows[0])

    return max(_DELIMITERS, key=widths)


def _json_records(text: str) -> Iterator[Mapping[str, Any]]:
    """Objects one after another, a line each, pretty-printed or in one array; what is none is passed over."""
    decoder, place = json.JSONDecoder(), 0
    for _ in range(RECORDS_MAX):
        while place < len(text) and text[place] in " \t\r\n,[]":
            place += 1
        if place == len(text):
            return
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place = (text.find("\n", place) + 1) or len(text)
            continue
        if isinstance(value, dict):
            yield cast("Mapping[str, Any]", value)


def _parquet(content: IO[bytes], records: int) -> Sample:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(content if content.seekable() else io.BytesIO(content.read()))
        batch = next(file.iter_batches(batch_size=records), None)
    except pa.ArrowException as error:
        raise UnreadableFileError(f"it is no readable Parquet file: {error}") from error
    rows = [] if batch is None else _rows(batch)
    return _sample("parquet", None, rows, list(file.schema_arrow.names))


def _rows(batch: "pa.RecordBatch") -> list[dict[str, Any]]:
    import pyarrow as pa

    try:
        return batch.to_pylist()
    except (OverflowError, ValueError):
        # Instants beyond Python's calendar are shown as texts.
        columns = [
            column.cast(pa.string()) if pa.types.is_temporal(column.type) else column for column in batch.columns
        ]
        return pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist()


def _limited(records: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for _, record in zip(range(RECORDS_MAX), records, strict=False):
        yield record


def _sample(
    file_format: FileFormat, delimiter: str | None, records: Iterable[Mapping[str, Any]], header: Iterable[str] = ()
) -> Sample:
    values: dict[tuple[str, ...], list[str]] = {}
    for name in header:
        values[name,] = []
    nested: set[str] = set()
    count = 0
    for record in records:
        count += 1
        for path, value in _leaves(record, ()):
            if path[1:] or isinstance(value, list):
                nested |= set(path[:1])
            text = _as_text(value)
            values.setdefault(path, [])
            if text:
                values[path].append(text)
    # A column that holds objects is told by what is in them.
    named = _named(values)
    fields = tuple(
        Field(path[0], path[1:], tuple(found), path[0] in nested)
        for path, found in values.items()
        if path[0] in named and (found or path[0] not in nested)
    )
    return Sample(file_format, delimiter, fields, count)


def _named(paths: Iterable[tuple[str, ...]]) -> frozenset[str]:
    """Columns that SQL can name: not blank, not taken, and of names that differ in their case only the first."""
    by_lower: dict[str, str] = {}
    for path in paths:
        by_lower.setdefault(path[0].casefold(), path[0])
    return frozenset(name for lower, name in by_lower.items() if name.strip() and lower not in _TAKEN)


def _leaves(value: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, below in value.items():
        if isinstance(below, dict) and len(path) + 1 < _DEPTH_MAX:
            yield from _leaves(cast("Mapping[str, Any]", below), (*path, str(name)))
        else:
            yield (*path, str(name)), below


def _as_text(value: object) -> str:
    """A value as DuckDB's cast to text gives it; nothing for bytes."""
    if value is None or isinstance(value, bytes):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (datetime, date)):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, (list, dict)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value).strip()
