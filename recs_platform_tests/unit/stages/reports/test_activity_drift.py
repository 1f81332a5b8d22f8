"""Drift of what happens: quiet worlds stay quiet, planted shifts are found where they were planted."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts.tables import ACTIVITY_DRIFT
from recs_platform.stages.reports.activity_drift import run
from recs_platform.stages.reports.activity_drift.judging import judge_silence
from recs_platform.stages.reports.activity_drift.kinds import KINDS
from recs_platform.stages.reports.activity_drift.periods import ActivityConfig, Mix, Subject, choose_periods, counted
from recs_platform.stages.reports.verdicts import contract_frame

AS_OF = datetime(2020, 3, 2, tzinfo=UTC)  # a Monday: the last day is a Sunday
TYPES = ("impression", "click", "purchase")
USUAL = (0.70, 0.27, 0.03)
USERS = 150


def day(rng, shares, n=USERS):
    """What n users do: each has tastes of their own around the shares, and ten events."""
    tastes = rng.dirichlet(8 * np.asarray(shares), n)
    parts = rng.multinomial(10, tastes) / 10
    return parts.sum(axis=0), (parts**2).sum(axis=0)


def mix_rows(rng, shares_of, days=57, segment="all", source="all", dimension="event_type", values=TYPES):
    """Rows of the daily mix; `shares_of`: the shares some days ago, None where nothing happened."""
    rows = []
    for ago in range(days):
        shares = shares_of(ago)
        if shares is not None:
            sums, squares = day(rng, shares)
            rows += [
                {"days_ago": ago, "dimension": dimension, "segment": segment, "source": source, "value": value,
                 "user_share_sum": total, "user_share_square_sum": square}
                for value, total, square in zip(values, sums, squares, strict=True)
            ]  # fmt: skip
    return rows


MIX_SCHEMA = {
    **dict.fromkeys(("dimension", "segment", "source", "value"), pl.String),
    "days_ago": pl.Int64,
    "user_share_sum": pl.Float64,
    "user_share_square_sum": pl.Float64,
}
EMPTY = {
    "catalogue": {"item_id": pl.String, "category": pl.String, "new_at": pl.Datetime("us", "UTC")},
    "lists": dict.fromkeys(("user_id", "item_id", "segment_id"), pl.String),
    "top_scores": {
        **dict.fromkeys(("user_id", "ranker_version"), pl.String),
        **dict.fromkeys(("top_score", "score_margin"), pl.Float64),
    },
}


def inputs(rows=(), **given):
    nothing = {name: pl.DataFrame(schema=schema) for name, schema in EMPTY.items()}
    known = {
        "as_of": AS_OF,
        "seed": 7,
        "daily_mix": pl.DataFrame(list(rows), schema=MIX_SCHEMA),
        "items": pl.DataFrame({"item_id": ["a", "b"], "category": ["x", None]}),
        "item_counts": pl.DataFrame({"item_id": ["a", "b"], "interaction_count": [8, 2]}),
        "earlier_activity": contract_frame([], ACTIVITY_DRIFT),
        "facts": {},
    }
    return SimpleNamespace(**(nothing | known | given))


@pytest.fixture
def report(tmp_path, monkeypatch):
    """Rows and verdicts by kind, without the page."""
    monkeypatch.setattr("recs_platform.stages.reports.activity_drift.report.write_report", lambda *_: None)

    def made(given):
        result = run(given)
        verdicts = {row["subject"]: row for row in result.verdicts.iter_rows(named=True)}
        assert list(verdicts) == sorted(kind.name for kind in KINDS)
        return result.frame, verdicts

    return made


def only(rows, **wanted):
    return rows.filter(*(pl.col(name) == value for name, value in wanted.items()))


def test_quiet_worlds_alarm_at_most_at_the_stated_rate(report):
    alarms = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        rows, _ = report(inputs(mix_rows(rng, lambda _: USUAL) + mix_rows(rng, lambda _: USUAL, segment="device: tv")))
        alarms += bool(rows["is_drifted"].any())
    # At the rate of 5 % five of thirty happen once in sixty times.
    assert alarms < 5


def test_a_planted_shift_is_found_attributed_and_has_its_direction(report):
    rng = np.random.default_rng(1)
    planted = lambda ago: (0.55, 0.27, 0.18) if ago == 0 else USUAL  # noqa: E731
    quiet = mix_rows(rng, lambda _: USUAL) + mix_rows(rng, lambda _: USUAL, source="web")
    rows, verdicts = report(inputs(quiet + mix_rows(rng, planted, source="app")))
    drifted = rows.filter("is_drifted")
    assert drifted.select("kind", "dimension", "segment", "source", "moved_value").rows() in (
        [("event_mix", "event_type", "all", "app", "purchase")],
        [("event_mix", "event_type", "all", "app", "impression")],
    )
    row = drifted.row(0, named=True)
    assert row["value"] > row["threshold"] or row["value"] == pytest.approx(row["threshold"])
    assert row["compared_with"] == "8 days of the same weekday before"
    assert row["proposal"] == "retrain"
    assert verdicts["event_mix"]["verdict"] == "warn"
    assert "source app" in verdicts["event_mix"]["message"]
    assert "raw.events.event_type" in verdicts["event_mix"]["message"]


def test_sundays_that_differ_from_other_days_are_no_drift_and_a_sunday_like_a_monday_is(report):
    rng = np.random.default_rng(2)
    sunday, other = (0.4, 0.4, 0.2), USUAL
    rows, _ = report(inputs(mix_rows(rng, lambda ago: sunday if ago % 7 == 0 else other)))
    assert not rows["is_drifted"].any()
    rows, _ = report(inputs(mix_rows(rng, lambda ago: sunday if ago % 7 == 0 and ago else other)))
    assert only(rows, dimension="event_type", is_drifted=True).height == 1


def test_with_few_weeks_all_days_are_compared_and_with_few_days_nothing(report):
    rng = np.random.default_rng(3)
    rows, _ = report(inputs(mix_rows(rng, lambda _: USUAL, days=10)))
    assert only(rows, dimension="event_type")["compared_with"].to_list() == ["9 days before"]
    rows, verdicts = report(inputs(mix_rows(rng, lambda _: USUAL, days=3)))
    assert only(rows, dimension="event_type")["method"].to_list() == ["no_data"]
    assert verdicts["event_mix"]["verdict"] == "no_data"
    assert "2 days before" in verdicts["event_mix"]["message"]


def test_a_week_without_events_warns_and_says_when_the_last_was(report):
    rng = np.random.default_rng(4)
    rows, verdicts = report(inputs(mix_rows(rng, lambda ago: USUAL if ago >= 7 else None)))
    assert not rows["is_drifted"].any()
    assert verdicts["event_mix"]["verdict"] == "warn"
    assert "2020-02-23" in verdicts["event_mix"]["message"]
    assert (
        judge_silence(inputs(mix_rows(rng, lambda ago: USUAL if ago >= 6 else None)).daily_mix, AS_OF, ActivityConfig())
        is None
    )
    assert {row["verdict"] for row in report(inputs())[1].values()} == {"no_data"}


def test_where_events_stopped_nothing_proposes_training(report):
    """No new items came either: a drift of the catalogue that would train a ranker on nothing new."""
    rng = np.random.default_rng(3)
    weeks = [AS_OF - timedelta(days=7 * week + 1) for week in range(1, 9) for _ in range(60)]
    catalogue = pl.DataFrame(
        {"item_id": [str(n) for n in range(480)], "category": ["x"] * 480, "new_at": weeks},
        schema=EMPTY["catalogue"],
    )
    older = pl.DataFrame({"item_id": ["0"], "category": ["x"], "new_at": [AS_OF - timedelta(days=900)]})
    rows, verdicts = report(
        inputs(
            mix_rows(rng, lambda ago: USUAL if ago >= 7 else None),
            catalogue=pl.concat([catalogue, older.cast(catalogue.schema)]),
        )
    )
    assert verdicts["event_mix"]["verdict"] == "warn"
    assert rows.filter("is_drifted")["kind"].to_list() == ["catalogue"]
    assert rows.filter(pl.col("kind") == "event_mix")["proposal"].unique().to_list() == ["quarantine"]
    assert "retrain" not in rows["proposal"].drop_nulls().to_list()


def test_a_label_rate_that_doubles_is_drift(report):
    rng = np.random.default_rng(5)
    rows, verdicts = report(
        inputs(
            mix_rows(
                rng,
                lambda ago: (0.5, 0.5) if ago == 0 else (0.25, 0.75),
                dimension="label",
                values=("positive", "other"),
            )
        )
    )
    row = only(rows, kind="labels").row(0, named=True)
    assert (row["is_drifted"], row["value_before"]) == (True, pytest.approx(0.25, abs=0.02))
    assert verdicts["labels"]["verdict"] == "warn"


def catalogue(categories_of):
    rows = [
        {"item_id": f"{week}-{n}", "category": categories_of(week, n), "new_at": AS_OF - timedelta(days=7 * week + 1)}
        for week in range(9)
        for n in range(60)
    ]
    return pl.DataFrame(rows, schema_overrides={"category": pl.String})


def test_categories_that_go_missing_are_a_fault_of_the_source_and_a_new_one_is_named(report):
    usual = lambda _, n: "abc"[n % 3]  # noqa: E731
    rows, verdicts = report(inputs(catalogue=catalogue(usual)))
    assert verdicts["catalogue"]["verdict"] == "pass"
    rows, verdicts = report(inputs(catalogue=catalogue(lambda week, n: usual(week, n) if week else None)))
    row = only(rows, dimension="category").row(0, named=True)
    assert (row["is_drifted"], row["moved_value"], row["proposal"]) == (True, "unknown", "quarantine")
    rows, verdicts = report(
        inputs(catalogue=catalogue(lambda week, n: "new" if week == 0 and n < 2 else usual(week, n)))
    )
    assert only(rows, dimension="category")["new_values"].to_list() == ["new"]
    assert "New: new." in verdicts["catalogue"]["message"]


def lists(popular):
    """Lists of 200 users with one item each, the first so many the popular one."""
    return pl.DataFrame(
        {
            "user_id": [f"u{n:03d}" for n in range(200)],
            "item_id": ["a"] * popular + ["b"] * (200 - popular),
            "segment_id": "s",
        }
    )


def scores(rng, shift, ranker="r1"):
    users = [f"u{n:03d}" for n in range(200)]
    top, margin = rng.normal(shift, 1, 200), rng.normal(3, 1, 200)
    return pl.DataFrame({"user_id": users, "top_score": top, "score_margin": margin, "ranker_version": ranker})


def test_lists_and_scores_are_held_against_earlier_as_ofs_and_scores_of_one_ranker_alone(report):
    rng = np.random.default_rng(6)
    earlier = [contract_frame([], ACTIVITY_DRIFT)]
    for days in range(5, 0, -1):
        given = inputs(lists=lists(100 + days), top_scores=scores(rng, 0), earlier_activity=pl.concat(earlier))
        given.as_of = AS_OF - timedelta(days=days)
        earlier.append(report(given)[0])
    history = pl.concat(earlier)
    assert not history["is_drifted"].any()
    rows, verdicts = report(inputs(lists=lists(100), top_scores=scores(rng, 0), earlier_activity=history))
    assert not rows["is_drifted"].any()
    assert verdicts["lists"]["verdict"] == verdicts["scores"]["verdict"] == "pass"
    rows, verdicts = report(inputs(lists=lists(190), top_scores=scores(rng, 1.5), earlier_activity=history))
    drifted = only(rows, segment="all", is_drifted=True)
    assert drifted["dimension"].to_list() == ["top_score", "popularity_tier", "category"]
    assert only(rows, dimension="top_score", segment="all")["direction"].to_list() == ["up"]
    _, verdicts = report(inputs(lists=lists(100), top_scores=scores(rng, 1.5, "r2"), earlier_activity=history))
    assert verdicts["scores"]["verdict"] == "no_data"


def test_alarmed_periods_are_left_out_until_they_are_most_of_them():
    past = [counted(ago, {"a": 1.0}) for ago in range(1, 9)]

    def kept(alarmed):
        mix = Mix(Subject("lists", "x"), counted(0, {"a": 1.0}), past, "as-ofs", "t", frozenset(alarmed))
        return [each.ago for each in choose_periods(mix, ActivityConfig())[0]]

    assert kept({2, 5}) == [1, 3, 4, 6, 7, 8]
    assert kept({1, 2, 3, 4, 5}) == list(range(1, 9))
