"""`recs plan` says what `recs run` does: nothing where nothing changed, and else exactly these rows."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from recs_platform.pipeline.platform import Platform
from recs_platform.stages.releases import current_release
from recs_platform_tests.homes import Built, CommandLine, as_of_tables, copy_home, land_contract, platform_at

CLICK = {"user_id": "u1", "item_id": "i1", "event_type": "click", "occurred_at": "2024-01-15T00:00:00Z"}
COUNTS = ["source_file", "contract_table", "rows_read", "rows_accepted", "rows_quarantined", "rows_duplicate"]


def _plan(recs: CommandLine, platform: Platform, *arguments: str) -> Any:
    code, out, err = recs(platform.home.root, "plan", "--json", *arguments)
    assert code == 0, err
    return json.loads(out)


def _ledger(platform: Platform) -> list[tuple[Any, ...]]:
    return pl.read_parquet(platform.lake.files("raw.ingestions")).select(COUNTS).sort(COUNTS).rows()


def test_an_unchanged_landing_builds_nothing_and_says_so(recs: CommandLine, built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    release, tables = current_release(platform.home).version, as_of_tables(platform)
    plan = _plan(recs, platform)
    assert (plan["as_of"], plan["ingest"]["runs"], plan["build"]["runs"]) == ("2024-01-31", False, False)
    assert plan["build"]["assets"] == []
    code, out, err = recs(platform.home.root, "run")
    assert code == 0, err
    assert f"up to date: release {release} has the same inputs" in out
    assert as_of_tables(platform) == tables
    assert f"up to date: release {release}" in recs(platform.home.root, "plan")[1]
    assert recs(platform.home.root, "backfill", "--from", "2024-01-31", "--to", "2024-01-31")[0] == 0
    assert as_of_tables(platform) == tables


def test_new_rows_are_counted_as_they_will_be_and_nothing_is_kept(
    recs: CommandLine, built: Built, tmp_path: Path
) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    before = _ledger(platform)
    land_contract(platform, "events.jsonl", [CLICK, CLICK, {**CLICK, "occurred_at": "never"}])
    plan = _plan(recs, platform)
    assert _ledger(platform) == before
    assert plan["build"]["runs"]
    assert plan["build"]["reasons"][0] == "new rows: +1 events of contract/events.jsonl"
    asset = next(asset for asset in plan["build"]["assets"] if asset["name"] == "features.user_features")
    assert asset["why"] == "new rows"
    assert asset["rows"] > 0
    assert [asset["name"] for asset in plan["build"]["assets"]][-1] == "releases.analytics"
    assert recs(platform.home.root, "ingest")[0] == 0
    planned = [tuple(file[name] for name in COUNTS) for file in plan["ingest"]["files"]]
    assert planned == [("contract/events.jsonl", "events", 3, 1, 1, 1)]
    assert _ledger(platform) == sorted([*before, *planned])


def test_an_as_of_before_the_first_event_cannot_be_planned(recs: CommandLine, built: Built) -> None:
    code, out, err = recs(built.platform.home.root, "plan", "--as-of", "1990-01-01")
    assert (code, out) == (1, "")
    assert "1990-01-01" in err


def test_a_fresh_home_is_planned_as_it_will_be_built(recs: CommandLine, tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    land_contract(platform, "events.jsonl", [CLICK, {**CLICK, "occurred_at": "2024-01-20T09:00:00Z"}])
    plan = _plan(recs, platform)
    assert plan["as_of"] == "2024-01-21"
    assert plan["build"]["reasons"] == ["first build as of 2024-01-21"]
    assert [row["rows"] for row in plan["build"]["new_rows"]] == [2]
    later = _plan(recs, platform, "--as-of", "2024-01-18")
    assert later["build"]["reasons"] == ["first build as of 2024-01-18"]
    assert platform.lake.names() == []


def test_an_as_of_that_a_few_events_alone_make_is_cautioned_about_before_they_are_ingested(
    recs: CommandLine, tmp_path: Path
) -> None:
    platform = platform_at(tmp_path / "home")
    rows = [{**CLICK, "item_id": f"i{number}"} for number in range(20)]
    land_contract(platform, "events.jsonl", [*rows, {**CLICK, "occurred_at": "2025-06-01T00:00:00Z"}])
    code, out, err = recs(platform.home.root, "plan", "--json")
    assert (code, json.loads(out)["as_of"]) == (0, "2025-06-02")
    assert "caution: 1 event since 2025-06-01 moves the default as-of from 2024-01-16" in err
    assert "to 2025-06-02" in err
    assert "caution" not in recs(platform.home.root, "plan", "--as-of", "2024-01-16")[2]
