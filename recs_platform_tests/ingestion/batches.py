"""Seeded random files for landing: good, bad, repeated and late rows in every format, cut and dropped again at random.

What ingestion must make of them is the reference's matter.
"""

import csv
import gzip
import io
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from recs_platform.contracts import columns as c
from recs_platform_tests.ingestion.reference import ID_LENGTH_MAX, KINDS, SHAPES
from recs_platform_tests.ingestion.values import BAD, as_number, as_truth, as_whole

START = datetime(2024, 1, 1, tzinfo=UTC)
TOO_LONG = "x" * (ID_LENGTH_MAX + 1)
ODD_TEXTS = [
    "",
    "é",
    "a,b",
    'say "hi"',
    "two\nlines",
    "\x1f\x07",
    " spaced ",
    "日本",
    "x" * ID_LENGTH_MAX,
    "'; --",
    "NULL",
]
# One fault a row, so that its reason is certain.
FAULTS = {
    "events": [
        {c.USER_ID: None}, {c.ITEM_ID: ""}, {c.EVENT_TYPE: None}, {c.EVENT_TYPE: "glance"}, {c.OCCURRED_AT: None},
        {c.OCCURRED_AT: "soon"}, {c.OCCURRED_AT: "1989-12-31T23:59:59Z"}, {c.OCCURRED_AT: "2999-01-01T00:00:00Z"},
        {c.OCCURRED_AT: "2024-02-30T00:00:00Z"}, {c.INGESTED_AT: "2999-01-01T00:00:00Z"}, {c.INGESTED_AT: "never"},
        {c.DWELL_SECONDS: "-0.5"}, {c.DWELL_SECONDS: "inf"}, {c.SCROLL_FRACTION: "1.01"}, {c.POSITION: "0"},
        {c.POSITION: "9999999999"}, {c.PROPENSITY: "0"}, {c.PROPENSITY: "1.5"}, {c.VALUE: "much"}, {c.VALUE: "nan"},
        *({name: TOO_LONG} for name in (c.EVENT_ID, c.USER_ID, c.ITEM_ID, c.SESSION_ID, c.REQUEST_ID)),
    ],
    "items": [{c.ITEM_ID: None}, {c.PRICE: "cheap"}, {c.PUBLISHED_AT: "lately"}, {c.ATTRIBUTES: "{"}, {c.PRICE: "inf"}],
    "users": [{c.USER_ID: None}, {c.SIGNED_UP_AT: "once"}, {c.CONSENT_PERSONALIZATION: "perhaps"}],
    "item_tags": [{c.TAG: None}, {c.TAGGED_AT: "then"}, {c.INGESTED_AT: "2999-01-01"}],
    "identities": [{c.ANONYMOUS_ID: None}, {c.VALID_FROM: None}, {c.ANONYMOUS_ID: TOO_LONG}],
    "consents": [{c.GRANTED: "perhaps"}, {c.PURPOSE: None}, {c.OCCURRED_AT: "then"}],
}  # fmt: skip
BAD_LINES = ["{", '{"user_id": "u1",', "[1, 2]", "17", "nothing", '{"user_id": "u1"} {"user_id": "u2"}', '"text"']
LINE_ENDS = ["\n", "\n", "\r\n"]
TABLES = ["events"] * 6 + ["items", "users", "users", "item_tags", "identities", "consents"]
PLACES = ["contract", "contract", "contract/a", "contract/b/c", "tracker"]


