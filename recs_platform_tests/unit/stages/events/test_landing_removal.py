"""Landed files without one person's records, in every format and packing that ingestion reads."""

import gzip
import json
import os
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from recs_platform.contracts.home import Home
from recs_platform.lake.tables import Lake
from recs_platform.pipeline.platform import sql_folder
from recs_platform.stages.events import Privacy, load_sources, source_fault
from recs_platform.stages.events.ingestion import IngestContext
from recs_platform.stages.events.landing_removal import LandingRemoval, remove_from_landing
from recs_platform.stages.events.people import Person
from recs_platform.stages.events.pseudonyms import pseudonym

NOW = datetime(2024, 5, 1, tzinfo=UTC)
GONE, STAYS = "42", "142"
HEADER = b"user_id,item_id,event_type,occurred_at,referrer\n"
# An item of the same number, a quoted value over two lines, a half line, an id of three digits that holds the two.
CSV = (
    (b"142,42,click,2024-01-01T00:00:00Z,\n", True),
    (b"42,7,click,2024-01-01T00:00:00Z,\n", False),
    (b'142,8,click,2024-01-01T00:00:00Z,"two\nlines"\n', True),
    (b'42,8,click,2024-01-01T00:00:00Z,"two\nlines"\n', False),
    (b"42,9,teleport,2024-01-01T00:00:00Z,\n", False),
    (b"42,9\n", False),
    (b"142,9\n", True),
)


def event(user: str, item: str) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "event_type": "click", "occurred_at": "2024-01-01T00:00:00Z"}


def remove(root: Path, name: str, *, key: bytes | None = None, dry_run: bool = False) -> LandingRemoval:
    home = Home(root)
    sources = load_sources(sql_folder() / "sources", home.sources, source_fault)
    context = IngestContext(home, Lake(home.lake), sources, Privacy(key), NOW, lambda _: None)
    stored = GONE if key is None else pseudonym(key, GONE)
    with duckdb.connect() as con:
        found = remove_from_landing(
            context, con, Person((stored,), names=(GONE,)), dry_run=dry_run, note=lambda _: None
        )
    assert [file.source_file for file in found.files] == [f"contract/{name}"]
    return found


def landed(root: Path, name: str, write: Callable[[Path], object]) -> Path:
    path = root / "landing" / "contract" / name
    path.parent.mkdir(parents=True)
    write(path)
    os.utime(path, ns=(10**18, 10**18))
    return path


@pytest.mark.parametrize("key", [None, b"k" * 32], ids=["plain ids", "pseudonyms"])
def test_csv_loses_records_and_no_byte_more(tmp_path: Path, key: bytes | None) -> None:
    path = landed(tmp_path, "events.csv", lambda file: file.write_bytes(HEADER + b"".join(row for row, _ in CSV)))
    (removed,) = remove(tmp_path, "events.csv", key=key).files
    assert removed.records == sum(not stays for _, stays in CSV)
    assert path.read_bytes() == HEADER + b"".join(row for row, stays in CSV if stays)
    assert path.stat().st_mtime_ns == 10**18  # files are ingested in the order of their age


def test_a_dry_run_leaves_files_alone(tmp_path: Path) -> None:
    content = HEADER + b"".join(row for row, _ in CSV)
    path = landed(tmp_path, "events.csv", lambda file: file.write_bytes(content))
    assert remove(tmp_path, "events.csv", dry_run=True).files[0].records == 4
    assert path.read_bytes() == content


def _gzip(file: Path, content: bytes) -> None:
    file.write_bytes(gzip.compress(content))


def _zip(file: Path, content: bytes) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inside.jsonl", content)


def _unzip(file: Path) -> bytes:
    with zipfile.ZipFile(file) as archive:
        return archive.read("inside.jsonl")


@pytest.mark.parametrize(
    ("name", "write", "read"),
    [
        ("events.jsonl", Path.write_bytes, Path.read_bytes),
        ("events.jsonl.gz", _gzip, lambda file: gzip.decompress(file.read_bytes())),
        ("events.jsonl.zip", _zip, _unzip),
    ],
)
def test_lines_in_every_packing(
    tmp_path: Path, name: str, write: Callable[[Path, bytes], object], read: Callable[[Path], bytes]
) -> None:
    kept, gone = (json.dumps(event(user, "42")).encode() + b"\n" for user in (STAYS, GONE))
    path = landed(tmp_path, name, lambda file: write(file, kept + gone + kept + b'{"half": "42"\n' + b"{half 7\n"))
    assert remove(tmp_path, name).files[0].records == 2
    assert read(path) == kept + kept + b"{half 7\n"


def test_parquet_loses_rows(tmp_path: Path) -> None:
    rows = pl.DataFrame([event(user, str(item)) for item, user in enumerate((STAYS, GONE, STAYS, GONE))])
    path = landed(tmp_path, "events.parquet", lambda file: rows.write_parquet(file, row_group_size=2))
    assert remove(tmp_path, "events.parquet").files[0].records == 2
    assert pl.read_parquet(path).equals(rows.filter(pl.col("user_id") == STAYS))


def test_lines_that_become_no_row_leave_with_the_others(tmp_path: Path):
    """What a source passes over, such as a page without an item, says who somebody is all the same."""
    call = {"messageId": "m", "timestamp": "2024-01-01T00:00:00Z"}
    theirs = [
        {**call, "type": "page", "userId": "alice-0001", "context": {"ip": "192.0.2.1"}},
        {**call, "type": "identify", "userId": "alice-0001"},
        {**call, "type": "group", "userId": "alice-0001", "traits": {"email": "a@example.org"}},
    ]
    other = {**call, "type": "page", "userId": "bob-0001"}
    path = tmp_path / "landing" / "segment" / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{json.dumps(each)}\n" for each in (*theirs, other)))
    home = Home(tmp_path)
    sources = load_sources(sql_folder() / "sources", home.sources, source_fault)
    context = IngestContext(home, Lake(home.lake), sources, Privacy(None), NOW, lambda _: None)
    with duckdb.connect() as con:
        found = remove_from_landing(context, con, Person(("alice-0001",)), dry_run=False, note=lambda _: None)
    assert [each.records for each in found.files] == [3]
    assert path.read_text() == f"{json.dumps(other)}\n"


def test_an_id_is_found_as_json_and_html_spell_it():
    words = Person(("zoë & co 42",)).words()
    assert words is not None
    for text in ("zoë & co 42", json.dumps("zoë & co 42"), "<td>zoë &amp; co 42</td>"):
        assert words.subn("", text)[1] == 1
