"""The reference by hand on a few rows, and the lake beside it after random landings and real kills."""

import json
import random
from datetime import timedelta

import pytest

from recs_platform.contracts import columns as c
from recs_platform_tests.ingestion.batches import START, TOO_LONG, Author, land, pack
from recs_platform_tests.ingestion.children import ingest_here
from recs_platform_tests.ingestion.lakes import differences
from recs_platform_tests.ingestion.reference import Reference
from recs_platform_tests.ingestion.trials import Tally, try_kills

NOW = START + timedelta(days=100)
KILLS = 6


def lines(*rows):
    return "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows).encode()


def event(item, **more):
    return {c.USER_ID: "u", c.ITEM_ID: item, c.EVENT_TYPE: "view", c.OCCURRED_AT: "2024-01-02T00:00:00Z"} | more


def counted(reference):
    """(records, read, accepted, quarantined, duplicate) by file."""
    return {told[6]: told[:5] for told in reference.counts().values()}


def test_the_first_of_equal_rows_stands_and_each_refusal_has_its_line():
    reference = Reference()
    first = lines(event("a"), event("a"), "\n", event("b", event_id="e1"), "{\n", event("c", position=0))
    again = lines(event("a"), event("z", event_id="e1"), event("d", user_id=TOO_LONG))
    reference.ingest({"contract/events.1.jsonl": first, "contract/events.2.jsonl": again}, NOW)
    assert counted(reference) == {
        "contract/events.1.jsonl": (5, 5, 2, 2, 1),
        "contract/events.2.jsonl": (3, 3, 0, 1, 2),
    }
    assert [(line, code) for _, _, line, _, code in reference.quarantine] == [
        (5, "bad_json"), (6, "out_of_range_position"), (3, "too_long_user_id"),
    ]  # fmt: skip
    assert sorted(row[c.ITEM_ID] for row in reference.appended["events"].values()) == ["a", "b"]


def test_one_event_of_several_trackers_is_one_by_its_id_and_two_without():
    reference = Reference()
    reference.ingest(
        {
            "contract/events.jsonl": lines(event("a", event_id="e1"), event("b")),
            "tracker/events.jsonl": lines(event("a", event_id="e1"), event("b"), event("b")),
        },
        NOW,
    )
    assert counted(reference)["tracker/events.jsonl"] == (3, 3, 1, 0, 2)


def test_a_file_counts_once_whatever_it_is_called():
    reference = Reference()
    assert reference.ingest({"contract/events.jsonl": lines(event("a"))}, NOW)
    assert not reference.ingest({"contract/b/events.x.jsonl": lines(event("a"))}, NOW)


def test_the_last_of_a_user_in_a_batch_stands_and_what_says_nothing_new_is_a_repeat():
    reference = Reference()
    reference.ingest({"contract/users.csv": b"user_id,country\nu,PT\nu,BR\n"}, NOW)
    reference.ingest({"contract/users.2.csv": b"user_id,country\nu,DK\nu,BR\n"}, NOW + timedelta(days=1))
    assert counted(reference) == {"contract/users.csv": (2, 2, 1, 0, 1), "contract/users.2.csv": (2, 2, 0, 0, 2)}
    assert reference.current["users"]["u"][c.COUNTRY] == "BR"
    assert len(reference.history["users"]) == 1


def test_csv_lines_are_counted_through_quotes_and_blanks():
    reference = Reference()
    text = b'user_id,country\r\nu1,"P\r\nT"\r\n\r\nshort\r\nu2,PT,more\r\n'
    reference.ingest({"contract/users.csv.zst": pack(text, "zst")}, NOW)
    assert [(line, code) for _, _, line, _, code in reference.quarantine] == [
        (5, "missing_columns"), (6, "too_many_columns"),
    ]  # fmt: skip
    assert reference.current["users"]["u1"][c.COUNTRY] == "P\r\nT"


@pytest.mark.parametrize("seed", range(3))
def test_undisturbed_ingestions_give_what_the_reference_says(tmp_path, seed):
    author, reference, landing = Author(random.Random(seed)), Reference(), {}  # noqa: S311 - a seeded trial
    for step in range(4):
        files, now = author.step(), NOW + timedelta(days=step)
        landing |= files
        land(tmp_path, files)
        ingest_here(tmp_path, now)
        reference.ingest(landing, now)
        assert differences(reference, tmp_path) == []
    assert reference.unsure == 0


@pytest.mark.trial
def test_killed_ingestions_give_what_the_reference_says(parent, tmp_path):
    tally = Tally()
    try_kills(parent, tmp_path, 1, KILLS, tally)
    assert tally.faults == []
    assert tally.killed >= KILLS
