"""Rejected rows from the command line: counted, listed, written to a file, and replayed once they are repaired."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recs_platform.contracts.errors import RecsError, UsageError
from recs_platform.contracts.tables import QUARANTINE
from recs_platform.pipeline.ingestion.ingest import replay_files
from recs_platform.pipeline.ingestion.quarantine import QuarantineFilter, files_to_replay
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.homes import CommandLine, copy_home, land_contract, platform_at, take_in

CLICK = {"user_id": "u1", "item_id": "i1", "event_type": "click", "occurred_at": "2024-01-15T00:00:00Z"}
LATE = [{**CLICK, "item_id": f"i{number}", "occurred_at": "never"} for number in (2, 3, 4)]
USAGE, COULD_NOT = 2, 1


@pytest.fixture(scope="module")
def rejected(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A home with one accepted click, four rejected ones in two files, and an item rejected for its attributes."""
    platform = platform_at(tmp_path_factory.mktemp("rejected") / "home", landing_settle_seconds=0)
    land_contract(platform, "a/events.jsonl", [CLICK, *LATE])
    land_contract(platform, "b/events.jsonl", [{**CLICK, "item_id": "i5", "event_type": "shrug"}])
    land_contract(platform, "items.jsonl", [{"item_id": "i1", "attributes": "{"}])
    take_in(platform)
    return platform


@pytest.fixture
def platform(rejected: Platform, tmp_path: Path) -> Platform:
    """A copy of it, to write into."""
    return copy_home(rejected, tmp_path / "home", landing_settle_seconds=0)


def _json(recs: CommandLine, platform: Platform, *arguments: str) -> Any:
    code, out, err = recs(platform.home.root, "quarantine", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def _totals(platform: Platform) -> tuple[int, int]:
    """Rows accepted and rejected by the ledger's account."""
    books = pl.read_parquet(platform.lake.files("raw.ingestions"))
    return int(books["rows_accepted"].sum()), int(books["rows_quarantined"].sum())


def test_the_summary_tells_source_table_reason_and_an_example(recs: CommandLine, platform: Platform) -> None:
    found = _json(recs, platform, "summary")["reasons"]
    shown = [(row["source"], row["contract_table"], row["reason_code"], row["rows"], row["files"]) for row in found]
    assert shown == [
        ("contract", "events", "bad_occurred_at", 3, 1),
        ("contract", "events", "unknown_event_type", 1, 1),
        ("contract", "items", "bad_attributes", 1, 1),
    ]
    assert found[0]["example_place"] == "contract/a/events.jsonl:2"
    assert "occurred_at" in found[0]["example"]
    code, out, err = recs(platform.home.root, "quarantine", "summary")
    assert code == 0
    assert "bad_occurred_at" in out
    assert "5 rows in quarantine" in err


def test_the_list_is_by_file_and_line_and_can_be_narrowed(recs: CommandLine, platform: Platform) -> None:
    def places(*arguments: str) -> list[tuple[str, int]]:
        rows = _json(recs, platform, "list", *arguments)["rows"]
        return [(row["source_file"].removeprefix("contract/"), row["line_number"]) for row in rows]

    of_a = [("a/events.jsonl", 2), ("a/events.jsonl", 3), ("a/events.jsonl", 4)]
    assert places() == [*of_a, ("b/events.jsonl", 1), ("items.jsonl", 1)]
    assert places("--file", "a/events.jsonl") == places("--file", "contract/a/events.jsonl") == of_a
    assert places("--file", "events.jsonl") == [*of_a, ("b/events.jsonl", 1)]
    assert places("--reason", "unknown_event_type") == [("b/events.jsonl", 1)]
    assert places("--table", "items") == [("items.jsonl", 1)]
    assert places("--limit", "2") == of_a[:2]
    assert places("--reason", "it's none") == []
    assert _json(recs, platform, "list", "--limit", "2")["total"] == 3 + 1 + 1


def test_a_long_payload_is_cut_for_people(recs: CommandLine, platform: Platform) -> None:
    land_contract(platform, "c/events.jsonl", [{**CLICK, "occurred_at": "x" * 500}])
    take_in(platform)
    code, out, _ = recs(platform.home.root, "quarantine", "list", "--file", "c/events.jsonl")
    assert code == 0
    assert "…" in out
    assert "x" * 100 not in out
    assert "x" * 500 in _json(recs, platform, "list", "--file", "c/events.jsonl")["rows"][0]["payload"]


@pytest.mark.parametrize(
    ("name", "read"),
    [("q.csv", pl.read_csv), ("q.jsonl", pl.read_ndjson), ("q.PARQUET", pl.read_parquet)],
    ids=["csv", "jsonl", "parquet"],
)
def test_the_export_holds_whole_rows(
    recs: CommandLine, platform: Platform, tmp_path: Path, name: str, read: Any
) -> None:
    target = tmp_path / name
    code, out, _ = recs(platform.home.root, "quarantine", "export", str(target), "--table", "events")
    assert (code, out) == (0, f"{target}\n")
    found = read(target)
    assert found.columns == list(QUARANTINE.column_names)
    assert found["line_number"].to_list() == [2, 3, 4, 1]
    assert json.loads(found["payload"][0])["occurred_at"] == "never"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("export", "q.xlsx"), USAGE, ".parquet"),
        (("export", "no/such/folder/q.csv"), USAGE, "no/such/folder"),
        (("replay", "--file", "x", "--source", "contract"), USAGE, "not both"),
        (("replay", "--source", "nowhere"), USAGE, "movielens"),
        (("replay", "--file", "nowhere.csv"), COULD_NOT, "nowhere.csv"),
    ],
)
def test_what_cannot_be_done_is_said(
    recs: CommandLine, platform: Platform, arguments: tuple[str, ...], code: int, says: str
) -> None:
    found, out, err = recs(platform.home.root, "quarantine", *arguments)
    assert (found, out) == (code, "")
    assert says in err


