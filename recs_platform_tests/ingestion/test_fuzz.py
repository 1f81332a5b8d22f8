"""Ten thousand mutated rows a format: nothing crashes, every record is accounted for, and what is certain is right."""

from collections import Counter, defaultdict
from datetime import timedelta

import pytest

from recs_platform.contracts import columns as c
from recs_platform_tests.ingestion.batches import START, land
from recs_platform_tests.ingestion.children import ingest_here
from recs_platform_tests.ingestion.lakes import imbalances, rows_of
from recs_platform_tests.ingestion.mutations import csv_files, damaged_files, jsonl_files, parquet_files
from recs_platform_tests.ingestion.records import UnreadableError, read_file
from recs_platform_tests.ingestion.reference import SHAPES, Verdict, judge

pytestmark = pytest.mark.trial

NOW = START + timedelta(days=300)
ROWS = 10_000
EVENTS = SHAPES["events"]


def verdicts_on(name, content):
    try:
        return [judge(record, "events", NOW) for record in read_file(name, content, EVENTS.required)]
    except UnreadableError:
        return [Verdict(None, code="unreadable_file")]


def as_row(row):
    return tuple(row[name] for name in EVENTS.columns if name != c.INGESTED_AT)


class Found:
    """What the lake holds, by landed file."""

    def __init__(self, home):
        self.ledger = {row[c.SOURCE_FILE]: row for row in rows_of(home, "ingestions")}
        name_of = {row[c.FILE_HASH]: name for name, row in self.ledger.items()}
        self.rows, self.rejected = defaultdict(Counter), defaultdict(Counter)
        for row in rows_of(home, "events"):
            self.rows[name_of[row[c.FILE_HASH]]][as_row(row)] += 1
        for row in rows_of(home, "quarantine"):
            self.rejected[row[c.SOURCE_FILE]][row[c.LINE_NUMBER]] += 1

    def faults(self, name, verdicts):
        """What contradicts the verdicts; where none is certain, a record may have been ingested or not."""
        unsure = Counter(verdict.line for verdict in verdicts if verdict.row is None and verdict.code is None)
        rejected = Counter(verdict.line for verdict in verdicts if verdict.code is not None)
        accepted = Counter(as_row(verdict.row) for verdict in verdicts if verdict.row is not None)
        # Rows without an id of their own get one from their content.
        rows = Counter({row if row in accepted else (None, *row[1:]): n for row, n in self.rows[name].items()})
        ledger = self.ledger[name]
        yield from (f"{name}:{line} should have been rejected" for line in rejected - self.rejected[name])
        yield from (f"{name}:{line} should not have been" for line in self.rejected[name] - rejected - unsure)
        yield from (f"{name}: not ingested: {row}" for row in (accepted - rows))
        if (rows - accepted).total() > unsure.total():
            yield f"{name}: {(rows - accepted).total()} rows more than expected, {unsure.total()} of them uncertain"
        if ledger[c.RAW_RECORDS] != len(verdicts) or ledger[c.ROWS_READ] != len(verdicts):
            yield f"{name}: {len(verdicts)} records, told {ledger[c.RAW_RECORDS]} and {ledger[c.ROWS_READ]} rows"


@pytest.mark.parametrize(("write", "seed"), [(jsonl_files, 3), (csv_files, 5), (parquet_files, 7)])
def test_every_mutated_row_is_accounted_for(tmp_path, write, seed):
    files = write(seed, ROWS)
    land(tmp_path, files)
    ingest_here(tmp_path, NOW)
    found = Found(tmp_path)
    assert imbalances(tmp_path) == []
    assert set(found.ledger) == set(files)
    verdicts = {name: verdicts_on(name, content) for name, content in files.items()}
    assert [fault for name in files for fault in found.faults(name, verdicts[name])] == []
    certain = [verdict for each in verdicts.values() for verdict in each if verdict.row or verdict.code]
    assert len(certain) > ROWS / 3


def test_damaged_parquet_files_are_read_or_refused_whole(tmp_path):
    files = damaged_files(11, 100)
    land(tmp_path, files)
    ingest_here(tmp_path, NOW)
    ledger = {row[c.SOURCE_FILE]: row for row in rows_of(tmp_path, "ingestions")}
    assert imbalances(tmp_path) == []
    assert set(ledger) == set(files)
    unreadable = {row[c.SOURCE_FILE] for row in rows_of(tmp_path, "quarantine") if row[c.LINE_NUMBER] is None}
    assert {name for name, row in ledger.items() if row[c.RAW_RECORDS] == 1} == unreadable
    assert {row[c.RAW_RECORDS] for name, row in ledger.items() if name not in unreadable} == {50}
