"""Rows made wrong in many ways, by a seed, in files of one format. How they are judged is not told here.

Ids are long and random, so that no mutation makes one row another's repeat.
"""

import csv
import io
import json
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from recs_platform_tests.ingestion.reference import KINDS

# A file costs an ingestion as much as hundreds of rows. What changes a column of Parquet changes it for a whole file.
TEXT_ROWS_A_FILE, PARQUET_ROWS_A_FILE = 1_000, 500
START = datetime(2024, 1, 1, tzinfo=UTC)
COLUMNS = [
    "event_id", "user_id", "item_id", "event_type", "occurred_at", "session_id", "value", "dwell_seconds",
    "scroll_fraction", "position", "request_id", "propensity", "device", "country", "referrer",
]  # fmt: skip
INSERTED = [
    b'"', b"\n", b"\x00", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3", b"\r", b",", b"\\", b"{", b"}", b"\r\n", b"\n\n", b"'",
    b'""', b"[", b"\x1f", b"\\u0000", b"\\ud800", b'":', b"\t", b"\x01", b"\x80", b"\xf0\x9f\x98\x80", b"//", b"#",
]  # fmt: skip
ODD_TEXTS = [
    "", " ", "NULL", "nan", "inf", "-1", "0", "1e400", "9" * 40, "1_000", "0x1F", "١٢", "12abc", "true", "epoch",
    "infinity",
    "2024-02-30", "0000-00-00", "9999-12-31T23:59:59Z", "2024-01-01T25:00:00Z", "1704067200",
    "x" * 513, "y" * 70_000,
    "a\tb", "a\x07b", "😀" * 3, "c'; drop table events; --", "[1,2", '{"a":1}', "%s", "..", "\u202e", "\x7f",
    "many words",
]  # fmt: skip
ODD_JSON = [
    None, True, False, 0, -1, 5, 1.5, 10**30, -(10**18), 3e300, [], {}, [1, "a"], {"a": {"b": [None]}}, float("nan"),
    float("inf"), "\x00", "\ud800", "\u0001",
]  # fmt: skip


def jsonl_files(seed, rows):
    """`rows` mutated events as JSONL, content by name."""
    return _files("jsonl", seed, rows, TEXT_ROWS_A_FILE, _jsonl)


def csv_files(seed, rows):
    return _files("csv", seed, rows, TEXT_ROWS_A_FILE, _csv)


def parquet_files(seed, rows):
    return _files("parquet", seed, rows, PARQUET_ROWS_A_FILE, _parquet)


def damaged_files(seed, count):
    """Parquet files with a few bytes changed, cut out or put in."""
    rng = random.Random(seed)  # noqa: S311 - seeded trials, no secrets
    found = {}
    for number in range(count):
        content = bytearray(_write([pa.array([row[name] for row in _rows(rng, 50)]) for name in COLUMNS], COLUMNS))
        for _ in range(rng.choice([1, 1, 4, 32])):
            _damage(rng, content)
        found[f"contract/{number:03}/events.parquet"] = bytes(content)
    return found


def _files(suffix, seed, rows, rows_a_file, write):
    rng = random.Random(seed)  # noqa: S311 - seeded trials, no secrets
    return {
        f"contract/{number:03}/events.{suffix}": write(rng, _rows(rng, rows_a_file))
        for number in range(rows // rows_a_file)
    }


def _rows(rng, count):
    return [
        {
            "event_id": f"{rng.getrandbits(64):016x}", "user_id": f"{rng.getrandbits(64):016x}",
            "item_id": f"{rng.getrandbits(64):016x}", "event_type": rng.choice(KINDS),
            "occurred_at": (START + timedelta(seconds=rng.randint(0, 10**7))).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "session_id": f"{rng.getrandbits(64):016x}", "value": str(rng.randint(1, 5)), "dwell_seconds": "12.5",
            "scroll_fraction": "0.25", "position": str(rng.randint(1, 20)), "request_id": f"r{rng.randint(1, 99)}",
            "propensity": "0.5", "device": "phone", "country": "PT", "referrer": "https://example.com/a",
        }
        for _ in range(count)
    ]  # fmt: skip


def _damage(rng, content):
    """One byte flipped, cut or put in, or the rest cut off, anywhere."""
    at = rng.randrange(len(content) or 1)
    match rng.choice(["flip", "flip", "cut", "insert", "end"]):
        case "flip" if content:
            content[at] ^= 1 << rng.randrange(8)
        case "cut":
            del content[at : at + rng.randint(1, 8)]
        case "insert":
            content[at:at] = rng.choice(INSERTED)
        case _:
            del content[at if rng.random() < 0.2 else len(content) - 1 :]


def _jsonl(rng, rows):
    lines = []
    for row in rows:
        values = {name: value for name, value in row.items() if rng.random() < 0.9 or name in COLUMNS[:5]}
        kind = rng.random()
        if kind < 0.45:
            values[rng.choice(COLUMNS[1:])] = rng.choice([*ODD_JSON, *ODD_TEXTS])
        line = json.dumps(values, ensure_ascii=rng.random() < 0.5).encode(errors="surrogatepass")
        if kind > 0.55:
            line = _damaged_line(rng, line)
        if 0.45 < kind < 0.5:
            line = line.replace(
                b"{", rng.choice([b'{"user_id": "other", ', b'{"USER_ID": 1, ', b'{"a": {"b": [1]}, ']), 1
            )
        lines.append(line)
    return _ended(rng, lines)


def _csv(rng, rows):
    lines = [",".join(COLUMNS).encode()]
    for row in rows:
        kind = rng.random()
        cells = list(row.values())
        if kind < 0.4:
            cells[rng.randrange(1, len(cells))] = rng.choice(ODD_TEXTS)
        text = io.StringIO()
        csv.writer(text, lineterminator="", quoting=rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])).writerow(cells)
        line = text.getvalue().encode()
        if kind > 0.5:
            line = _damaged_line(rng, line)
        lines.append(line)
    return _ended(rng, lines)


