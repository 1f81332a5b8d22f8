"""Odd names, links, rights, growing files, a full disk: the rest goes through, and nothing is half ingested."""

import gzip
import os
import threading
from collections import Counter
from contextlib import contextmanager

import pytest

from recs_platform.contracts import columns as c
from recs_platform_tests.ingestion.houses import GOOD, HEADER, NOW, csv_line, jsonl
from recs_platform_tests.ingestion.lakes import imbalances

NOBODY = 65534


def test_a_symlink_is_refused_by_name_and_never_followed(house, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "events.jsonl").write_text(jsonl("secret"))
    (house.root / "landing/contract/events.jsonl").symlink_to(outside / "events.jsonl")
    (house.root / "landing/contract/folder").symlink_to(outside)
    report = house.ingest()
    assert house.bad_items() == []
    assert "contract/events.jsonl" in [name for name, _ in report["rejected"]]
    assert set(house.ledger()) == {GOOD}


def test_a_symlink_that_leads_nowhere_is_refused_by_name(house):
    (house.root / "landing/contract/events.jsonl").symlink_to("events.jsonl")
    assert "contract/events.jsonl" in [name for name, _ in house.ingest()["rejected"]]


ODD_NAMES = [
    "a..b/events...jsonl", "it's [x]*?/events.{1}.jsonl", "events.%41%2e.jsonl",
    "é/events.日本.jsonl",
    "events." + "x" * 230 + ".jsonl", "events.a;drop table b.jsonl", 'events."$1".jsonl', "events.\\.jsonl",
    " /events. .jsonl", "EVENTS.JSONL",
]  # fmt: skip


def test_odd_names_are_names_like_any_other(house):
    for number, name in enumerate(ODD_NAMES):
        house.put(f"contract/{name}", jsonl(f"item{number}") + "{\n" * (1 + number))
    house.ingest()
    assert set(house.items()) == {"good1", "good2", *(f"item{number}" for number in range(len(ODD_NAMES)))}
    assert set(house.ledger()) == {GOOD, *(f"contract/{name}" for name in ODD_NAMES)}
    assert Counter(house.lines()) == {line + 2: len(ODD_NAMES) - line for line in range(len(ODD_NAMES))}


def test_a_name_of_two_lines_is_refused_by_name(house):
    house.put("contract/events.new\nline.jsonl", jsonl("one"))
    assert [name for name, _ in house.ingest()["rejected"]] == ["contract/events.new\nline.jsonl"]
    assert house.bad_items() == []


def test_a_name_that_is_no_text_does_not_stop_the_others(house):
    folder = os.fsencode(house.root / "landing/contract")
    with open(folder + b"/events.\xff.jsonl", "w") as file:  # noqa: PTH123 - pathlib has no such name
        file.write(jsonl("one"))
    house.ingest()
    assert house.bad_items() in ([], ["one"])


def test_a_file_nobody_may_read_is_refused_by_name_until_it_may_be_read(house):
    path = house.put("contract/events.jsonl", jsonl("one"))
    path.chmod(0)
    options = {}
    if os.getuid() == 0:
        options["uid"] = NOBODY
        _give_to_nobody(house.root, path)
    report = house.ingest(**options)
    assert [name for name, _ in report["rejected"]] == ["contract/events.jsonl"]
    assert (house.bad_items(), house.rejected(), set(house.ledger())) == ([], [], {GOOD})
    path.chmod(0o644)
    assert house.ingest(**options)["rejected"] == []
    assert house.bad_items() == ["one"]


# Where pytest's folders lie.
TEMPORARY = ("/tmp", "/dev/shm")  # noqa: S108


def _give_to_nobody(root, kept):
    for folder in root.parents:
        if folder.stat().st_uid == 0 and any(folder.is_relative_to(temporary) for temporary in TEMPORARY):
            folder.chmod(folder.stat().st_mode | 0o011)
    for path in (root, *root.rglob("*")):
        if path != kept:
            os.chown(path, NOBODY, NOBODY)


@contextmanager
def growing(path):
    """A file to which a line is added every few milliseconds; gives the number of lines so far."""
    done, written = threading.Event(), Counter()

    def grow():
        while not done.wait(0.001):
            with path.open("a") as file:
                file.write(jsonl(f"more{written['lines']}"))
            written["lines"] += 1

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        yield written
    finally:
        done.set()
        writer.join()


@pytest.mark.parametrize("settle_seconds", [0.0, 0.2])
def test_a_file_that_grows_waits_for_the_next_time(house, settle_seconds):
    path = house.put("contract/events.jsonl", jsonl("one"))
    with growing(path) as written:
        report = house.ingest(settle_seconds=settle_seconds)
    assert report["settling"] == ["contract/events.jsonl"]
    assert (house.bad_items(), house.rejected()) == ([], [])
    house.ingest(settle_seconds=settle_seconds)
    assert len(house.bad_items()) == 1 + written["lines"]


def test_a_folder_with_a_file_name_is_a_folder(house):
    house.put("contract/events.csv/events.jsonl", jsonl("one"))
    house.ingest()
    assert (house.bad_items(), set(house.ledger())) == (["one"], {GOOD, "contract/events.csv/events.jsonl"})


def test_a_file_without_rows_is_taken_in_once_as_nothing(house):
    files = {
        "contract/events.csv": "", "contract/a/events.csv": HEADER, "contract/b/events.csv": HEADER.strip(),
        "contract/c/events.jsonl": "\n\n", "contract/users.jsonl": "", "contract/d/events.csv": "\n\n\n",
        "contract/e/events.jsonl.gz": gzip.compress(b""),
    }  # fmt: skip
    for name, content in files.items():
        house.put(name, content)
    house.ingest()
    assert {name: house.ledger()[name][c.ROWS_READ] for name in files} == dict.fromkeys(files, 0)
    assert house.rejected() == []
    assert house.ingest()["batch"] is None


def test_an_empty_parquet_file_is_accounted_for(house):
    house.put("contract/events.parquet", b"")
    house.ingest()
    row = house.ledger()["contract/events.parquet"]
    assert row[c.RAW_RECORDS] == row[c.ROWS_QUARANTINED] == len(house.rejected())


@pytest.mark.parametrize("free_bytes", [512, 20_000, 60_000])
@pytest.mark.parametrize("suffix", ["csv", "jsonl.gz"])
def test_a_full_disk_is_an_error_and_no_fault_of_the_files(house, free_bytes, suffix):
    rows = [f"item{number}" for number in range(3_000)]
    text = HEADER + "".join(map(csv_line, rows)) if suffix == "csv" else jsonl(*rows)
    house.put(f"contract/events.{suffix}", gzip.compress(text.encode()) if suffix.endswith("gz") else text)
    child = house.parent.start(house.root, NOW, file_size_max=free_bytes)
    error = house.parent.wait(child).error
    assert imbalances(house.root) == []
    assert not error or "recs_platform.contracts.errors." in error.splitlines()[-1]
    assert house.rejected() == []
    house.ingest()
    assert (len(house.bad_items()), house.rejected()) == (len(rows), [])
    assert set(house.items().values()) == {1}
