"""What ingestion must make of landed files, told a second time in plain Python over rows held in memory.

It shares column names with the platform and nothing else: it parses, checks, de-duplicates and counts by itself.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from recs_platform.contracts import columns as c
from recs_platform_tests.ingestion.records import Record, UnreadableError, read_file
from recs_platform_tests.ingestion.values import (
    BAD,
    BLANKS,
    UNSURE,
    as_code,
    as_id,
    as_instant,
    as_json,
    as_number,
    as_optional_id,
    as_text,
    as_texts,
    as_truth,
    as_whole,
    is_placeholder,
)

ID_LENGTH_MAX = 512
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), timedelta(days=1)
KINDS = [
    "impression", "view", "click", "scroll", "play", "like", "share", "comment", "bookmark", "follow", "download",
    "rating", "cart_add", "purchase", "subscribe", "dismiss",
]  # fmt: skip
IDS = (c.EVENT_ID, c.USER_ID, c.ITEM_ID, c.SESSION_ID, c.REQUEST_ID, c.ANONYMOUS_ID)


@dataclass(frozen=True)
class Shape:
    """A contract table: the type of each column a file may give, which it must, and what makes two rows one."""

    columns: dict
    required: tuple
    key: tuple = ()
    replaces: bool = False
    in_file: tuple = ()

    @property
    def file_columns(self):
        return self.in_file or self.required


EVENT_COLUMNS = {
    c.EVENT_ID: as_optional_id, c.USER_ID: as_id, c.ITEM_ID: as_id, c.EVENT_TYPE: as_code, c.OCCURRED_AT: as_instant,
    c.INGESTED_AT: as_instant, c.SESSION_ID: as_optional_id, c.VALUE: as_number, c.DWELL_SECONDS: as_number,
    c.SCROLL_FRACTION: as_number, c.POSITION: as_whole, c.REQUEST_ID: as_optional_id, c.PROPENSITY: as_number,
    c.DEVICE: as_text, c.OS: as_text, c.COUNTRY: as_text, c.REGION: as_text, c.REFERRER: as_text,
}  # fmt: skip
CONTENT = tuple(name for name in EVENT_COLUMNS if name not in (c.EVENT_ID, c.INGESTED_AT))
SHAPES = {
    "events": Shape(EVENT_COLUMNS, (c.USER_ID, c.ITEM_ID, c.EVENT_TYPE, c.OCCURRED_AT)),
    "items": Shape(
        {
            c.ITEM_ID: as_id, c.TITLE: as_text, c.BODY: as_text, c.CATEGORY: as_text, c.TAGS: as_texts,
            c.CREATOR: as_text, c.LANGUAGE: as_text, c.PRICE: as_number, c.PUBLISHED_AT: as_instant,
            c.AVAILABLE_FROM: as_instant, c.AVAILABLE_UNTIL: as_instant, c.ATTRIBUTES: as_json,
        },
        (c.ITEM_ID,), key=(c.ITEM_ID,), replaces=True,
    ),
    "users": Shape(
        {
            c.USER_ID: as_id, c.SIGNED_UP_AT: as_instant, c.COUNTRY: as_text, c.AGE_BAND: as_text,
            c.GENDER: as_text, c.SUBSCRIPTION: as_text, c.CONSENT_PERSONALIZATION: as_truth, c.ATTRIBUTES: as_json,
        },
        (c.USER_ID,), key=(c.USER_ID,), replaces=True,
    ),
    "item_tags": Shape(
        {c.ITEM_ID: as_id, c.TAG: as_text, c.TAGGED_AT: as_instant, c.INGESTED_AT: as_instant},
        (c.ITEM_ID, c.TAG), key=(c.ITEM_ID, c.TAG, c.TAGGED_AT),
    ),
    "identities": Shape(
        {c.ANONYMOUS_ID: as_id, c.USER_ID: as_id, c.VALID_FROM: as_instant, c.INGESTED_AT: as_instant},
        (c.ANONYMOUS_ID, c.USER_ID, c.VALID_FROM), key=(c.ANONYMOUS_ID, c.USER_ID, c.VALID_FROM),
    ),
    "consents": Shape(
        {
            c.USER_ID: as_id, c.PURPOSE: as_code, c.GRANTED: as_truth, c.OCCURRED_AT: as_instant,
            c.INGESTED_AT: as_instant,
        },
        (c.USER_ID, c.PURPOSE, c.GRANTED, c.OCCURRED_AT), key=(c.USER_ID, c.PURPOSE, c.GRANTED, c.OCCURRED_AT),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What becomes of a record before repeats are looked for: a row, the code of a refusal, or nothing certain."""

    line: int
    row: dict | None = None
    code: str | None = None


