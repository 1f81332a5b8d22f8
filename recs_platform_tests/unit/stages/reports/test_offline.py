from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import OFFLINE_METRICS, USER_METRICS
from recs_platform.stages.reports.offline import OfflineConfig, judge_metrics, summarize_metrics
from recs_platform.stages.reports.verdicts import contract_frame, worst

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)
NO_SEGMENTS = pl.DataFrame(schema={"user_id": pl.String, "segment_name": pl.String})


def metrics(
    models: dict[str, np.ndarray], *, metric: str = "ndcg", protocol: str = "global", k: int = 10
) -> pl.DataFrame:
    """`models`: name to values of shape (n_users, n_windows)."""
    rows = [
        {
            "as_of": AS_OF,
            "protocol": protocol,
            "cutoff": AS_OF - timedelta(days=14 * window),
            "model": model,
            "user_id": f"u{user:03d}",
            "metric": metric,
            "k": k,
            "value": float(value),
        }
        for model, values in models.items()
        for (user, window), value in np.ndenumerate(values)
    ]
    return contract_frame(rows, USER_METRICS)


def summarize(frame: pl.DataFrame, segments: pl.DataFrame = NO_SEGMENTS, **more) -> pl.DataFrame:
    return summarize_metrics(frame, segments, as_of=AS_OF, horizon_days=14, seed=1, **more)


def one(frame: pl.DataFrame, model: str, metric: str, segment: str = "all") -> dict:
    chosen = frame.filter(model=model, metric=metric, segment=segment)
    assert chosen.height == 1
    return chosen.row(0, named=True)


@pytest.fixture
def base() -> np.ndarray:
    return np.random.default_rng(0).random((60, 3)) * 0.5


def test_means_are_over_users_and_windows(base):
    frame = summarize(metrics({"final": base, "popularity": base / 2}))
    row = one(frame, "final", "ndcg")
    assert frame.columns == list(OFFLINE_METRICS.column_names)
    assert row["value"] == pytest.approx(base.mean())
    assert row["ci_low"] < row["value"] < row["ci_high"]
    assert (row["n_users"], row["n_windows"], row["horizon_days"]) == (180, 3, 14)


def test_a_constant_gain_over_popularity_has_no_width_however_much_users_differ(base):
    frame = summarize(metrics({"final": base + 0.125, "popularity": base}))
    row = one(frame, "final", "ndcg_minus_popularity")
    assert row["value"] == row["ci_low"] == row["ci_high"] == pytest.approx(0.125, abs=1e-8)


def test_the_best_source_is_the_one_with_the_highest_mean_ndcg(base):
    frame = summarize(metrics({"final": base, "popularity": base - 0.2, "als": base + 0.25, "item_knn": base - 0.1}))
    assert one(frame, "final", "ndcg_minus_best_source")["value"] == pytest.approx(-0.25, abs=1e-8)
    only = summarize(metrics({"final": base, "popularity": base - 0.1, "als": base - 0.3}))
    assert one(only, "final", "ndcg_minus_best_source")["value"] == pytest.approx(0.1, abs=1e-8)


def test_each_segment_is_summarized_apart_and_users_without_one_only_in_all(base):
    users = [f"u{user:03d}" for user in range(60)]
    segments = pl.DataFrame({"user_id": users[:40], "segment_name": ["new"] * 10 + ["loyal"] * 30})
    frame = summarize(metrics({"final": base, "popularity": base / 2}), segments)
    assert frame["segment"].unique().sort().to_list() == ["all", "loyal", "new"]
    assert one(frame, "final", "ndcg", "new")["value"] == pytest.approx(base[:10].mean())
    assert one(frame, "final", "ndcg", "loyal")["n_users"] == 90
    assert one(frame, "final", "ndcg", "all")["n_users"] == 180


def test_a_user_in_two_segments_is_refused(base):
    twice = pl.DataFrame({"user_id": ["u000", "u000"], "segment_name": ["a", "b"]})
    with pytest.raises(ContractError, match="more than one segment"):
        summarize(metrics({"final": base}), twice)


def test_list_metrics_come_without_intervals(base):
    extra = pl.DataFrame(
        {
            "model": ["final"],
            "metric": ["coverage"],
            "k": [10],
            "value": [0.4],
            "protocol": ["global"],
            "n_windows": [3],
        }
    )
    row = one(summarize(metrics({"final": base}), list_metrics=extra), "final", "coverage")
    assert (row["value"], row["ci_low"], row["ci_high"], row["n_users"]) == (0.4, None, None, 180)


def test_protocols_are_never_pooled(base):
    both = pl.concat([metrics({"final": base}), metrics({"final": base / 2}, protocol="per_user")])
    values = dict(summarize(both).select("protocol", "value").rows())
    assert values == {"global": pytest.approx(base.mean()), "per_user": pytest.approx(base.mean() / 2)}


@pytest.mark.parametrize(
    ("popularity", "als", "expected"),
    [
        (-0.1, -0.05, {"ndcg_minus_popularity": "pass", "ndcg_minus_best_source": "pass"}),
        (0.0, -0.05, {"ndcg_minus_popularity": "warn", "ndcg_minus_best_source": "pass"}),
        (-0.1, 0.001, {"ndcg_minus_popularity": "pass", "ndcg_minus_best_source": "pass"}),
        (-0.1, 0.2, {"ndcg_minus_popularity": "pass", "ndcg_minus_best_source": "warn"}),
    ],
)
def test_final_must_beat_popularity_and_stay_near_the_best_source(base, popularity, als, expected):
    models = {"final": base + 0.3, "popularity": base + 0.3 + popularity, "als": base + 0.3 + als}
    judged = judge_metrics(summarize(metrics(models)), OfflineConfig())
    assert {row.subject.split("@")[0]: row.verdict for row in judged} == expected


def test_no_held_out_users_or_too_few_are_no_data_and_never_a_pass(base):
    nobody = judge_metrics(summarize(metrics({})), OfflineConfig())
    few = judge_metrics(summarize(metrics({"final": base[:4] + 0.4, "popularity": base[:4]})), OfflineConfig())
    assert worst(row.verdict for row in nobody) == "no_data"
    assert {row.verdict for row in few} == {"no_data"}


def test_rows_in_another_order_give_the_same_frame(base):
    frame = metrics({"final": base, "popularity": base**2, "als": base**3})
    assert summarize(frame).equals(summarize(frame.sample(fraction=1.0, shuffle=True, seed=3)))


def test_recall_among_candidates_is_shown_by_segment_and_changes_no_verdict(base):
    """It has a k of its own and a model of its own: a best source that is none would be judged."""
    lists = metrics({"final": base, "popularity": base - 0.1})
    recall = metrics({"candidates": base + 0.4}, metric="candidate_recall", k=200)
    alone = metrics({"popularity": base + 0.3}, metric="candidate_recall")
    segments = pl.DataFrame({"user_id": ["u000", "u001"], "segment_name": ["new", "new"]})
    frame = summarize(pl.concat([lists, recall, alone]), segments)
    assert one(frame, "candidates", "candidate_recall")["value"] == pytest.approx(base.mean() + 0.4)
    assert one(frame, "candidates", "candidate_recall", "new")["value"] == pytest.approx(base[:2].mean() + 0.4)
    config = OfflineConfig()
    assert judge_metrics(frame, config) == judge_metrics(summarize(lists, segments), config)