def _damaged_line(rng, line):
    changed = bytearray(line)
    _damage(rng, changed)
    return bytes(changed)


def _ended(rng, lines):
    """Lines with one kind of end, or a mixture, and with or without the last one."""
    ends = rng.choice([[b"\n"], [b"\n"], [b"\r\n"], [b"\n", b"\r\n"], [b"\n", b"\n\n"]])
    whole = b"".join(line + rng.choice(ends) for line in lines)
    return (b"\xef\xbb\xbf" if rng.random() < 0.1 else b"") + (whole.rstrip(b"\r\n") if rng.random() < 0.2 else whole)


def _parquet(rng, rows):
    """Some columns of another type, some values of no meaning, some columns not there or not known."""
    columns = {name: pa.array([row[name] for row in rows]) for name in COLUMNS}
    for name in rng.sample(COLUMNS[1:], rng.choice([0, 1, 1, 2])):
        columns[name] = rng.choice(_RETYPED)(rng, [row[name] for row in rows])
    for name in rng.sample(COLUMNS[1:], rng.randint(0, 2)):
        values = columns[name].to_pylist() if pa.types.is_string(columns[name].type) else None
        if values is not None:
            columns[name] = pa.array([rng.choice(ODD_TEXTS) if rng.random() < 0.3 else value for value in values])
    if rng.random() < 0.3:
        columns.pop(rng.choice(COLUMNS[5:]))
    if rng.random() < 0.3:
        columns["unheard_of"] = pa.array(range(len(rows)))
    return _write(list(columns.values()), list(columns))


def _write(arrays, names):
    file = io.BytesIO()
    pq.write_table(pa.table(arrays, names=names), file)
    return file.getvalue()


_DAY = date(2024, 1, 1)
_NAIVE = datetime(2024, 1, 1)  # noqa: DTZ001 - files hold instants without a zone
_RETYPED = [
    lambda rng, texts: pa.array([rng.choice([None, 1.5, float("nan"), float("inf"), -2.0, 3e300]) for _ in texts]),
    lambda rng, texts: pa.array([rng.randint(-5, 2**62) for _ in texts]),
    lambda rng, texts: pa.array([rng.randint(0, 9) for _ in texts], pa.uint8()),
    lambda rng, texts: pa.array([rng.random() < 0.5 for _ in texts]),
    lambda _, texts: pa.array([_DAY for _ in texts]),
    lambda _, texts: pa.array([_NAIVE for _ in texts], pa.timestamp("ms")),
    lambda _, texts: pa.array([START for _ in texts], pa.timestamp("ns", "UTC")),
    lambda _, texts: pa.array([START for _ in texts], pa.timestamp("us", "America/Sao_Paulo")),
    lambda _, texts: pa.array(texts).dictionary_encode(),
    lambda _, texts: pa.array(texts, pa.large_string()),
    lambda _, texts: pa.array([text.encode() for text in texts]),
    lambda _, texts: pa.array([b"\xff\x00" for _ in texts]),
    lambda _, texts: pa.array([Decimal("1.25") for _ in texts]),
    lambda _, texts: pa.array([[text] for text in texts]),
    lambda _, texts: pa.array([{"a": text} for text in texts]),
    lambda _, texts: pa.nulls(len(texts)),
]
