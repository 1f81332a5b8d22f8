"""The lake's raw tables as plain rows, and what sets them apart from the reference. Neither side is computed here."""

import re
from collections import Counter
from datetime import UTC, datetime

import polars as pl
from deltalake import DeltaTable

from recs_platform.contracts import columns as c
from recs_platform_tests.ingestion.reference import SHAPES

COUNTS = (c.RAW_RECORDS, c.ROWS_READ, c.ROWS_ACCEPTED, c.ROWS_QUARANTINED, c.ROWS_DUPLICATE)
_HASHED = re.compile(r"[0-9a-f]{32,64}")
_SHOWN = 3


def rows_of(home, table, columns=None):
    """Rows of a raw table, in no order; none when the lake has no such table."""
    folder = home / "lake" / "raw" / table
    if not DeltaTable.is_deltatable(str(folder)):
        return []
    return pl.read_delta(str(folder), columns=columns).to_dicts()


def differences(reference, home):
    """Sentences on all that is in the lake and not in the reference, or the other way round; none when they agree."""
    found = [
        *_events(reference.appended["events"], rows_of(home, "events")),
        *_ledger(reference.counts(), rows_of(home, "ingestions")),
        *_unlike("quarantine", reference.quarantine, _quarantine(home)),
    ]
    for table, rows in reference.appended.items():
        if table != "events":
            found += _unlike(table, rows.values(), rows_of(home, table))
    for table, current in reference.current.items():
        found += _unlike(table, current.values(), rows_of(home, table))
        found += _unlike(f"{table} history", reference.history[table], rows_of(home, f"{table[:-1]}_history"))
    return found


def imbalances(home):
    """What a reader may see at any instant, whatever was killed: only what the ledger names, and all of it."""
    ledger = rows_of(home, "ingestions")
    found = [
        f"{row[c.SOURCE_FILE]}: rows read are not accepted + quarantined + duplicate: {row}"
        for row in ledger
        if row[c.ROWS_READ] != row[c.ROWS_ACCEPTED] + row[c.ROWS_QUARANTINED] + row[c.ROWS_DUPLICATE]
    ]
    for table in [name for name, shape in SHAPES.items() if not shape.replaces]:
        held = Counter(row[c.FILE_HASH] for row in rows_of(home, table, [c.FILE_HASH]))
        told = {row[c.FILE_HASH]: row[c.ROWS_ACCEPTED] for row in ledger if row[c.CONTRACT_TABLE] == table}
        found += [
            f"{table}: {held[name]} rows of file {name}, accepted {told[name]}"
            for name in told
            if held[name] != told[name]
        ]
    rejected = Counter(tuple(row.values()) for row in rows_of(home, "quarantine", [c.FILE_HASH, c.CONTRACT_TABLE]))
    found += [
        f"quarantine of {row[c.SOURCE_FILE]}: {rejected[row[c.FILE_HASH], row[c.CONTRACT_TABLE]]} rows, told {row}"
        for row in ledger
        if rejected[row[c.FILE_HASH], row[c.CONTRACT_TABLE]] != row[c.ROWS_QUARANTINED]
    ]
    return found + [f"twice in the ledger: {key}" for key, times in _keys(ledger).items() if times > 1]


def taken_in_at(home):
    """Instants of the ingestions that reached the ledger, in order."""
    return sorted({row[c.INGESTED_AT] for row in rows_of(home, "ingestions", [c.INGESTED_AT])})


def _keys(ledger):
    return Counter((row[c.FILE_HASH], row[c.CONTRACT_TABLE]) for row in ledger)


def _events(expected, actual):
    """Rows by event_id where the file gave one; else all columns but the id, which must be a hash that no other has."""
    named = {row[c.EVENT_ID] for row in expected.values() if row[c.EVENT_ID] is not None}
    ids = Counter(row[c.EVENT_ID] for row in actual)
    found = [f"events: event_id {name} is there {times} times" for name, times in ids.items() if times > 1]
    unhashed = [name for name in ids if name not in named and not _HASHED.fullmatch(name or "")]
    found += [f"events: made-up event_id {name!r}" for name in unhashed[:_SHOWN]]
    plain = [row if row[c.EVENT_ID] in named else row | {c.EVENT_ID: None} for row in actual]
    return found + _unlike("events", expected.values(), plain)


def _ledger(expected, actual):
    told = {
        (row[c.FILE_HASH], row[c.CONTRACT_TABLE]): (
            *(row[name] for name in COUNTS), row[c.INGESTED_AT], row[c.SOURCE_FILE], row[c.SOURCE],
        )
        for row in actual
    }  # fmt: skip
    return _unlike("ledger", expected.items(), told.items())


def _quarantine(home):
    columns = (c.FILE_HASH, c.SOURCE_FILE, c.LINE_NUMBER, c.CONTRACT_TABLE, c.REASON_CODE)
    return [tuple(row[name] for name in columns) for row in rows_of(home, "quarantine")]


def _unlike(what, expected, actual):
    want, have = Counter(map(_frozen, expected)), Counter(map(_frozen, actual))
    lacks, strangers = list((want - have).elements()), list((have - want).elements())
    return [f"{what} lacks {len(lacks)} of {want.total()}: {row}" for row in lacks[:_SHOWN]] + [
        f"{what} has {len(strangers)} more: {row}" for row in strangers[:_SHOWN]
    ]


def _frozen(row):
    if isinstance(row, dict):
        return tuple((name, _frozen(row[name])) for name in sorted(row) if row[name] is not None)
    if isinstance(row, list | tuple):
        return tuple(map(_frozen, row))
    return row.astimezone(UTC) if isinstance(row, datetime) else row
