"""What the checks on the raw tables find: rows unaccounted for, a source that breaks, a day unlike the others."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from recs_platform.contracts.tables import INGESTIONS
from recs_platform.defs.assembly import build_definitions
from recs_platform.lake.tables import Lake
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.events import ledger_checks as ledger
from recs_platform_tests.homes import copy_home, execute, land_contract, platform_at

NOW = datetime(2024, 3, 1, tzinfo=UTC)
TODAY = date(2024, 2, 29)
CLICK = {"user_id": "u1", "item_id": "i1", "event_type": "click", "occurred_at": "2024-01-15T00:00:00Z"}


def _file(name: str, read: int, rejected: int = 0, *, source: str = "shop", duplicate: int = 0, **more: object):
    """A row of the ledger."""
    return {
        "file_hash": name, "source_file": f"{source}/{name}.csv", "source": source, "contract_table": "events",
        "rows_read": read, "rows_accepted": read - rejected - duplicate, "rows_quarantined": rejected,
        "rows_duplicate": duplicate, "ingested_at": NOW,
    } | more  # fmt: skip


def _present(**rows: int) -> pl.DataFrame:
    """Rows of raw.events by file."""
    return pl.DataFrame({"file_hash": list(rows), "row_count": list(rows.values())})


def _removed(**rows: int) -> pl.DataFrame:
    schema = {"file_hash": pl.String, "contract_table": pl.String, "rows_removed": pl.Int64}
    return pl.DataFrame([(name, "events", count) for name, count in rows.items()], schema=schema, orient="row")


def _rates(*files: dict[str, object], of_this_run: str = "now") -> dict[str, str]:
    """Verdict by source; the file named `now` is what this run brought."""
    books = pl.DataFrame(list(files))
    run = books.filter(pl.col("file_hash").str.starts_with(of_this_run))
    return dict(ledger.quarantine_rates(books, run).select("source", "verdict").iter_rows())


def _days(counts: dict[int, int], source: str = "shop") -> pl.DataFrame:
    """Rows by days before the last day."""
    rows = [
        (source, "f", TODAY - timedelta(days=back), count, NOW - timedelta(days=back)) for back, count in counts.items()
    ]
    names = ["source", "file_hash", "event_date", "row_count", "last_occurred_at"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _verdict(counts: dict[int, int]) -> str:
    return ledger.weekday_volumes(_days(counts))["verdict"].item()


def test_what_was_read_is_the_sum_of_its_parts() -> None:
    books = pl.DataFrame([_file("a", 10, 2, duplicate=3), _file("b", 10, 2, rows_accepted=7)])
    assert ledger.unbalanced(books)["file_hash"].to_list() == ["b"]


def test_accepted_events_less_the_removed_ones_are_there() -> None:
    books = pl.DataFrame([_file("a", 10), _file("b", 10, 2), _file("c", 5), _file("empty", 3, 3)])
    assert ledger.missing_events(books, _removed(b=6), _present(a=10, b=10 - 2 - 6, c=5)).is_empty()
    wrong = ledger.missing_events(books, _removed(b=6), _present(a=9, b=2, c=6, stranger=1))
    assert wrong.select("file_hash", "rows_accepted", "rows_removed", "rows_present").rows() == [
        ("a", 10, 0, 9),
        ("c", 5, 0, 6),
        ("stranger", 0, 0, 1),
    ]


def test_rows_of_other_tables_are_not_looked_for_among_the_events() -> None:
    books = pl.DataFrame([_file("a", 10), _file("a", 7, contract_table="items")])
    assert ledger.missing_events(books, _removed(), _present(a=10)).is_empty()


@pytest.mark.parametrize(
    ("earlier", "now", "verdict"),
    [
        ((1000, 0), (100, 5), "pass"),  # 5 % is not more than 5 %
        ((1000, 0), (100, 6), "warn"),
        ((1000, 30), (100, 9), "pass"),  # 9 % = 3 x 3 %
        ((1000, 30), (100, 10), "warn"),
        ((1000, 400), (100, 60), "pass"),  # it was ever so
        ((1000, 49), (100, 50), "block"),
        ((1000, 50), (100, 50), "warn"),  # 5 % before: not reliable
        ((999, 0), (100, 100), "warn"),  # too little history
        ((1000, 0), (99, 99), "warn"),  # too little to judge by
        ((1000, 0), (1, 1), "warn"),  # one cut file is one row
    ],
)
def test_a_source_is_held_against_its_own_history(earlier: tuple[int, int], now: tuple[int, int], verdict: str) -> None:
    assert _rates(_file("old", *earlier), _file("now", *now)) == {"shop": verdict}


def _verdict_after(*earlier: tuple[int, int]) -> str:
    files = [_file(f"old{place}", read, rejected) for place, (read, rejected) in enumerate(earlier)]
    return _rates(*files, _file("now", 200, 150))["shop"]


@pytest.mark.parametrize(
    "earlier",
    [
        [(1000, 0), (1000, 1000)],
        [(500, 0), (500, 10), (100_000, 100_000)],  # by files it is reliable
        [(2000, 0), (1, 1), (1, 1), (1, 1)],  # by rows it is
        [(1000, 0), (200, 150), (300, 0), (200, 200)],
    ],
)
def test_a_bad_file_does_not_lower_the_guard_for_the_next(earlier: list[tuple[int, int]]) -> None:
    assert _verdict_after(*earlier) == "block"


def test_a_habit_is_what_most_files_do() -> None:
    assert _verdict_after((1000, 600), (1000, 700), (1000, 0)) == "pass"


def test_a_first_file_that_is_bad_warns_and_one_that_is_good_passes() -> None:
    assert _rates(_file("now", 500, 500)) == {"shop": "warn"}
    assert _rates(_file("now", 500, 25)) == {"shop": "pass"}


def test_the_history_of_other_sources_does_not_count() -> None:
    assert _rates(_file("old", 5000), _file("now", 200, 200, source="app")) == {"app": "warn"}


def test_a_run_that_brought_nothing_has_no_rates() -> None:
    assert _rates(_file("old", 10, 10), of_this_run="none") == {}


@pytest.mark.parametrize(
    ("newest", "verdict"), [(49, "warn"), (50, "pass"), (100, "pass"), (200, "pass"), (201, "warn"), (0, "warn")]
)
def test_a_day_is_held_against_the_same_weekday_of_four_weeks(newest: int, verdict: str) -> None:
    # the last day goes on; the median of 80, 90, 110, 900 is 100, whatever the other weekdays hold
    usual = {0: 1, 1: newest, 1 + 7: 80, 1 + 14: 90, 1 + 21: 110, 1 + 28: 900, 3: 7, 4: 7000, 40: 5}
    assert _verdict({back: count for back, count in usual.items() if count}) == verdict


def test_two_weeks_are_a_history_and_less_is_none() -> None:
    assert _verdict({0: 1, 1: 10, 8: 100, 15: 100}) == "warn"
    assert _verdict({0: 1, 1: 10, 8: 100, 14: 100}) == "no history"
    assert _verdict({0: 1}) == "no history"


def test_weekdays_without_events_count_as_such() -> None:
    assert _verdict({0: 1, 1: 10, 29: 100}) == "pass"  # the median of 0, 0, 0, 100 is 0: nothing to hold it against
    assert _verdict({0: 1, 1: 101, 8: 100, 29: 100}) == "warn"  # the median of 100, 0, 0, 100 is 50


def test_freshness_tells_each_source_apart() -> None:
    books = pl.DataFrame([_file("a", 10, 1), _file("b", 5), _file("u", 3, source="crm", contract_table="users")])
    fresh = ledger.freshness(books, _days({0: 4, 3: 9}))
    assert fresh.rows() == [("crm", NOW, None, 1, 3), ("shop", NOW, NOW, 2, 9 + 5)]


def _check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    (found,) = [check for check in result.get_asset_check_evaluations() if check.check_name == name]
    return found


def _number(check: dg.AssetCheckEvaluation, name: str) -> object:
    return check.metadata[name].value


def test_the_first_bad_file_warns_and_does_not_fail_the_run(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    land_contract(platform, "events.jsonl", [{**CLICK, "occurred_at": "never"}, CLICK])
    result = execute(platform, "ingest", key=None)
    check = _check(result, "quarantine_rate_vs_history")
    assert result.success
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description == "contract: 1 of 2 rows were rejected (50%); it has no history"
    assert (_number(check, "rows_read"), _number(check, "rate")) == (2, 1 / 2)
    assert "| contract | 2 | 1 |" in str(_number(check, "sources"))


def test_a_reliable_source_that_breaks_stops_the_run(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    land_contract(platform, "events.jsonl", [{**CLICK, "item_id": f"i{number}"} for number in range(1000)])
    assert execute(platform, "ingest", key=None).success
    land_contract(platform, "more/events.jsonl", [{**CLICK, "event_type": f"e{number}"} for number in range(100)])
    result = execute(platform, "ingest", key=None)
    check = _check(result, "quarantine_rate_vs_history")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert _check(result, "ledger_balances").passed
    assert _check(execute(platform, "ingest", key=None), "quarantine_rate_vs_history").passed


def test_an_event_that_is_gone_unaccounted_for_stops_the_run(taken_in: Platform, tmp_path: Path) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    assert _check(execute(platform, "ingest", key=None), "ledger_balances").passed
    first = platform.lake.files("raw.events")[0]
    event_id = pl.scan_parquet(first).select("event_id").head(1).collect().item()
    Lake(platform.home.lake).delete("raw.events", f"event_id = '{event_id}'")
    check = _check(execute(platform, "ingest", key=None), "ledger_balances")
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert _number(check, "files_with_other_events") == 1
    assert _number(check, "rows_in_events") == int(str(_number(check, "rows_accepted"))) - _other_rows(platform) - 1


def _other_rows(platform: Platform) -> int:
    """Accepted rows that are no events."""
    books = pl.read_parquet(platform.lake.files(INGESTIONS.name))
    return int(books.filter(pl.col("contract_table") != "events")["rows_accepted"].sum())


def test_an_operator_sees_the_counts_of_each_run_the_reasons_and_the_freshness(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    land_contract(platform, "events.jsonl", [{**CLICK, "occurred_at": "never"}, CLICK, CLICK])
    seen = [_shown(platform) for _ in range(2)]
    first, second = ({name: shown["raw/events"].get(name) for name in _COUNTS} for shown in seen)
    assert first == {"rows_read": 3, "rows_accepted": 1, "rows_quarantined": 1, "rows_duplicate": 1}
    assert second == dict.fromkeys(_COUNTS, 0)
    reasons = str(seen[0]["raw/quarantine"]["reasons"])
    assert "bad_occurred_at" in reasons
    assert "contract/events.jsonl:1" in reasons
    ledger_page = seen[0]["raw/ingestions"]
    assert "| contract |" in str(ledger_page["freshness"])
    assert "contract/events.jsonl" in str(ledger_page["last_files"])
    assert ledger_page["files_taken_in"] == 1


_COUNTS = ("rows_read", "rows_accepted", "rows_quarantined", "rows_duplicate")


def _shown(platform: Platform) -> dict[str, dict[str, object]]:
    """Metadata of each raw asset after an ingestion."""
    result = execute(platform, "ingest", key=None)
    events = result.get_asset_materialization_events()
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.materialization.metadata.items()}
        for event in events
        if event.asset_key is not None
    }


def test_what_must_not_flow_on_blocks(tmp_path: Path) -> None:
    definitions = build_definitions(platform_at(tmp_path / "home"))
    blocking = {
        spec.name: spec.blocking
        for asset in definitions.assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        for spec in asset.check_specs
        if spec.asset_key.path[0] == "raw"
    }
    assert blocking["ledger_balances"]
    assert blocking["quarantine_rate_vs_history"]
    assert not blocking["volume_vs_weekday"]


def test_an_ingestion_tells_the_folder_of_each_source_what_it_took(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    land_contract(platform, "events.jsonl", [{**CLICK, "item_id": f"i{number}"} for number in range(3)])
    found = execute(platform, "ingest", key=None).filter_events(
        lambda each: each.event_type is dg.DagsterEventType.ASSET_OBSERVATION
    )
    (observed,) = [each.asset_observation_data.asset_observation for each in found]
    assert observed.asset_key == dg.AssetKey(["landing", "contract"])
    assert {name: value.value for name, value in observed.metadata.items()} == {
        "files_taken_in": 1, "rows_read": 3, "rows_accepted": 3, "rows_quarantined": 0
    }  # fmt: skip


def test_a_column_that_a_source_fills_no_longer_is_named_and_one_that_never_was_is_not(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    usual = [{**CLICK, "item_id": f"i{number}", "device": "mobile"} for number in range(1000)]
    land_contract(platform, "events.jsonl", usual)
    assert _filled_check(platform).passed  # nothing came before
    later = {**CLICK, "occurred_at": "2024-01-16T00:00:00Z"}
    land_contract(
        platform, "good/events.jsonl", [{**row, **later, "item_id": f"j{at}"} for at, row in enumerate(usual)]
    )
    assert _filled_check(platform).passed
    land_contract(platform, "bad/events.jsonl", [{**later, "item_id": f"k{number}"} for number in range(100)])
    check = _filled_check(platform)
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert check.description == (
        "contract: device has a value in 0 of 100 events, 100 were to be expected; look at the source or its SQL"
    )
    # Events of a kind that never had it owe none.
    land_contract(
        platform, "likes/events.jsonl", [{**later, "item_id": f"m{n}", "event_type": "like"} for n in range(100)]
    )
    assert _filled_check(platform).passed


def _filled_check(platform: Platform) -> dg.AssetCheckEvaluation:
    result = execute(platform, "ingest", key=None)
    assert result.success
    return next(
        check for check in result.get_asset_check_evaluations() if check.check_name == "columns_filled_vs_history"
    )