def judge(record: Record, table: str, now: datetime) -> Verdict:
    """Check one record against its contract table; neither row nor code when readers may differ on it."""
    if record.values is None:
        return Verdict(record.line, code=record.code if record.is_sure else None)
    if not record.is_sure:
        return Verdict(record.line)
    shape = SHAPES[table]
    given = {name.strip(BLANKS).casefold(): value for name, value in record.values.items()}
    row = {name: convert(given.get(name)) for name, convert in shape.columns.items()}
    if UNSURE in row.values():
        return Verdict(record.line)
    code = _fault(row, table, shape, now)
    return Verdict(record.line, None, code) if code else Verdict(record.line, row)


def _fault(row, table, shape, now):
    bad = [f"bad_{name}" for name, value in row.items() if value is BAD]
    missing = [f"missing_{name}" for name in shape.required if row[name] is None]
    return next(iter([*bad, *missing]), None) or next(_out_of_bounds(row, table, now), None)


def _out_of_bounds(row, table, now):
    def fails(name, holds):
        return row.get(name) is not None and not holds(row[name])

    if table == "events":
        if row[c.EVENT_TYPE] not in KINDS:
            yield "unknown_event_type"
        if not EARLIEST <= row[c.OCCURRED_AT] <= now + LATEST:
            yield f"bad_{c.OCCURRED_AT}"
    keys = (c.USER_ID, c.ITEM_ID, c.ANONYMOUS_ID)
    yield from (
        f"placeholder_{name}"
        for name in keys
        if fails(name, lambda text, name=name: not is_placeholder(text, name != c.ITEM_ID))
    )
    yield from (f"too_long_{name}" for name in IDS if fails(name, lambda text: len(text) <= ID_LENGTH_MAX))
    ranges = {
        c.INGESTED_AT: lambda instant: instant <= now,
        c.DWELL_SECONDS: lambda number: 0 <= number <= 1e9,
        c.SCROLL_FRACTION: lambda number: 0 <= number <= 1,
        c.POSITION: lambda number: number >= 1,
        c.PROPENSITY: lambda number: 0 < number <= 1,
        c.VALUE: lambda number: abs(number) <= 1e12,
        c.PRICE: lambda number: 0 <= number <= 1e12,
    }
    yield from (f"out_of_range_{name}" for name, holds in ranges.items() if fails(name, holds))
    if fails(c.ATTRIBUTES, _is_json):
        yield f"bad_{c.ATTRIBUTES}"


