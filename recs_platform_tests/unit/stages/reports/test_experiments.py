"""The report of experiments: what was planted is found, users of two variants are left out, a broken split warns."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from recs_platform.contracts.experiments import ExperimentSettings
from recs_platform.stages.reports.experiments import Read, judge, read_days, sections, table_rows
from recs_platform_tests.unit.stages.reports.exposures import experiment_days

AS_OF = datetime(2020, 1, 8, tzinfo=UTC)
X = ExperimentSettings.model_validate(
    {"user_days_planned": 20_000, "variants": {"b": {"weight": 0.5}, "control": {"weight": 0.5}}}
)


def read(days: pl.DataFrame, first: date | None = None) -> Read:
    return read_days("x", X, days, AS_OF, first)


def test_a_planted_lift_is_found_where_it_was_planted() -> None:
    found = read(experiment_days(3000, lift=0.4))
    rows = {(row["segment"], row["metric"]): row for row in table_rows(found)}
    ctr = rows["all", "click_through_rate"]
    assert ctr["is_found"]
    assert ctr["lift_low"] < 0.4 < ctr["lift_high"]
    # Everybody saw something six days ago: what is planned is in days of users.
    assert ctr["n_users"] + ctr["control_users"] == 3000
    assert not rows["all", "conversions_per_user"]["is_found"]
    assert {segment for segment, _ in rows} == {"all", "device=mobile", "history=some"}
    assert judge(found).verdict == "pass"
    everybody, segments = sections([found])
    assert 'class="strong"><th scope="row">b: click through rate<' in everybody.figure
    assert "b: click through rate, device=mobile" in segments.figure
    assert everybody.table is not None
    assert everybody.table.columns == ["variant", "metric", "value", "control_value", "adjusted_p", "is_found"]


def test_a_rate_is_clicks_over_impressions_from_the_exposure_on() -> None:
    days = experiment_days(500)
    after = days.filter("is_exposed")
    rates = {
        variant: part["clicked_count"].sum() / part["impression_count"].sum()
        for (variant,), part in after.group_by("variant")
    }
    row = next(row for row in read(days).reading.rows if row.metric == "click_through_rate")
    assert row.difference == pytest.approx(rates["b"] - rates["control"], abs=0.01)


def test_users_who_saw_several_variants_are_counted_and_left_out() -> None:
    days = experiment_days(500)
    twice = days.with_columns(pl.when(pl.col("user_id") < "u00010").then(2).otherwise(1).alias("variant_count"))
    assert (read(twice).left_out, read(twice).users) == (10, 490)


def test_a_broken_split_warns_and_concludes_nothing() -> None:
    broken = read(experiment_days(4000, lift=0.5, lost=0.2))
    judged = judge(broken)
    assert judged.verdict == "warn"
    assert "find the fault" in judged.message
    assert {row["metric"] for row in table_rows(broken)} == {"sample_ratio"}
    assert [part.heading for part in sections([broken])] == ["x", "x by segment"]


def test_users_exposed_before_the_first_day_are_left_out_and_nobody_is_no_data() -> None:
    nobody = read(experiment_days(500), date(2020, 1, 3))
    assert nobody.users == 0
    assert judge(nobody).verdict == "no_data"


def drafted(wins: int, losses: int, ties: int, silent: int = 0) -> pl.DataFrame:
    """Users who saw lists that `b` and the control drafted, and how many of their clicks were whose."""
    clicks = [["b", "b", "control"]] * wins + [["control"]] * losses + [["b", "control"]] * ties + [[]] * silent
    days = experiment_days(len(clicks)).filter("is_exposed").with_columns(variant_count=pl.lit(2))
    return days.with_columns(pl.Series("clicked_variants", clicks, dtype=pl.List(pl.String)))


def test_an_interleaving_is_read_by_who_won_with_each_user() -> None:
    settings = X.model_copy(update={"kind": "interleaving"})
    found = read_days("x", settings, drafted(300, 100, 50, 30), AS_OF)
    (row,) = table_rows(found)
    assert (row["metric"], row["variant"], row["n_users"], row["is_found"]) == ("share_of_wins", "b", 450, True)
    assert (row["value"], row["difference"]) == pytest.approx((325 / 450, 2 * 325 / 450 - 1))
    assert row["ci_low"] < row["difference"] < row["ci_high"]
    judged = judge(found)
    assert (judged.verdict, judged.sample_size) == ("pass", 480)
    assert judged.message.startswith("300 users chose more of b, 100 more of control, 50 as much: b has 72.2% of wins")
    (shown,) = sections([found])
    assert shown.table is not None
    assert shown.table.rows() == [("chose more of b", 300), ("chose more of control", 100), ("as much", 50)]
    assert '<tr class="strong">' in shown.figure
    assert all(text in shown.figure for text in ("72.2 %", "share of wins", 'class="rule"'))
    assert [summary for summary, _ in shown.folded] == ["All numbers"]
    even = read_days("x", settings, drafted(100, 100, 0), AS_OF)
    assert "not told from no preference" in judge(even).message
    assert "strong" not in sections([even])[0].figure
    few = read_days("x", settings, drafted(9, 1, 0), AS_OF)
    assert judge(few).message.endswith("as much: too few to conclude from.")
    assert "90.0 %" in sections([few])[0].figure
    assert "ends" not in sections([few])[0].figure
    (nobody,) = sections([read_days("x", settings, drafted(0, 0, 0, 5), AS_OF)])
    assert (nobody.table, nobody.figure) == (None, "")
    assert judge(read_days("x", settings, drafted(0, 0, 0, 5), AS_OF)).message.startswith("Nobody chose")
