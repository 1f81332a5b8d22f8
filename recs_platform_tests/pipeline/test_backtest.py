"""Backtests of drawn metrics: what the table, the summary and the page make of them. Evaluation has its own tests."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.tables import LIST_METRICS, USER_METRICS
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training import backtest
from recs_platform.pipeline.training.backtest import cut_short, evaluate_once, run_backtest, write_backtest
from recs_platform.pipeline.training.evaluation import Evaluated

INSTANTS = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 8)]
# NDCG of two users by model, at each instant: final .4 and .2, popularity .2 and .2, the best source .3 and .25.
VALUES = {
    INSTANTS[0]: {"final": (0.3, 0.5), "popularity": (0.1, 0.3), "als": (0.2, 0.4), "item_knn": (0.0, 0.0)},
    INSTANTS[1]: {"final": (0.2, 0.2), "popularity": (0.2, 0.2), "als": (0.1, 0.1), "item_knn": (0.2, 0.3)},
}
EMPTY = {c.PROTOCOL: pl.String, c.MODEL: pl.String, c.METRIC: pl.String, c.K: pl.Int32, c.VALUE: pl.Float64}


def evaluated(instant: datetime) -> Evaluated:
    rows = [
        ("global", model, metric, 10, value, user)
        for model, values in VALUES.get(instant, {}).items()
        for metric in ("ndcg", "recall")
        for user, value in zip("ab", values, strict=True)
    ]
    users = pl.DataFrame(rows, schema={**EMPTY, c.USER_ID: pl.String}, orient="row")
    nothing = pl.DataFrame([("global", "final", "coverage", 10, 0.0)], schema=EMPTY, orient="row")
    return Evaluated({USER_METRICS.name: users, LIST_METRICS.name: nothing}, 1, "", ())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest, "_evaluate", lambda _platform, at, _known, _progress: evaluated(at))


@pytest.mark.usefixtures("drawn")
def test_the_summary_is_of_the_as_ofs_and_the_page_holds_both(taken_in: Platform, tmp_path):
    found = run_backtest(taken_in, INSTANTS, lambda _: None)
    ndcg = found.table.filter(pl.col(c.METRIC) == "ndcg")
    assert ndcg["final"].to_list() == [0.4, 0.2]
    assert ndcg["best source"].to_list() == [0.3, 0.25]
    assert ndcg["times popularity"].to_list() == [2.0, 1.0]
    summary = found.summary.filter(pl.col(c.METRIC) == "ndcg").row(0, named=True)
    assert (summary["as_ofs"], summary["mean ratio"], summary["least ratio"]) == (2, 1.5, 1.0)
    there = SimpleNamespace(root=tmp_path, reports=tmp_path / "reports")
    page = write_backtest(SimpleNamespace(home=there), found)  # pyright: ignore[reportArgumentType]
    text = (tmp_path / page).read_text()
    assert "2024-01-08" in text
    assert "<svg" in text
    assert pl.read_parquet((tmp_path / page).with_suffix(".parquet")).equals(found.rows)


@pytest.mark.usefixtures("drawn")
def test_nothing_held_out_anywhere_is_an_error_that_says_so(taken_in: Platform):
    with pytest.raises(NotReady, match="choose earlier ones"):
        run_backtest(taken_in, [datetime(2030, 1, 1, tzinfo=UTC)], lambda _: None)


@pytest.mark.usefixtures("drawn")
def test_an_evaluation_counts_the_users_of_lists_too_and_refuses_where_nothing_followed(taken_in: Platform):
    found = evaluate_once(taken_in, INSTANTS[0], lambda _: None)
    final = found.filter(model="final").select(c.METRIC, c.N_USERS).rows()
    assert final == [("coverage", 2), ("ndcg", 2), ("recall", 2)]
    with pytest.raises(NotReady, match=r"nothing to score: no event from 2030-01-01 on, the last is of 2024-"):
        evaluate_once(taken_in, datetime(2030, 1, 1, tzinfo=UTC), lambda _: None)
    with pytest.raises(NotReady, match="did anything new after 2024-01-02"):
        evaluate_once(taken_in, datetime(2024, 1, 2, tzinfo=UTC), lambda _: None)


def test_a_horizon_that_the_log_does_not_cover_is_told():
    week, ends = timedelta(days=7), datetime(2024, 1, 7, 23, 59, tzinfo=UTC)
    assert cut_short(INSTANTS[0], week, ends) is None
    assert "of 7 days after 2024-01-08 is not over, the last event is of 2024-01-07 23:59" in str(
        cut_short(INSTANTS[1], week, ends)
    )