@dataclass
class Author:
    """Writes one landing after another; what it wrote before, it may repeat, change or send through another tracker."""

    rng: object
    rows_max: int = 40
    drops: dict = field(default_factory=dict)
    sent: dict = field(default_factory=lambda: {name: [] for name in SHAPES})
    number: int = 0

    def step(self):
        """Files to put into landing: content by path relative to it, some of it there before."""
        files = dict(self._drop() for _ in range(self.rng.randint(1, 4)))
        if self.drops and self.rng.random() < 0.5:
            files |= self._again()
        self.drops |= files
        return files

    def _drop(self):
        table = self.rng.choice(TABLES)
        rows = [self._row(table) for _ in range(self.rng.choice([0, 1, 3, self.rows_max]))]
        suffix = self.rng.choice(["csv", "jsonl", "parquet"])
        packing = "" if suffix == "parquet" else self.rng.choice(["", "", "gz", "zst"])
        content = pack(getattr(self, f"_{suffix}")(table, rows), packing)
        if packing == "gz" and self.rng.random() < 0.15:
            content = content[: len(content) * 2 // 3]
        if self.rng.random() < 0.03:
            content = b""
        self.number += 1
        name = f"{self.rng.choice(PLACES)}/{table}.{self.number}.{suffix}{packing and '.' + packing}"
        return name, content

    def _again(self):
        """A file that was there before: as it was, under another name, for another tracker, or with other content."""
        name, content = self.rng.choice(list(self.drops.items()))
        folder, _, base = name.rpartition("/")
        table, _, rest = base.partition(".")
        match self.rng.choice(["same", "renamed", "tracker", "grown"]):
            case "renamed":
                return {f"{folder}/{table}.again{self.rng.randint(0, 9)}.{rest}": content}
            case "tracker":
                return {f"tracker/again/{base}": content}
            case "grown" if base.endswith(".jsonl"):
                return {name: content + self._jsonl(table, [self._row(table)])}
            case _:
                return {name: content}

    def _row(self, table):
        if self.sent[table] and self.rng.random() < 0.3:
            return self._resent(table)
        row = getattr(self, f"_{table}")()
        if self.rng.random() < 0.15:
            return row | self.rng.choice(FAULTS[table])
        if self.rng.random() < 0.1:
            texts = [name for name in row if name in (c.DEVICE, c.REFERRER, c.TITLE, c.BODY, c.GENDER, c.TAG)]
            row |= {name: self.rng.choice(ODD_TEXTS) or None for name in texts[:1]} if table != "item_tags" else {}
        self.sent[table].append(row)
        return row

    def _resent(self, table):
        """The same row again, or one of the same identity that says something else."""
        row = self.rng.choice(self.sent[table])
        if table == "events" and row.get(c.EVENT_ID) and self.rng.random() < 0.3:
            return row | {c.VALUE: str(self.rng.randint(1, 5))}
        if table == "users" and self.rng.random() < 0.5:
            return row | {c.COUNTRY: self.rng.choice(["PT", "BR", "DK"])}
        if table == "items" and self.rng.random() < 0.5:
            return row | {c.TITLE: f"Edition {self.rng.randint(1, 9)}"}
        return row

    def _maybe(self, share, make):
        return make() if self.rng.random() < share else None

    def _instant(self):
        instant = START + timedelta(seconds=self.rng.randint(0, 90 * 86_400))
        kind = self.rng.choice(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.250+02:00", "%Y-%m-%d"])
        return instant.strftime(kind)

    def _events(self):
        pick = self.rng.randint
        return {
            c.EVENT_ID: self._maybe(0.5, lambda: f"e{pick(0, 10_000)}"), c.USER_ID: f"u{pick(0, 20)}",
            c.ITEM_ID: str(pick(0, 50)), c.EVENT_TYPE: self.rng.choice(KINDS), c.OCCURRED_AT: self._instant(),
            c.INGESTED_AT: self._maybe(0.2, lambda: f"2024-01-0{pick(1, 9)}T00:00:00Z"),
            c.SESSION_ID: self._maybe(0.5, lambda: f"s{pick(0, 9)}"),
            c.VALUE: self._maybe(0.3, lambda: str(pick(1, 5))),
            c.DWELL_SECONDS: self._maybe(0.3, lambda: f"{pick(0, 99)}.5"),
            c.SCROLL_FRACTION: self._maybe(0.2, lambda: self.rng.choice(["0", "1", "0.25"])),
            c.POSITION: self._maybe(0.3, lambda: str(pick(1, 20))),
            c.REQUEST_ID: self._maybe(0.3, lambda: f"r{pick(0, 9)}"),
            c.PROPENSITY: self._maybe(0.2, lambda: self.rng.choice(["1", "0.125", "1e-3"])),
            c.DEVICE: self._maybe(0.5, lambda: self.rng.choice(["phone", "desktop"])),
            c.COUNTRY: self._maybe(0.3, lambda: "PT"), c.REFERRER: self._maybe(0.2, lambda: "https://example.com/?a=1,2"),
        }  # fmt: skip

    def _items(self):
        return {
            c.ITEM_ID: str(self.rng.randint(0, 12)), c.TITLE: self._maybe(0.8, lambda: f"Title {self.number}"),
            c.BODY: self._maybe(0.3, lambda: "first\nsecond"),
            c.TAGS: self._maybe(0.5, lambda: self.rng.choice(["a|b", '["a", "b c"]', "a"])),
            c.PRICE: self._maybe(0.5, lambda: f"{self.rng.randint(1, 99)}.5"),
            c.PUBLISHED_AT: self._maybe(0.5, self._instant),
            c.ATTRIBUTES: self._maybe(0.3, lambda: '{"pages":12}'),
        }  # fmt: skip

    def _users(self):
        return {
            c.USER_ID: f"u{self.rng.randint(0, 9)}", c.SIGNED_UP_AT: self._maybe(0.5, self._instant),
            c.COUNTRY: self._maybe(0.5, lambda: "PT"), c.GENDER: self._maybe(0.3, lambda: "f"),
            c.CONSENT_PERSONALIZATION: self._maybe(0.5, lambda: self.rng.choice(["true", "false"])),
        }  # fmt: skip

    def _item_tags(self):
        return {
            c.ITEM_ID: str(self.rng.randint(0, 9)), c.TAG: self.rng.choice(ODD_TEXTS[1:]),
            c.TAGGED_AT: self._maybe(0.7, self._instant),
        }  # fmt: skip

    def _identities(self):
        pick = self.rng.randint
        return {
            c.ANONYMOUS_ID: f"anon{pick(0, 9)}", c.USER_ID: f"u{pick(0, 9)}", c.VALID_FROM: f"2024-01-0{pick(1, 4)}",
        }  # fmt: skip

    def _consents(self):
        return {
            c.USER_ID: f"u{self.rng.randint(0, 9)}", c.PURPOSE: "personalization",
            c.GRANTED: self.rng.choice(["true", "false"]), c.OCCURRED_AT: f"2024-01-0{self.rng.randint(1, 4)}",
        }  # fmt: skip

    def _csv(self, table, rows):
        names = _columns(table, rows)
        end = self.rng.choice(["\n", "\r\n"])
        text = io.StringIO()
        writer = csv.writer(text, lineterminator=end, quoting=self.rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
        writer.writerow(names)
        for row in rows:
            ragged = self.rng.random()
            cells = ["" if row.get(name) is None else row[name] for name in names]
            writer.writerow(cells[:-1] if ragged < 0.04 and len(cells) > 1 else cells + ["more"] * (ragged > 0.96))
            if self.rng.random() < 0.05:
                text.write(end)
        return self.rng.choice(["", "\ufeff"]).encode() + text.getvalue().encode()

    def _jsonl(self, table, rows):
        lines = []
        for row in rows:
            kept = {name: value for name, value in row.items() if value is not None or self.rng.random() < 0.5}
            lines.append(json.dumps({name: self._native(table, name, value) for name, value in kept.items()}))
            if self.rng.random() < 0.05:
                lines.append(self.rng.choice([*BAD_LINES, "", "  "]))
        return "".join(line + self.rng.choice(LINE_ENDS) for line in lines).encode()

    def _native(self, table, name, value):
        """A number or truth as such where the text stands for one, or as text."""
        convert = SHAPES[table].columns[name]
        if value is None or convert not in (as_number, as_whole, as_truth) or self.rng.random() < 0.5:
            return value
        found = convert(value)
        return found if found in (True, False) or (isinstance(found, int | float) and abs(found) < 1e9) else value

    def _parquet(self, table, rows):
        """All columns as text, or each that can be in a type of its own."""
        names = _columns(table, rows)
        columns = {name: [row.get(name) for row in rows] for name in names}
        if self.rng.random() < 0.5:
            columns = {name: _typed(SHAPES[table].columns[name], values) for name, values in columns.items()}
        arrays = [_array(values) for values in columns.values()]
        file = io.BytesIO()
        pq.write_table(pa.table(arrays, names=list(columns)), file, compression=self.rng.choice(["snappy", "zstd"]))
        return file.getvalue()


def _columns(table, rows):
    used = {name for row in rows for name, value in row.items() if value is not None}
    return [name for name in SHAPES[table].columns if name in used or name in SHAPES[table].required]


def _typed(convert, values):
    found = [convert(value) for value in values]
    return values if BAD in found else found


def _array(values):
    array = pa.array(values)
    return array.cast(pa.string()) if pa.types.is_null(array.type) else array


def pack(content, packing):
    if packing == "gz":
        return gzip.compress(content, mtime=0)
    if packing == "zst":
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as packed:
            packed.write(content)
        return sink.getvalue().to_pybytes()
    return content


def land(home, files):
    """Put files into landing the way the docs ask for: aside, then renamed."""
    for name, content in files.items():
        path = home / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.part")
        aside.write_bytes(content)
        # All of one instant: then their names say which comes first.
        os.utime(aside, (0, 1_704_067_200))
        aside.rename(path)
