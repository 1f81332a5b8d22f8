"""A home with one good file in landing, for tests that put a bad one beside it. What is bad is told in the tests."""

import json
from collections import Counter
from datetime import timedelta

from recs_platform.contracts import columns as c
from recs_platform_tests.ingestion.batches import START
from recs_platform_tests.ingestion.children import ingest_here
from recs_platform_tests.ingestion.lakes import imbalances, rows_of

NOW = START + timedelta(days=100)
HEADER = "item_id,user_id,event_type,occurred_at,referrer\n"
GOOD = "contract/zz/events.jsonl"


class House:
    """A home with a good file in landing, beside which each test puts a bad one."""

    def __init__(self, root, parent):
        self.root, self.parent = root, parent
        self.put(GOOD, jsonl("good1", "good2"))

    def put(self, name, content):
        path = self.root / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def ingest(self, **options):
        """Ingest what is there, as another user in a child; the good file must be in, and the ledger must balance."""
        ingest = self.parent.ingest if "uid" in options else ingest_here
        report = ingest(self.root, NOW, **options)
        assert imbalances(self.root) == []
        assert {"good1", "good2"} <= set(self.items())
        return report

    def items(self):
        """Items of accepted events, which tests name after their rows."""
        return Counter(row[c.ITEM_ID] for row in rows_of(self.root, "events", [c.ITEM_ID]))

    def bad_items(self):
        """The same without those of the good file."""
        return sorted(set(self.items()) - {"good1", "good2"})

    def rejected(self):
        """(line, code) of each quarantined row."""
        return self.refused_in("")

    def refused_in(self, name):
        rows = rows_of(self.root, "quarantine", [c.SOURCE_FILE, c.LINE_NUMBER, c.REASON_CODE])
        of_it = [row for row in rows if row[c.SOURCE_FILE].startswith(name)]
        return sorted(((row[c.LINE_NUMBER], row[c.REASON_CODE]) for row in of_it), key=str)

    def lines(self):
        return sorted(line for line, _ in self.rejected())

    def ledger(self):
        return {row[c.SOURCE_FILE]: row for row in rows_of(self.root, "ingestions")}


def event(item, **more):
    return {
        c.ITEM_ID: item, c.USER_ID: "u1", c.EVENT_TYPE: "view", c.OCCURRED_AT: "2024-01-01T00:00:00Z", c.REFERRER: None,
    } | more  # fmt: skip


def jsonl(*items):
    return "".join(json.dumps(event(item)) + "\n" for item in items)


def csv_line(item, referrer=""):
    return f"{item},u1,view,2024-01-01T00:00:00Z,{referrer}\n"