def _is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@dataclass
class Reference:
    """The raw tables as they must be after the ingestions so far.

    `appended`: rows of events, item_tags, identities and consents by what makes them one; `current` and `history`:
    rows of items and users; `quarantine`: (file_hash, source_file, line, table, code); `ledger` by (file_hash, table).
    """

    appended: dict = field(default_factory=lambda: {name: {} for name, shape in SHAPES.items() if not shape.replaces})
    current: dict = field(default_factory=lambda: {name: {} for name, shape in SHAPES.items() if shape.replaces})
    history: dict = field(default_factory=lambda: {name: [] for name, shape in SHAPES.items() if shape.replaces})
    quarantine: list = field(default_factory=list)
    ledger: dict = field(default_factory=dict)
    unsure: int = 0

    def ingest(self, landing: dict, now: datetime) -> bool:
        """Ingest `landing` (content by path relative to it) at `now`; says whether anything in it was new."""
        pending = self.pending(landing)
        latest = {name: {} for name in self.current}
        for name in pending:
            self._take_in(name, landing[name], now, latest)
        for table, rows in latest.items():
            self._replace(table, rows, now)
        return bool(pending)

    def pending(self, landing):
        """Names of files not ingested yet, in order of source and name; of equal ones the first."""
        seen, found = set(self.ledger), []
        for name in sorted(landing, key=lambda name: (name.split("/")[0], name)):
            key = (hashlib.sha256(landing[name]).hexdigest(), table_of(name))
            if key[1] in SHAPES and key not in seen:
                seen.add(key)
                found.append(name)
        return found

    def _take_in(self, name, content, now, latest):
        table, source, file_hash = table_of(name), name.split("/")[0], hashlib.sha256(content).hexdigest()
        platform = {c.FILE_HASH: file_hash, c.INGESTED_AT: now}
        counts = Counter()
        try:
            verdicts = [judge(record, table, now) for record in read_file(name, content, SHAPES[table].file_columns)]
        except UnreadableError:
            verdicts = [Verdict(None, code="unreadable_file")]
        for verdict in verdicts:
            if verdict.row is None:
                self.unsure += verdict.code is None
                counts["quarantined"] += 1
                self.quarantine.append((file_hash, name, verdict.line, table, verdict.code))
            elif SHAPES[table].replaces:
                beaten = latest[table].pop(verdict.row[SHAPES[table].key[0]], None)
                latest[table][verdict.row[SHAPES[table].key[0]]] = (verdict.row, counts)
                if beaten is not None:
                    beaten[1]["duplicate"] += 1
            else:
                counts["accepted" if self._append(table, verdict.row, source, platform) else "duplicate"] += 1
        self.ledger[file_hash, table] = {
            c.SOURCE_FILE: name, c.SOURCE: source, c.RAW_RECORDS: len(verdicts), "counts": counts, c.INGESTED_AT: now,
        }  # fmt: skip

    def _append(self, table, row, source, platform):
        """Add a row unless it is there; the first stands."""
        key = tuple(row[name] for name in SHAPES[table].key)
        if table == "events":
            content = tuple(row[name] for name in CONTENT)
            key = row[c.EVENT_ID] if row[c.EVENT_ID] is not None else (source, *content)
            platform = platform | {c.SOURCE: source, c.EVENT_DATE: row[c.OCCURRED_AT].date()}
        if key in self.appended[table]:
            return False
        told = {} if row[c.INGESTED_AT] is None else {c.INGESTED_AT: row[c.INGESTED_AT]}
        self.appended[table][key] = row | platform | told
        return True

    def _replace(self, table, rows, now):
        for key, (row, counts) in rows.items():
            if self.current[table].get(key) == row:
                counts["duplicate"] += 1
                continue
            counts["accepted"] += 1
            self.current[table][key] = row
            for version in self.history[table]:
                if version[SHAPES[table].key[0]] == key and version[c.VALID_TO] is None:
                    version[c.VALID_TO] = now
            self.history[table].append(row | {c.VALID_FROM: now, c.VALID_TO: None})

    def counts(self):
        """(raw_records, read, accepted, quarantined, duplicate, ingested_at, source_file, source) by file and table."""
        return {
            key: (
                told[c.RAW_RECORDS], sum(told["counts"].values()), told["counts"]["accepted"],
                told["counts"]["quarantined"], told["counts"]["duplicate"], told[c.INGESTED_AT],
                told[c.SOURCE_FILE], told[c.SOURCE],
            )
            for key, told in self.ledger.items()
        }  # fmt: skip


def table_of(name):
    """Table that a file of the contract source feeds: its name up to the first dot."""
    return name.rsplit("/", 1)[-1].split(".")[0].lower()
