"""One landed file to its records, by json, csv and pyarrow: the reference's own reader. What rows mean is not known.

Lines are counted by hand, and a record that two readers may rightly take differently is marked so.
"""

import csv
import gzip
import io
import json
import re
import zipfile
import zlib
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

TRAILING_COMMA = re.compile(r",(\s*[}\]])")
csv.field_size_limit(1 << 30)


@dataclass(frozen=True)
class Record:
    """A record at its first line: its values, or the code of why it has none; `is_sure` unless readers may differ."""

    line: int
    values: dict | None
    code: str | None = None
    is_sure: bool = True


class UnreadableError(Exception):
    """The file as a whole cannot be read."""


def read_file(name, content, required):
    """Records of a file of this name in order. Raises UnreadableError when it is damaged or lacks a required column."""
    plain_name, plain = _unpack(name, content)
    suffix = plain_name.rsplit(".", 1)[-1]
    if not plain:
        return []
    if suffix == "csv":
        return _read_csv(plain, required)
    return _read_parquet(plain, required) if suffix == "parquet" else _read_jsonl(plain)


def _unpack(name, content):
    if not content:
        return name, content
    try:
        if name.endswith(".gz"):
            return name.removesuffix(".gz"), gzip.decompress(content)
        if name.endswith(".zst"):
            with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as packed:
                return name.removesuffix(".zst"), packed.read()
        if name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return name.removesuffix(".zip"), archive.read(archive.namelist()[0])
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise UnreadableError(str(error)) from error
    return name, content


def _read_jsonl(plain):
    lines = plain.split(b"\n")
    return [_json_record(number, line) for number, line in enumerate(lines, start=1) if line.strip(b" \t\r")]


def _json_record(number, line):
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return Record(number, None, "bad_json")
    repeated = []
    try:
        values = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, repeated))
    except (ValueError, RecursionError):
        return Record(number, None, "bad_json", is_sure=not _is_nearly_json(text))
    if not isinstance(values, dict):
        return Record(number, None, "bad_json")
    return Record(number, values, is_sure=not repeated and not _is_odd(text))


def _once(pairs, repeated):
    found = dict(pairs)
    if len({key.casefold() for key in found}) < len(pairs):
        repeated.append(found)
    return found


def _is_nearly_json(text):
    """What lenient readers take: a trailing comma, a byte order mark."""
    try:
        json.loads(TRAILING_COMMA.sub(r"\1", text.lstrip("\ufeff")))
    except (ValueError, RecursionError):
        return False
    return True


def _is_odd(text):
    """What Python takes and others refuse: words for numbers, half of a pair of surrogates."""
    return "NaN" in text or "Infinity" in text or re.search(r"\\ud[89a-f]", text, re.IGNORECASE) is not None


def _read_csv(plain, required):
    plain = plain.removeprefix(b"\xef\xbb\xbf")
    rows = _csv_rows(plain)
    header = next(((line, row) for line, row, _, _ in rows if row), None)
    if header is None:
        return []
    names = [name.strip().casefold() for name in header[1]]
    if len(set(names)) < len(names) or not set(required) <= set(names):
        raise UnreadableError(f"header {names} lacks {set(required) - set(names)}")
    return [_csv_record(names, *each) for each in rows if each[1] and each[0] > header[0]]


def _csv_rows(plain):
    """(first line, fields, whether its bytes are text, whether RFC 4180 says the same) of each row, blank ones too."""
    lines = [line.decode(errors="surrogateescape") for line in plain.split(b"\n")]
    if lines[-1] == "":
        lines.pop()
    # A carriage return within a line is a line end to some and a value to others: a stand-in keeps it in place.
    kept = [line.removesuffix("\r").replace("\r", _RETURN) + ("\r" if line.endswith("\r") else "") for line in lines]
    reader = csv.reader(line + "\n" for line in kept)
    found, before = [], 0
    for row in reader:
        raw = "\n".join(lines[before : reader.line_num])
        is_text = all(not "\udc80" <= character <= "\udcff" for character in raw)
        found.append((before + 1, row, is_text, _is_strict(raw)))
        before = reader.line_num
    return found


_RETURN = "\ue000"
_FIELD = r'(?:"(?:[^"]|"")*"|[^",\r\n\x00]*)'
_STRICT = re.compile(rf"{_FIELD}(?:,{_FIELD})*\r?")


def _is_strict(raw):
    return _STRICT.fullmatch(raw) is not None and "\x00" not in raw and not raw.startswith(("\ufeff", " ", "\t"))


def _csv_record(names, line, row, is_text, is_strict):
    if not is_text:
        return Record(line, None, "invalid_encoding", is_sure=is_strict)
    if len(row) != len(names):
        return Record(line, None, "missing_columns" if len(row) < len(names) else "too_many_columns", is_sure=is_strict)
    values = [cell.replace(_RETURN, "\r") for cell in row]
    return Record(line, dict(zip(names, values, strict=True)), is_sure=is_strict)


def _read_parquet(plain, required):
    try:
        table = pq.read_table(pa.BufferReader(plain))
    except (pa.ArrowException, OSError) as error:
        raise UnreadableError(str(error)) from error
    missing = set(required) - {name.casefold() for name in table.column_names}
    if missing:
        raise UnreadableError(f"the file lacks {missing}")
    return [Record(number, values) for number, values in enumerate(table.to_pylist(), start=1)]
