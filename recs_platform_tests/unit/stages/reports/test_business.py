"""What people did, by hand: ratios, who is counted where, and what the log cannot tell is never a zero."""

from datetime import UTC, datetime

import polars as pl
import pytest

from recs_platform.contracts.tables import BUSINESS
from recs_platform.stages.reports.business.measures import BusinessConfig
from recs_platform.stages.reports.business.page import sections
from recs_platform.stages.reports.business.report import judge_business, measure_business
from recs_platform.stages.reports.verdicts import contract_frame

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)
LISTED = datetime(2020, 2, 20, tzinfo=UTC)
COUNTS = {
    "impression_count": 0, "clicked_count": 0, "listed_impression_count": 0, "listed_clicked_count": 0,
    "interaction_count": 1, "conversion_count": 0, "dwelled_count": 0, "dwell_seconds": 0.0, "session_count": 1,
}  # fmt: skip
SCHEMA = {"weeks_ago": pl.Int64, "list_as_of": pl.Datetime("us", "UTC"), "user_id": pl.String} | {
    name: pl.Float64 if name == "dwell_seconds" else pl.Int64 for name in COUNTS
}


def week(user, weeks_ago=0, list_as_of=None, **counts):
    return {"user_id": user, "weeks_ago": weeks_ago, "list_as_of": list_as_of} | COUNTS | counts


def listed(*users):
    schema = {
        "list_as_of": pl.Datetime("us", "UTC"),
        "user_id": pl.String,
        "segment_id": pl.String,
        "is_holdout": pl.Boolean,
    }
    return pl.DataFrame([(LISTED, user, segment, out) for user, segment, out in users], schema=schema, orient="row")


def measured(rows, lists=(), segments=(), **config):
    frame = pl.DataFrame(rows, schema=SCHEMA)
    known = pl.DataFrame(list(segments), schema={"user_id": pl.String, "segment_id": pl.String}, orient="row")
    settings = BusinessConfig(**{"segment_users_min": 2, **config})
    found = measure_business(frame, listed(*lists), known, seed=1, config=settings)
    return contract_frame([{"as_of": AS_OF, **row} for row in found], BUSINESS)


def values(business, metric, **where):
    known = {"period": "last_28_days", "group_name": "all", "segment": "all"} | where
    rows = business.filter(pl.col("metric") == metric, *(pl.col(name) == value for name, value in known.items()))
    return rows.select("value", "n_users", "sample_size").rows()


def test_ratios_are_sums_over_users_and_count_who_is_below_the_line():
    rows = [
        week(
            "u",
            impression_count=3,
            clicked_count=2,
            conversion_count=2,
            dwelled_count=1,
            dwell_seconds=10.0,
            session_count=3,
        ),
        week("u", 1, session_count=1),
        week("v", impression_count=1, dwelled_count=3, dwell_seconds=2.0),
        week("w", 2),
    ]
    business = measured(rows)
    assert values(business, "click_through_rate") == [(2 / 4, 2, 4)]
    assert values(business, "conversion_rate") == [(1 / 3, 3, 3)]
    assert values(business, "dwell_seconds") == [(12 / 4, 2, 4)]
    # Weeks that another could follow: u's one before the last, after which u came back; w's, after which w did not.
    assert values(business, "return_rate") == [(1 / 2, 2, 2)]
    assert values(business, "sessions_per_user_week") == [(6 / 9, 3, 9)], "the log has three weeks"
    older = measured([*rows, week("x", 5)])
    assert values(older, "sessions_per_user_week") == [(6 / 12, 3, 12)]
    assert values(older, "sessions_per_user_week", period="28_days_before") == [(1 / 2, 1, 2)]


def test_a_log_without_impressions_says_so_and_has_no_rate():
    business = measured([week("u"), week("v")])
    row = business.filter(metric="click_through_rate").row(0, named=True)
    assert (row["value"], row["sample_size"], row["message"]) == (None, 0, "The log holds no impressions.")
    verdicts = {each.subject: each for each in judge_business(business, BusinessConfig())}
    assert (verdicts["click_through_rate"].verdict, verdicts["click_through_rate"].value) == ("no_data", None)
    # It has a value, and nothing to be compared with.
    assert verdicts["conversion_rate"].verdict == "no_data"
    assert verdicts["conversion_rate"].value is not None
    clicks = next(section for section in sections(business) if section.heading == "Click-through rate")
    assert "The log holds no impressions." in clicks.text
    assert clicks.figure == ""