def test_an_empty_quarantine_is_no_error(recs: CommandLine, new_home: Path) -> None:
    assert json.loads(recs(new_home, "quarantine", "summary", "--json")[1]) == {"reasons": []}
    assert json.loads(recs(new_home, "quarantine", "list", "--json")[1]) == {"total": 0, "rows": []}
    assert recs(new_home, "quarantine", "replay")[:2] == (0, "nothing to replay\n")


def test_a_dry_run_says_what_would_become_of_the_rows_and_changes_nothing(
    recs: CommandLine, platform: Platform
) -> None:
    before = _totals(platform)
    land_contract(platform, "a/events.jsonl", [CLICK, *({**row, "occurred_at": CLICK["occurred_at"]} for row in LATE)])
    code, out, err = recs(platform.home.root, "quarantine", "replay", "--file", "a/events.jsonl", "--dry-run")
    assert code == 0, err
    assert out.splitlines()[2].split() == ["contract/a/events.jsonl", "events", "4", "4", "0", "0"]
    assert _totals(platform) == before == (1, 5)


def test_a_mended_file_is_taken_again_and_only_that_one(recs: CommandLine, platform: Platform) -> None:
    land_contract(platform, "a/events.jsonl", [CLICK, *({**row, "occurred_at": CLICK["occurred_at"]} for row in LATE)])
    code, out, err = recs(platform.home.root, "quarantine", "replay", "--file", "a/events.jsonl")
    assert code == 0, err
    assert out.startswith("3 rows were in quarantine, 0 are now")
    assert _totals(platform) == (1 + 3, 5 - 3)
    reasons = [row["reason_code"] for row in _json(recs, platform, "summary")["reasons"]]
    assert reasons == ["unknown_event_type", "bad_attributes"]
    assert json.loads(recs(platform.home.root, "status", "--json")[1])["rows_in_quarantine"] == 2


def test_a_file_that_left_landing_is_named(recs: CommandLine, platform: Platform) -> None:
    (platform.home.landing / "contract" / "a" / "events.jsonl").unlink()
    code, out, err = recs(platform.home.root, "quarantine", "replay", "--file", "a/events.jsonl")
    assert (code, out) == (0, "nothing to replay\n")
    assert "contract/a/events.jsonl" in err


def test_a_content_that_was_ingested_is_landed_again_for_a_replay_alone(
    recs: CommandLine, platform: Platform, tmp_path: Path
) -> None:
    """Its file left landing; what the ledger holds would not be ingested again, and lie there for nothing."""
    (tmp_path / "mine").mkdir()
    land_contract(platform, "known/events.jsonl", [CLICK, {**CLICK, "item_id": "i7"}])
    take_in(platform)
    for name, kept in (("a/events.jsonl", "events.jsonl"), ("known/events.jsonl", "events.2.jsonl")):
        (platform.home.landing / "contract" / name).rename(tmp_path / "mine" / kept)
    code, out, err = recs(platform.home.root, "land", "contract", str(tmp_path / "mine"))
    assert (code, out) == (0, "copied 1 file, 0 already there\n")
    assert "not copied: events.2.jsonl: its content was ingested before" in err
    assert "`recs quarantine replay --file contract/a/events.jsonl` reads it again" in err
    assert not list(platform.home.landing.rglob("events.2.jsonl"))
    code, out, err = recs(platform.home.root, "quarantine", "replay", "--file", "contract/a/events.jsonl", "--dry-run")
    assert (code, "nothing to replay" in out) == (0, False), err


def test_what_the_launchpad_names_is_what_is_replayed_and_a_wrong_name_fails_in_a_line(platform: Platform) -> None:
    """The reason and the table choose files too; a source that there is not is no success."""
    which = QuarantineFilter(reason="unknown_event_type", table="events")
    assert files_to_replay(platform, which)["source_file"].to_list() == ["contract/b/events.jsonl"]
    with platform.connection() as con:
        tried = replay_files(platform, con, which, now=datetime.now(UTC), progress=print, dry_run=True).after
    assert [file.source_file for file in tried] == ["contract/b/events.jsonl"]
    with pytest.raises(UsageError, match="no source 'wold'; did you mean 'world'"):
        files_to_replay(platform, QuarantineFilter(source="wold"))
    with pytest.raises(UsageError, match="no contract table 'event'; did you mean 'events'"):
        files_to_replay(platform, QuarantineFilter(table="event"))
    with pytest.raises(RecsError, match="no rejected row of a file 'c' and a reason 'none'"):
        files_to_replay(platform, QuarantineFilter(file="c", reason="none"))
