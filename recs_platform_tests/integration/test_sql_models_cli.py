"""`recs sql-test` runs without a lake and says what there is nothing to test of; `recs lineage` ends at raw columns."""

import json
from pathlib import Path

import polars as pl

from recs_platform_tests.homes import Built, CommandLine, copy_home

MODEL = "segments.user_segments"


def test_an_empty_home_runs_the_unit_tests(recs: CommandLine, new_home: Path) -> None:
    code, out, err = recs(new_home, "sql-test", MODEL)
    assert code == 0, err
    assert "passed  user_segments: " in out
    assert f"nothing to test  {MODEL}: nothing is materialized" in out


def test_a_wrong_command_line_is_said_with_what_there_is(recs: CommandLine, new_home: Path) -> None:
    assert recs(new_home, "sql-test", "features.nothing")[0] == 2
    assert recs(new_home, "sql-test", MODEL, "--as-of", "soon")[0] == 2
    code, _, err = recs(new_home, "lineage", "features.user_featurs")
    assert code == 2
    assert "did you mean features.user_features" in err


def test_lineage_goes_down_to_raw_columns(recs: CommandLine, new_home: Path) -> None:
    code, out, _ = recs(new_home, "lineage", "features.user_features.user_click_through_rate")
    assert code == 0
    assert out.startswith("features.user_features.user_click_through_rate  (table)\n")
    assert "raw.events.event_type  (contract)" in out
    assert "… above)" in out
    found = json.loads(recs(new_home, "lineage", "features.user_features", "--json")[1])
    assert (found["table"], found["column"]) == ("features.user_features", None)
    assert "user_id" in {column["column"] for column in found["upstream"]}


def test_what_is_stored_passes_and_a_broken_row_is_shown(recs: CommandLine, built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    code, out, err = recs(platform.home.root, "sql-test", MODEL, "--json")
    assert code == 0, err
    report = json.loads(out)
    assert (report["as_of"], report["failed"], report["nothing_to_test"]) == ("2024-01-31", 0, [])
    assert {test["kind"] for test in report["tests"]} == {"unit", "data", "singular"}
    with platform.model_run(built.as_of, built.known_at) as run:
        rows = run.frame(MODEL).with_columns(segment_name=pl.lit(None, pl.String))
    platform.lake.overwrite_as_of(MODEL, rows.to_arrow(), built.as_of)
    code, out, err = recs(platform.home.root, "sql-test", MODEL)
    assert code == 1
    assert f"FAILED  user_segments.segment_name.not_null  {rows.height} rows\nfailing:\n" in out
    assert f"… and {rows.height - 5} more" in out
    assert "tests failed" in err