def test_releases_have_their_own_users_segments_and_hold_out():
    shown = {"impression_count": 2, "listed_impression_count": 1, "list_as_of": LISTED}
    rows = [
        *(week(f"p{n}", **shown, clicked_count=1, listed_clicked_count=1) for n in range(3)),
        *(week(f"h{n}", **shown) for n in range(2)),
        week("p0", 1, impression_count=9),
    ]
    lists = [*((f"p{n}", "loyal", False) for n in range(3)), *((f"h{n}", "new", True) for n in range(2))]
    business = measured(rows, lists, [("p0", "loyal"), ("p1", "loyal"), ("h0", "new")])
    at = {"period": "2020-02-20"}
    assert values(business, "click_through_rate", **at) == [(3 / 10, 5, 10)]
    assert values(business, "recommended_click_through_rate", **at) == [(3 / 5, 5, 5)]
    assert values(business, "click_through_rate", **at, group_name="personal") == [(1 / 2, 3, 6)]
    assert values(business, "click_through_rate", **at, group_name="holdout") == [(0.0, 2, 4)]
    assert values(business, "click_through_rate", **at, segment="loyal") == [(1 / 2, 3, 6)]
    assert values(business, "return_rate", **at) == []
    # Of four weeks the week before the list counts too; the segment is today's.
    assert values(business, "click_through_rate", segment="loyal") == [(2 / 13, 2, 13)]
    assert values(business, "click_through_rate", segment="new") == []
    assert not business.select(BUSINESS.grain).is_duplicated().any()


@pytest.mark.parametrize(("clicked", "verdict"), [(10, "pass"), (3, "warn")])
def test_a_sure_fall_since_the_four_weeks_before_warns(clicked, verdict):
    rows = [
        week(f"u{n}", weeks_ago, impression_count=20, clicked_count=count)
        for n in range(40)
        for weeks_ago, count in ((0, clicked), (5, 10))
    ]
    verdicts = {each.subject: each for each in judge_business(measured(rows), BusinessConfig())}
    assert verdicts["click_through_rate"].verdict == verdict
    assert verdicts["click_through_rate"].threshold == pytest.approx(0.4)
    assert "holdout" not in verdicts


@pytest.mark.parametrize(("mine", "verdict"), [(8, "pass"), (2, "warn")])
def test_personal_lists_that_do_worse_than_popular_items_warn(mine, verdict):
    users = [(f"p{n}", mine, False) for n in range(30)] + [(f"h{n}", 5, True) for n in range(30)]
    rows = [week(user, impression_count=10, clicked_count=count) for user, count, _ in users]
    business = measured(rows, [(user, None, out) for user, _, out in users])
    assert {each.subject: each.verdict for each in judge_business(business, BusinessConfig())}["holdout"] == verdict


def test_what_the_log_tells_no_more_warns_and_a_few_users_before_are_no_sure_fall():
    before = [week(f"u{n}", 5, impression_count=20, clicked_count=10) for n in range(40)]
    stopped = judge_business(measured([*before, *(week(f"u{n}") for n in range(40))]), BusinessConfig())
    clicks = next(each for each in stopped if each.subject == "click_through_rate")
    assert (clicks.verdict, clicks.value) == ("warn", None)
    assert "The log holds no impressions. That is of the last 28 days; it was 50.0 %" in clicks.message
    silent = {each.subject: each.verdict for each in judge_business(measured(before), BusinessConfig())}
    assert (silent["click_through_rate"], silent["dwell_seconds"]) == ("warn", "no_data")
    lucky = [week("v0", 5, impression_count=2, clicked_count=2), week("v1", 5, impression_count=2)]
    now = [week(f"u{n}", impression_count=20, clicked_count=6) for n in range(40)]
    verdicts = {each.subject: each.verdict for each in judge_business(measured([*lucky, *now]), BusinessConfig())}
    assert verdicts["click_through_rate"] == "pass"


@pytest.mark.parametrize("weeks", [(0,), (0, 5)])
def test_of_one_user_or_with_nothing_before_there_is_no_verdict(weeks):
    rows = [week("u0", each, impression_count=20, clicked_count=10) for each in weeks]
    told = {each.subject: each for each in judge_business(measured(rows), BusinessConfig())}
    clicks = told["click_through_rate"]
    assert (clicks.verdict, clicks.sample_size) == ("no_data", 1)
    assert "pass" not in {each.verdict for each in told.values()}
    said = "nothing is known of the 28 days before" if weeks == (0,) else "too few to tell chance from change"
    assert said in clicks.message
