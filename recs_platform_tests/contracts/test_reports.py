"""What every report owes, run over each entry of REPORTS."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.experiments import ExperimentSettings
from recs_platform.contracts.tables import (
    ACTIVITY_DRIFT,
    AS_OF_TABLES,
    BIAS,
    DRIFT,
    OFFLINE_METRICS,
    RETRIEVAL,
    TESTED_LISTS,
    USER_METRICS,
    VERDICTS,
)
from recs_platform.evaluation.off_policy import Estimate, Overlap
from recs_platform.stages.reports import REPORTS, IndexFacts, Offers, RetrievalFacts
from recs_platform.stages.reports.held_lists import Comparison, Held
from recs_platform.stages.reports.off_policy import judge as judge_lists
from recs_platform.stages.reports.verdicts import SEVERITY, contract_frame
from recs_platform_tests.unit.stages.reports import qualities
from recs_platform_tests.unit.stages.reports.exposures import experiment_days
from recs_platform_tests.unit.stages.reports.test_edge_cases import edge_lists, whole

AS_OF = datetime(2020, 1, 8, tzinfo=UTC)
N = 80


HALVES = {"control": {"weight": 0.5}, "b": {"weight": 0.5}}


def facts(*, empty: bool) -> RetrievalFacts:
    earlier = contract_frame([], RETRIEVAL)
    if empty:
        nothing = pl.DataFrame(schema={"sources": pl.List(pl.String), "n": pl.Int64})
        return RetrievalFacts(Offers(nothing, nothing, nothing, ("als",), 0, 0), [], earlier)
    counts = pl.DataFrame({"sources": [["als"], ["als", "trending"]], "n": [N, N]})
    offers = Offers(counts, counts.head(1), counts.head(1), ("als", "trending"), N, N)
    return RetrievalFacts(offers, [IndexFacts("als", N, N, 0.5, ((1.0, 1.0, 50),))], earlier)


def held_lists(*, empty):
    """Lists that the log shows enough of, against lists that it does not."""
    overlap = Overlap(400, 100, 90, 120.0, 30.0, 4.0, 1.0, 0.98, 1.02, 0.0, ())
    held = [
        Held(
            policy,
            None if policy == "coming" else policy,
            (Estimate("doubly_robust", value, low, high, 120.0),),
            overlap,
        )
        for policy, value, low, high in (("coming", 0.1, 0.08, 0.12), ("in_force", 0.15, 0.13, 0.17))
    ]
    if empty:
        return [Comparison("coming", why="nothing logged"), Comparison("in_force", why="no release")]
    logged = Estimate("logged", 0.1, 0.09, 0.11, 400.0)
    unsure = replace(held[1], overlap=replace(overlap, lacks=("5 effective rows, 100 are needed",)))
    return [Comparison("coming", *held, logged, 40, 10), Comparison("in_force", held[0], unsure, logged, 40, 10)]


def test_lists_that_surely_earn_less_warn_and_without_overlap_there_is_no_verdict():
    worse, unsure = map(judge_lists, held_lists(empty=False))
    assert (worse.verdict, worse.value, worse.threshold) == ("warn", 0.12, 0.13)
    assert unsure.verdict == "no_data"
    assert unsure.message.startswith("Not estimable from this log: in_force: 5 effective rows")
    better = held_lists(empty=False)[0]
    assert judge_lists(replace(better, of=better.instead, instead=better.of)).verdict == "pass"
    of_one_user = replace(better.of, estimates=(Estimate("doubly_robust", 0.1, np.nan, np.nan, 120.0),))
    unknown = judge_lists(replace(better, of=of_one_user, instead=of_one_user, n_users=1))
    assert (unknown.verdict, unknown.value, unknown.threshold) == ("no_data", None, None)
    assert unknown.message.startswith("No 95 % interval can be worked out")


def inputs(folder, *, empty: bool = False) -> SimpleNamespace:
    rng = np.random.default_rng(0)
    users = [f"u{i:02d}" for i in range(N)]
    shared = {"as_of": AS_OF, "protocol": "global", "metric": "ndcg", "k": 10}
    rows = [
        shared | {"cutoff": AS_OF - timedelta(days=days), "model": model, "user_id": user, "value": float(rng.random())}
        for model in ("final", "popularity", "als")
        for user in users
        for days in (14, 28)
    ]
    rows += [row | {"metric": "candidate_recall", "k": 40, "model": "candidates"} for row in rows[: 2 * N]]
    without = [row | {"model": "without_mitigation"} for row in rows[: 2 * N]]
    features = pl.DataFrame({"user_id": users, "recency_days": rng.random(N)})
    attributes = {"age_band": [None, "18-24"] * 40, "gender": ["f", "m"] * 40, "country": "DE", "subscription": None}
    attributes |= {"region": ["north", "south"] * 40, "top_device": "mobile"}
    n = 0 if empty else None
    frames = {
        "user_metrics": contract_frame(rows, USER_METRICS),
        "list_metrics": pl.DataFrame(
            {
                "model": ["final"],
                "metric": ["gini"],
                "k": [10],
                "value": [0.5],
                "protocol": ["global"],
                "n_windows": [2],
            }
        ),
        "tested_lists": contract_frame(
            [
                {
                    "as_of": AS_OF,
                    "protocol": "global",
                    "cutoff": AS_OF - timedelta(days=14),
                    "user_id": user,
                    "item_id": "a",
                    "rank": 1,
                    "score": 0.0,
                    "probability": 0.5,
                    "was_chosen": at % 2 == 0,
                }
                for at, user in enumerate(users)
            ],
            TESTED_LISTS,
        ),
        "data_profile": pl.DataFrame(
            {
                "kind": ["choice", "fact"],
                "name": ["horizon_days", "item_life_days"],
                "value": [14.0, None],
                "unit": ["days", "days"],
                "message": ["14 days, as set", "age of items"],
            }
        ),
        "user_segments": pl.DataFrame({"user_id": users, "segment_name": ["new", "loyal"] * 40}),
        "users": pl.DataFrame({"user_id": users} | attributes, schema_overrides={"subscription": pl.String}),
        "tenures": pl.DataFrame({"user_id": users, "tenure_days": [3.0, 300.0] * 40}),
        "learned_from": pl.DataFrame({"user_id": users}),
        "lists": pl.DataFrame({"user_id": users, "item_id": ["a", "b", "c", "d"] * 20, "rank": 1, "segment_id": "s"}),
        "items": pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["x", "y", None], "creator": None}),
        "daily_mix": pl.DataFrame(
            {
                "days_ago": [0, *range(7, 36, 7)],
                "dimension": "event_type",
                "segment": "all",
                "source": "all",
                "value": ["click", "view"] * 3,
                "user_share_sum": float(N),
                "user_share_square_sum": float(N),
            }
        ),
        "catalogue": pl.DataFrame(
            {
                "item_id": ["a", "b", "c"],
                "category": ["x", "y", None],
                "new_at": [AS_OF - timedelta(days=days) for days in (1, 9, 17)],
            }
        ),
        "top_scores": pl.DataFrame(
            {"user_id": users, "top_score": rng.random(N), "score_margin": rng.random(N), "ranker_version": "r"}
        ),
        "weekly_outcomes": pl.DataFrame(
            {
                "weeks_ago": [0, 1] * 40,
                "list_as_of": [AS_OF - timedelta(days=5), None] * 40,
                "user_id": users,
                **dict.fromkeys(("impression_count", "listed_impression_count", "dwelled_count", "session_count"), 2),
                **dict.fromkeys(("clicked_count", "listed_clicked_count", "conversion_count"), 1),
                "dwell_seconds": 3.0,
            }
        ),
        "listed_users": pl.DataFrame(
            {
                "list_as_of": AS_OF - timedelta(days=5),
                "user_id": users,
                "segment_id": "s",
                "is_holdout": [True, False, False, False] * 20,
            }
        ),
        "segment_ids": pl.DataFrame({"user_id": users, "segment_id": "s"}),
        "earlier_activity": contract_frame([], ACTIVITY_DRIFT),
        "earlier_metrics": contract_frame([], OFFLINE_METRICS),
        "experiment_days": experiment_days(),
        "daily_quality": qualities.daily(np.random.default_rng(0)),
        "ledger": qualities.ledger(range(1, 8)),
        "item_counts": pl.DataFrame({"item_id": ["a", "b", "c", "d", "e"], "interaction_count": [9, 5, 3, 1, 0]}),
    }
    return SimpleNamespace(
        **{name: frame.head(n) if empty else frame for name, frame in frames.items()},
        reference_features={} if empty else {"features.u": features},
        current_features={"features.u": features.head(n) if empty else features},
        feature_columns={"features.u": {"recency_days": "user"}},
        versions=dict.fromkeys(("raw.items", "raw.users"), qualities.NO_VERSIONS),
        checked=qualities.checked(),
        edge_lists=None if empty else edge_lists(whole("u")),
        retrieval=facts(empty=empty),
        experiments={"x": ExperimentSettings.model_validate({"variants": HALVES})},
        held_lists=held_lists(empty=empty),
        as_of=AS_OF,
        reference_as_of=None if empty else AS_OF - timedelta(days=7),
        horizon_days=14,
        protocol="global",
        seed=7,
        facts={"release": "none yet"},
        features_before_reference={},
        earlier_drift=contract_frame([], DRIFT),
        feature_gains={"recency_days": 0.2},
        origins=lambda _: {"recency_days": ["raw.events.occurred_at"]},
        folder=folder / "reports",
        mitigations=() if empty else ("training.balance",),
        unmitigated_metrics=contract_frame([] if empty else without, USER_METRICS),
        unmitigated_list_metrics=frames["list_metrics"].head(0 if empty else 1).with_columns(value=pl.lit(0.7)),
    )


@pytest.fixture(params=REPORTS, ids=lambda report: report.name)
def report(request):
    return request.param


def test_names_and_tables_are_distinct_and_known():
    names = [
        "data_profile",
        "data_quality",
        "offline_metrics",
        "probability",
        "drift",
        "activity_drift",
        "bias",
        "edge_cases",
        "business",
        "retrieval",
        "experiments",
        "off_policy",
    ]
    assert [report.name for report in REPORTS] == names
    assert len({report.table.name for report in REPORTS}) == len(REPORTS)
    assert all(report.table in AS_OF_TABLES and report.title for report in REPORTS)


@pytest.mark.parametrize("empty", [False, True], ids=["full", "empty"])
def test_rows_follow_the_contract_and_every_report_says_something(report, empty, tmp_path):
    result = report.run(inputs(tmp_path, empty=empty))
    assert result.table == report.table.name
    assert result.frame.columns == list(report.table.column_names)
    assert not result.frame.select(report.table.grain).is_duplicated().any()
    assert result.verdicts.columns == list(VERDICTS.column_names)
    assert result.verdicts["report"].unique().to_list() == [report.name]
    assert not result.verdicts.select(VERDICTS.grain).is_duplicated().any()
    assert set(result.verdicts["verdict"]) <= set(SEVERITY)
    assert set(result.frame["as_of"].unique()) <= {AS_OF}


def test_nothing_to_judge_is_no_data_and_never_a_pass(report, tmp_path):
    result = report.run(inputs(tmp_path, empty=True))
    assert set(result.verdicts["verdict"]) == {"no_data"}
    assert result.verdict == "no_data"


def test_the_page_is_written_where_it_says_and_is_whole(report, tmp_path):
    given = inputs(tmp_path)
    result = report.run(given)
    page = (given.folder / result.html).read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert "<script" not in page
    for subject in result.verdicts["subject"]:
        assert subject in page


def test_the_same_inputs_give_the_same_rows_and_are_left_alone(report, tmp_path):
    given = inputs(tmp_path)
    before = given.user_metrics.clone()
    first, second = report.run(given), report.run(given)
    assert first.frame.equals(second.frame)
    assert first.verdicts.equals(second.verdicts)
    assert given.user_metrics.equals(before)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "my report"}, "report 'my report': name = 'my report': "),
        ({"title": " "}, "title: "),
        ({"table": replace(BIAS, name="reports.mine")}, "table = 'reports.mine': it is not in AS_OF_TABLES"),
        ({"reads": ()}, "reads: "),
        ({"recomputes": ("features.other",)}, "recomputes = ['features.other']: name them in reads too"),
    ],
)
def test_an_entry_written_wrongly_fails_when_it_is_made_and_names_its_field(wrong, says):
    with pytest.raises(ContractError) as refused:
        replace(REPORTS[0], **wrong)
    assert says in str(refused.value)
