import re
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import DRIFT
from recs_platform.stages.reports.drift import compared_users, draw_evidently, judge_drift, measure_drift
from recs_platform.stages.reports.drift_measures import DriftConfig, sample_rows

NOW, THEN = datetime(2020, 1, 8, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
N = 2_000


def frame(seed: int, n: int = N, **columns) -> pl.DataFrame:
    """Three features at rest; `columns` add to or replace them."""
    rng = np.random.default_rng(seed)
    base = {
        "user_id": [f"u{i}" for i in range(n)],
        "count": rng.poisson(3.0, n),
        "rate": rng.beta(2.0, 5.0, n),
        "tiny": rng.normal(0.0, 1e-5, n),
    }
    return pl.DataFrame(base | columns)


def measure(reference: pl.DataFrame, current: pl.DataFrame, html=None, **more) -> dict[str, dict]:
    columns = [name for name in reference.columns if name != "user_id"]
    found = measure_drift(
        reference,
        current,
        table="features.t",
        columns=dict.fromkeys(columns, "user"),
        as_of=NOW,
        reference_as_of=THEN,
        seed=1,
        **more,
    )
    if html is not None:
        draw_evidently(reference, current, found, html, seed=1, config=DriftConfig())
    assert found.columns == list(DRIFT.column_names)
    assert found["column_name"].to_list() == columns
    return {row["column_name"]: row for row in found.iter_rows(named=True)}


@pytest.mark.trial
def test_a_planted_shift_is_found_and_its_absence_is_not(tmp_path):
    still, moved = frame(1), frame(2)
    moved = moved.with_columns(pl.col("rate") + 0.3 * still["rate"].std())
    page = tmp_path / "pages" / "drift.html"
    rows = measure(still, moved, page)
    assert {name: row["is_drifted"] for name, row in rows.items()} == {"count": False, "rate": True, "tiny": False}
    assert rows["rate"]["value"] == pytest.approx(0.3, abs=0.05)
    assert rows["rate"]["method"] == "wasserstein"
    assert rows["rate"]["sample_size"] == N
    written = page.read_text(encoding="utf-8")
    assert "Wasserstein" in written
    assert 'src="http' not in written


def test_without_drift_there_is_no_page_of_evidently(tmp_path):
    measure(frame(1), frame(2), tmp_path / "drift.html")
    assert not (tmp_path / "drift.html").exists()


def test_evidently_is_told_to_send_nothing(tmp_path):
    measure(frame(1), frame(2).with_columns(pl.col("rate") + 1), tmp_path / "drift.html")
    from evidently.telemetry import event_logger

    assert event_logger.enabled is False


def test_a_feature_that_is_small_by_nature_drifts_like_any_other():
    rows = measure(frame(1), frame(2).with_columns(pl.col("tiny") + 1e-5))
    assert rows["tiny"]["is_drifted"]
    assert rows["tiny"]["value"] == pytest.approx(1.0, abs=0.1)


def test_small_samples_of_one_distribution_do_not_count_as_drift():
    drifted = [
        row["is_drifted"] for seed in range(6) for row in measure(frame(seed, 60), frame(seed + 50, 60)).values()
    ]
    assert sum(drifted) <= 1


def test_categories_are_compared_by_their_shares():
    rng = np.random.default_rng(3)
    plan, same, other = (
        rng.choice(["a", "b", "c"], N, p=p) for p in ([0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.1, 0.3, 0.6])
    )
    flag = rng.random(N) < 0.5
    rows = measure(frame(1, plan=plan, kept=plan, flag=flag), frame(2, plan=other, kept=same, flag=~flag))
    assert (rows["plan"]["method"], rows["plan"]["is_drifted"]) == ("jensenshannon", True)
    assert not rows["kept"]["is_drifted"]
    assert not rows["flag"]["is_drifted"]


def test_columns_that_cannot_be_compared_say_so_and_never_drift():
    empty = pl.Series([None] * N, dtype=pl.Float64)
    rows = measure(frame(1, constant=[7.0] * N, empty=empty), frame(2, constant=[7.0] * N, empty=empty))
    for name in ("constant", "empty"):
        assert (rows[name]["method"], rows[name]["value"], rows[name]["is_drifted"]) == ("no_data", None, False)
    few = measure(frame(1, 10), frame(2, 10))
    assert {row["method"] for row in few.values()} == {"no_data"}
    assert {row["method"] for row in measure(frame(1), frame(2, 0)).values()} == {"no_data"}


def test_nulls_that_come_and_constants_that_start_to_move_are_drift():
    half = [None if i % 2 else 1.0 + i for i in range(N)]
    rows = measure(
        frame(1, filled=[1.0 + i for i in range(N)], constant=[0.0] * N),
        frame(2, filled=half, constant=[float(i % 4 == 0) for i in range(N)]),
    )
    assert (rows["filled"]["method"], rows["filled"]["value"], rows["filled"]["is_drifted"]) == (
        "null_share",
        0.5,
        True,
    )
    assert (rows["constant"]["method"], rows["constant"]["value"]) == ("changed_share", 0.25)
    assert rows["constant"]["is_drifted"]


def test_infinite_values_count_as_missing():
    values = np.arange(N, dtype=float)
    values[:50] = np.inf
    rows = measure(frame(1, x=np.arange(N, dtype=float)), frame(2, x=values))
    assert rows["x"]["sample_size"] == N - 50
    assert np.isfinite(rows["x"]["value"])


def test_the_sample_is_the_same_users_on_both_sides_whatever_the_order_of_rows():
    rows = frame(1).with_columns(pl.int_range(N).alias("row"))
    sample = sample_rows(rows, 100, seed=4, columns=["row"])
    assert sample.height == 100
    assert sample_rows(rows.reverse(), 100, seed=4, columns=["row"]).equals(sample)
    assert not sample_rows(rows, 100, seed=5, columns=["row"]).equals(sample)
    # A sample of a sample: the smallest hashes stay the smallest.
    assert sample_rows(rows, 50, seed=4, columns=["row"]).equals(sample.head(50))
    with pytest.raises(ContractError, match="key"):
        sample_rows(rows.drop("user_id"), 10, seed=4, columns=["row"])


def test_of_the_users_to_compare_the_sample_is_that_of_all():
    rows = pl.DataFrame({"user_id": [f"u{number}" for number in range(6_000)]}).with_row_index("row")
    few = rows.join(compared_users(rows.select("user_id"), seed=4), on="user_id", how="semi")
    assert few.height == DriftConfig().sample_rows < rows.height
    whole = sample_rows(rows, DriftConfig().sample_rows, seed=4, columns=["row"])
    assert sample_rows(few, DriftConfig().sample_rows, seed=4, columns=["row"]).equals(whole)


def judged(distances: list[float | None], sample: int = 5_000) -> tuple[str, float | None]:
    rows = pl.DataFrame(
        {
            "table_name": "t",
            "column_name": [f"x{number}" for number in range(len(distances))],
            "scope": "user",
            "method": "wasserstein",
            "value": distances,
            "threshold": 0.1,
            "is_drifted": [bool(distance and distance > 0.1) for distance in distances],
            "sample_size": sample,
            "gain_share": None,
            "upstream": None,
            "proposal": None,
        },
        schema_overrides={"value": pl.Float64, "gain_share": pl.Float64, "upstream": pl.String, "proposal": pl.String},
    )
    judgement = judge_drift(rows, "t", DriftConfig())
    return judgement.verdict, judgement.value


def test_drift_warns_and_blocks_only_when_all_is_broken_on_a_large_sample():
    assert judged([0.01] * 8 + [0.5] * 2) == ("pass", 0.2)
    assert judged([0.01] * 2 + [0.5] * 8) == ("warn", 0.8)
    assert judged([0.5] * 10) == ("warn", 1.0)
    assert judged([2.0] * 10) == ("block", 1.0)
    assert judged([2.0] * 10, sample=500) == ("warn", 1.0)
    assert judged([None] * 3) == ("no_data", None)


@pytest.mark.parametrize("n", [200, N])
def test_evidentlys_page_says_drift_where_the_table_does(tmp_path, n):
    rng = np.random.default_rng(3)
    flag = rng.random(n) < 0.5
    still = frame(1, n, flag=flag)
    moved = frame(2, n, flag=flag | (rng.random(n) < 0.6))
    moved = moved.with_columns(pl.col("rate") + 0.7 * still["rate"].std(), pl.col("tiny") + 1e-5)
    page = tmp_path / "drift.html"
    rows = measure(still, moved, page)
    drifted = {name for name, row in rows.items() if row["is_drifted"]}
    assert drifted == {"rate", "tiny", "flag"}
    written = page.read_text(encoding="utf-8")
    for name in drifted:
        said = re.search(rf"column '{name}'.{{1,30}}Data drift ((?:not )?detected).*?score: ([\d.e-]+)", written)
        assert said is not None, name
        assert said[1] == "detected", name
        assert float(said[2]) == pytest.approx(rows[name]["value"], abs=0.0006)
    assert "column 'count'" not in written


def quiet(seed: int, n: int) -> pl.DataFrame:
    """Twenty features of five kinds, heavy tails among them."""
    rng = np.random.default_rng(seed)
    kinds = (
        lambda: rng.normal(size=n), lambda: rng.poisson(2, n), lambda: rng.lognormal(0, 1.5, n),
        lambda: rng.beta(0.3, 3, n), lambda: rng.choice(["a", "b", "c", "d"], n, p=[0.4, 0.3, 0.2, 0.1]),
    )  # fmt: skip
    values = {f"x{number}": kinds[number % 5]() for number in range(20)}
    return pl.DataFrame({"user_id": [f"u{i}" for i in range(n)]} | values)


@pytest.mark.parametrize("n", [100, 400])
def test_quiet_periods_alarm_at_most_at_the_stated_rate(n):
    """Of 60 quiet tables of 20 features at most 5 % raise any alarm; six would be beyond chance at one in a hundred."""
    alarms = [
        any(row["is_drifted"] for row in measure(quiet(2 * k, n), quiet(2 * k + 1, n)).values()) for k in range(60)
    ]
    assert sum(alarms) <= 6


def test_shifts_of_a_third_of_a_deviation_are_found_and_no_others():
    for seed in range(5):
        before, now = quiet(seed, N), quiet(seed + 100, N)
        planted = [f"x{number}" for number in (0, 5, 11)]
        now = now.with_columns(pl.col(name) + 0.3 * float(before[name].std()) for name in planted)
        rows = measure(before, now)
        assert {name for name, row in rows.items() if row["is_drifted"]} == set(planted)
        assert all(row["p_value"] < 0.001 and row["n_periods"] == 0 for name, row in rows.items() if name in planted)


def test_what_moves_in_every_period_is_usual_and_what_moves_further_is_not():
    rng = np.random.default_rng(8)
    before = frame(1)
    steady = before.with_columns(pl.col("rate") + 0.4 * float(before["rate"].std()))
    past = {"rate": [("wasserstein", 0.4 + 0.02 * float(x)) for x in rng.normal(size=12)]}
    assert measure(before, steady)["rate"]["is_drifted"]
    row = measure(before, steady, past=past)["rate"]
    assert (row["is_drifted"], row["n_periods"]) == (False, 12)
    assert row["usual_distance"] == pytest.approx(0.4, abs=0.03)
    further = before.with_columns(pl.col("rate") + 0.8 * float(before["rate"].std()))
    assert measure(before, further, past=past)["rate"]["is_drifted"]
    # A single past period that moved is the least that counts; one measured by another method says nothing.
    assert not measure(before, steady, past={"rate": [("wasserstein", 0.4)]})["rate"]["is_drifted"]
    assert measure(before, steady, past={"rate": [("jensenshannon", 0.4)]})["rate"]["is_drifted"]


def test_an_alarm_proposes_what_to_do():
    before = frame(1, gone=np.arange(N, dtype=float))
    moved = frame(2, gone=[None] * N).with_columns(
        pl.col("rate") + 0.5 * float(before["rate"].std()), pl.col("tiny") + 1e-5 * 0.5, pl.col("count") + 9
    )
    gains = {"rate": 0.2, "tiny": 0.001}
    rows = measure(before, moved.cast({"gone": pl.Float64}), gains=gains)
    assert {name: row["proposal"] for name, row in rows.items()} == {
        "count": "quarantine", "rate": "retrain", "tiny": "ignore", "gone": "quarantine",
    }  # fmt: skip
    assert rows["rate"]["gain_share"] == 0.2


def test_a_feature_that_the_ranker_lives_on_warns_alone_and_is_named_with_its_source():
    rows = pl.DataFrame(
        {
            "table_name": "t",
            "column_name": [f"x{number}" for number in range(10)],
            "scope": "user",
            "method": "wasserstein",
            "value": [0.5] + [0.01] * 9,
            "threshold": 0.1,
            "is_drifted": [True] + [False] * 9,
            "sample_size": 5000,
            "gain_share": [0.4] + [0.01] * 9,
            "upstream": ["raw.events.dwell_seconds, raw.events.user_id"] + [None] * 9,
            "proposal": ["retrain"] + [None] * 9,
        }
    )
    judgement = judge_drift(rows, "t", DriftConfig())
    assert judgement.verdict == "warn"
    assert judgement.value == pytest.approx(0.4 / 0.49)
    assert (
        "x0 wasserstein 0.50, limit 0.10, from raw.events.dwell_seconds or raw.events.user_id: retrain"
        in judgement.message
    )
    assert "82% of what the ranker gains" in judgement.message


def test_an_alarm_names_every_raw_column_that_may_have_moved():
    rows = pl.DataFrame(
        {
            "table_name": "t", "column_name": ["x"], "scope": "item", "method": "null_share", "value": [0.5],
            "threshold": 0.1, "is_drifted": [True], "sample_size": 500, "gain_share": [0.4],
            "upstream": ["raw.events.country, raw.events.device, raw.events.region, raw.events.value"],
            "proposal": ["quarantine"],
        }
    )  # fmt: skip
    told = "from raw.events.country, raw.events.device, raw.events.region and 1 more: quarantine"
    assert told in judge_drift(rows, "t", DriftConfig()).message
