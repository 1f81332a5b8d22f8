"""Data quality: quiet data does not alarm, a planted fault is found where it was planted, little data is no pass."""

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.reports.data_quality import run
from recs_platform.stages.reports.data_quality.facts import DataQualityConfig, Fact, fact_rows
from recs_platform_tests.unit.stages.reports.qualities import (
    NO_VERSIONS,
    TYPES,
    checked,
    daily,
    inputs,
    ledger,
    versions,
)

KINDS = ("duplicates", "freshness", "integrity", "nulls", "quarantine", "ranges", "volumes")


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Rows and verdicts by kind, without the page."""
    monkeypatch.setattr("recs_platform.stages.reports.data_quality.report.write_report", lambda *_: None)

    def made(**given):
        result = run(inputs(tmp_path, **given))
        verdicts = {row["subject"]: row for row in result.verdicts.iter_rows(named=True)}
        assert tuple(verdicts) == KINDS
        return result.frame, verdicts

    return made


def warned(rows):
    """What warns: kind, table, column, segment and metric."""
    found = rows.filter(pl.col("verdict") == "warn")
    return found.select("kind", "table_name", "column_name", "segment", "metric").rows()


def on_last_day(**planted):
    return lambda ago, _: dict(planted) if ago == 0 else {}


def test_quiet_days_alarm_at_most_at_the_stated_rate(report):
    alarms = 0
    for seed in range(30):
        rows, verdicts = report(daily_quality=daily(np.random.default_rng(seed)))
        alarms += bool(warned(rows))
        assert {verdicts[kind]["verdict"] for kind in KINDS} <= {"pass", "warn"}
    # At the rate of 5 % five of thirty happen once in sixty times.
    assert alarms < 5


def test_a_share_of_nulls_that_grows_is_named_with_its_column_and_numbers(report):
    rng = np.random.default_rng(1)
    rows, verdicts = report(daily_quality=daily(rng, on_last_day(filled={"device": 0.6})))
    assert warned(rows) == [("nulls", "raw.events", "device", kind, "null_share") for kind in sorted(TYPES)]
    assert verdicts["nulls"]["verdict"] == "warn"
    assert "raw.events.device (shop, " in verdicts["nulls"]["message"]
    row = rows.filter(pl.col("verdict") == "warn").row(0, named=True)
    assert row["usual_value"] == pytest.approx(0.05, abs=0.02)
    assert row["value"] > row["usual_high"] >= row["usual_value"] + 0.1
    assert (row["compared_with"], row["n_periods"]) == ("days", 29)


def test_a_column_that_is_filled_better_than_ever_is_no_fault(report):
    rows, _ = report(daily_quality=daily(np.random.default_rng(2), on_last_day(filled={"session_id": 1.0})))
    assert not warned(rows)


def test_seconds_told_in_milliseconds_move_the_mean(report):
    rows, verdicts = report(daily_quality=daily(np.random.default_rng(3), on_last_day(scale=1000.0)))
    assert {(kind, column) for kind, _, column, *_ in warned(rows)} == {("ranges", "dwell_seconds")}
    assert {row[-1] for row in warned(rows)} == {"mean", "greatest"}
    assert "raw.events.dwell_seconds (shop, " in verdicts["ranges"]["message"]


def test_a_single_value_far_beyond_the_range_of_the_days_before_is_out_of_range(report):
    days = daily(np.random.default_rng(4))
    is_last = (pl.col("days_ago") == 0) & (pl.col("event_type") == "click")
    planted = days.with_columns(pl.when(is_last).then(1e6).otherwise("dwell_seconds_max").alias("dwell_seconds_max"))
    rows, _ = report(daily_quality=planted)
    assert warned(rows) == [("ranges", "raw.events", "dwell_seconds", "click", "greatest")]


def test_bands_reach_no_further_than_what_values_can_be(report):
    days = daily(np.random.default_rng(4), lambda *_: {"filled": {"scroll_fraction": 0.9, "value": 0.9}})
    ends = [pl.col(f"scroll_fraction_{end}") / pl.col("scroll_fraction_max") for end in ("min", "max")]
    rows, _ = report(daily_quality=days.with_columns(ends))
    ranges = rows.filter(pl.col("kind") == "ranges", pl.col("verdict") != "no_data")
    low, high = ({column: (own["usual_low"].min(), own["usual_high"].max())[end]
                  for (column,), own in ranges.group_by("column_name")} for end in (0, 1))  # fmt: skip
    assert (low["dwell_seconds"], low["scroll_fraction"], high["scroll_fraction"]) == (0, 0, 1)
    assert low["value"] == 0  # amounts may be negative, and none was
    shares = rows.filter(pl.col("metric").str.ends_with("share"))
    assert shares["usual_high"].max() <= 1
    below = days.with_columns((pl.col("value_min") - 1e3 * (pl.col("days_ago") == 9)).alias("value_min"))
    refunds, _ = report(daily_quality=below)
    assert refunds.filter(pl.col("column_name") == "value")["usual_low"].min() < -1e3


def test_a_day_with_a_third_of_the_events_is_told_and_the_day_that_may_not_be_over_is_not(report):
    fewer = lambda when: lambda ago, kind: {"events": TYPES[kind] / 3} if ago == when else {}  # noqa: E731
    rows, _ = report(daily_quality=daily(np.random.default_rng(5), fewer(1)))
    assert {found[:1] + found[3:] for found in warned(rows)} >= {("volumes", "impression", "event_count")}
    rows, _ = report(daily_quality=daily(np.random.default_rng(5), fewer(0)))
    assert not warned(rows)


def test_a_band_that_is_wider_than_any_number_has_no_upper_end():
    quiet = [Fact("nulls", "raw.events", "null_share", 0.5, [0.5] * 9, floor=0.1, least=0.1)] * 1000
    # Of four days two had no event: nothing says how far days may be apart.
    count = Fact("volumes", "raw.events", "event_count", 1e6, [1e6, 0.0, 1e6, 0.0], least=2.0, is_count=True)
    row = fact_rows([*quiet, count], DataQualityConfig())[-1]
    assert (row["usual_low"], row["usual_high"], row["verdict"]) == (0.0, None, "pass")


def test_sundays_with_a_third_of_the_events_are_usual(report):
    sundays = lambda ago, kind: {"events": TYPES[kind] / 3} if ago % 7 == 1 else {}  # noqa: E731
    rows, _ = report(daily_quality=daily(np.random.default_rng(6), sundays))
    assert not warned(rows)
    volumes = rows.filter(pl.col("kind") == "volumes", pl.col("segment") == "impression")
    assert volumes["compared_with"].to_list() == ["days of the same weekday"]


def test_items_that_no_catalogue_knows_are_told_and_where_nobody_has_a_profile_nothing_is(report):
    rows, verdicts = report(daily_quality=daily(np.random.default_rng(7), on_last_day(unknown_items=0.2)))
    assert warned(rows) == [("integrity", "raw.events", "item_id", "all", "unknown_share")]
    assert "raw.events.item_id (shop): unknown share" in verdicts["integrity"]["message"]
    nobody = lambda *_: {"unknown_users": 1.0}  # noqa: E731
    rows, _ = report(daily_quality=daily(np.random.default_rng(8), nobody))
    assert "user_id" not in rows.filter(pl.col("kind") == "integrity")["column_name"].to_list()


def test_a_source_that_fell_silent_is_told_and_one_that_pauses_at_week_ends_is_not(report):
    days = daily(np.random.default_rng(9))
    rows, verdicts = report(daily_quality=days.filter(pl.col("days_ago") >= 3))
    assert ("freshness", "raw.events", "all", "all", "days_without_event") in warned(rows)
    assert "3" in verdicts["freshness"]["message"]
    weekends = days.filter(~pl.col("days_ago").mod(7).is_in([0, 1]))
    rows, _ = report(daily_quality=weekends)
    assert ("freshness", "raw.events", "all", "all", "days_without_event") not in warned(rows)


@pytest.mark.parametrize(
    ("days", "gap", "verdict", "said"),
    [
        (45, 3, "warn", None),
        (45, None, "warn", None),
        (45, 60, "pass", None),
        (100, 3, "no_data", "no event for 100 days: the source has ended"),
        (100, 120, "pass", None),
    ],
)
def test_a_source_that_fell_silent_long_ago_is_told_until_it_has_ended(report, days, gap, verdict, said):
    silent = {"source": "old", "days_ago": days, "longest_gap_days": gap}
    rows, _ = report(checked=checked(silent=[silent]))
    of_it = rows.filter(pl.col("metric") == "days_without_event", pl.col("source") == "old")
    assert of_it.select("value", "verdict", "message").rows() == [(days, verdict, said)]


def test_files_that_come_daily_and_stay_away_are_missed_and_two_files_say_nothing(report):
    rows, _ = report(ledger=ledger(range(5, 12)))
    assert warned(rows) == [("freshness", "raw.ingestions", "all", "events", "days_without_file")]
    rows, _ = report(ledger=ledger((5, 6)))
    waits = rows.filter(pl.col("metric") == "days_without_file")
    assert waits["verdict"].to_list() == ["no_data"]


def test_files_that_were_taken_in_one_by_one_on_a_single_day_say_nothing_of_the_next(report):
    rows, _ = report(ledger=ledger([3 + hour / 24 for hour in range(8)]))
    waits = rows.filter(pl.col("metric") == "days_without_file")
    assert waits.select("verdict", "message").rows() == [("no_data", "ingestions on 2 days, 5 are needed")]


def test_a_column_of_the_catalogue_gone_all_null_warns_of_what_came_and_of_the_whole(report):
    quiet = [{"title": 1.0, "category": 0.9}] * 6
    rows, _ = report(versions={"raw.items": versions(quiet), "raw.users": NO_VERSIONS})
    assert not warned(rows)
    gone = versions([*quiet, {"title": 1.0, "category": 0.0}])
    rows, verdicts = report(versions={"raw.items": gone, "raw.users": NO_VERSIONS})
    assert warned(rows) == [("nulls", "raw.items", "category", segment, "null_share") for segment in ("new", "whole")]
    assert "raw.items.category" in verdicts["nulls"]["message"]


def test_every_column_that_is_gone_is_named_before_any_is_named_twice(report):
    quiet = [{"title": 1.0, "category": 0.9}] * 6
    gone = versions([*quiet, {"title": 0.0, "category": 0.0}])
    days = daily(np.random.default_rng(12), on_last_day(filled={"device": 0.0}))
    _, verdicts = report(daily_quality=days, versions={"raw.items": gone, "raw.users": NO_VERSIONS})
    said = verdicts["nulls"]["message"]
    assert [said.count(name) for name in ("raw.events.device", "raw.items.title", "raw.items.category")] == [1, 1, 1]


def test_one_load_of_a_catalogue_is_compared_with_nothing(report):
    rows, _ = report(versions={"raw.items": versions([{"category": 0.0}]), "raw.users": NO_VERSIONS})
    of_items = rows.filter(pl.col("table_name") == "raw.items")
    assert set(of_items["verdict"]) == {"no_data"}


def test_what_ingestion_checks_judged_is_said_as_they_judged_it(report):
    gone = {"table_name": "raw.users", "segment": "new", "source": "all", "column_name": "country", "row_count": 100,
            "filled": 0, "expected": 90.0, "n_periods": 1, "limit": 0.1, "compared_with": "ingestions"}  # fmt: skip
    rate = {"source": "shop", "rows_read": 900, "rate": 0.7, "history_rate": 0.01, "history_files": 9, "limit": 0.05}
    rows, verdicts = report(
        checked=checked(
            gone=[gone | {"verdict": "warn"}],
            rejected=[rate | {"verdict": "block"}],
            duplicate=[rate | {"verdict": "no history", "history_rate": None}],
        )
    )
    assert warned(rows) == [
        ("quarantine", "raw.quarantine", "all", "all", "rejected_share"),
        ("nulls", "raw.users", "country", "new", "filled_of_expected"),
    ]
    assert "0 of 100 rows have a value, 90 were to be expected" in verdicts["nulls"]["message"]
    assert "rejected share 70.0 % (1.0 % usual, at most 5.0 % expected" in verdicts["quarantine"]["message"]
    assert verdicts["duplicates"]["verdict"] == "no_data"


def test_a_few_days_or_few_events_are_no_pass(report):
    rng = np.random.default_rng(10)
    _, verdicts = report(daily_quality=daily(rng, days=3), checked=checked(), ledger=ledger())
    assert {found["verdict"] for found in verdicts.values()} == {"no_data"}
    _, verdicts = report(daily_quality=daily(rng, types={"click": 5}), checked=checked(), ledger=ledger())
    assert {name: found["verdict"] for name, found in verdicts.items() if name != "freshness"} == dict.fromkeys(
        (name for name in KINDS if name != "freshness"), "no_data"
    )


def test_the_page_draws_no_band_of_what_could_not_be_judged(tmp_path):
    days = daily(np.random.default_rng(13), days=3)
    result = run(inputs(tmp_path, daily_quality=days, checked=checked(), ledger=ledger()))
    page = (tmp_path / result.html).read_text(encoding="utf-8")
    assert "now, on its usual band" not in page
    assert page.count("There is nothing to compare yet.") == len(KINDS)


def test_what_is_too_little_is_said_in_english():
    facts = [
        Fact("nulls", "raw.events", "null_share", 0.5, [0.5] * n, compared_with=compared)
        for n, compared in ((1, "days"), (2, "days of the same weekday"), (1, None), (0, "files"))
    ]
    assert [row["message"] for row in fact_rows(facts, DataQualityConfig())] == [
        "1 earlier day, 4 are needed",
        "2 earlier days of the same weekday, 4 are needed",
        "1 earlier period, 4 are needed",
        "0 earlier files, 4 are needed",
    ]


def test_the_page_draws_each_value_on_its_band_and_the_days(tmp_path):
    days = daily(np.random.default_rng(11), on_last_day(filled={"device": 0.2}))
    result = run(inputs(tmp_path, daily_quality=days))
    page = (tmp_path / result.html).read_text(encoding="utf-8")
    assert page.index(">device, click, shop<") < page.index(">dwell_seconds, impression, shop<")
    assert "Events by day" in page
    assert len(page) < 1_000_000
    assert result.numbers["unusual_nulls"] == len(TYPES)
    assert result.verdict == "warn"
