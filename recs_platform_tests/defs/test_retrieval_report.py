"""What a build tells of its retrieval: counts made in DuckDB are those of the table, and numbers to draw are there."""

import dagster as dg
import polars as pl
import pytest

from recs_platform.defs.instance import open_instance
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.retrieval.facts import retrieval_facts
from recs_platform.pipeline.retrieval.inputs import profiled_problem
from recs_platform.stages.reports import RetrievalFacts
from recs_platform_tests.homes import Built


@pytest.fixture(scope="module")
def facts(built: Built) -> RetrievalFacts:
    return retrieval_facts(AsOfRun(built.platform, built.as_of, built.known_at))


def _frame(built: Built, name: str, columns: list[str] | None = None) -> pl.DataFrame:
    with built.platform.model_run(built.as_of, built.known_at) as run:
        return run.frame(name, columns)


def _reach(frame: pl.DataFrame) -> dict[str, int]:
    exploded = frame.explode("sources", empty_as_null=False).group_by("sources").agg(pl.col("n").sum())
    return dict(exploded.rows())


def test_counts_are_those_of_the_table(built: Built, facts: RetrievalFacts) -> None:
    rows = _frame(built, "retrieval.candidates", ["user_id", "item_id", "sources"])
    exploded = rows.explode("sources", empty_as_null=False)
    assert facts.offers.row_count == rows.height > 0
    for found, key in ((facts.offers.users, "user_id"), (facts.offers.items, "item_id")):
        expected = exploded.group_by("sources").agg(pl.col(key).n_unique())
        assert _reach(found) == dict(expected.rows())
    assert _reach(facts.offers.rows) == dict(exploded.group_by("sources").len().rows())


def test_who_may_be_served_and_what_be_offered_is_what_sources_know(built: Built, facts: RetrievalFacts) -> None:
    problem = profiled_problem(AsOfRun(built.platform, built.as_of, built.known_at))
    assert facts.offers.known_users == problem.n_users
    assert facts.offers.eligible_items == int(problem.eligible.sum())


def test_all_candidates_hold_at_least_what_each_source_does(built: Built) -> None:
    recall = _frame(built, "reports.user_metrics").filter(metric="candidate_recall")
    keys = ["protocol", "cutoff", "user_id"]
    whole = recall.filter(model="candidates")
    beside = recall.filter(pl.col("model") != "candidates").join(whole, on=keys, suffix="_whole")
    assert beside.height > whole.height > 0
    assert beside.filter(pl.col("value") > pl.col("value_whole")).is_empty()


def test_the_report_has_rows_of_every_kind(built: Built) -> None:
    told = _frame(built, "reports.retrieval")
    assert set(told["metric"]) == {
        "candidate_recall", "overlap", "only_here", "rows_per_user", "coverage", "users_served", "index_items",
        "index_megabytes", "audit_recall",
    }  # fmt: skip
    assert told.filter(metric="coverage")["value"].is_between(0, 1).all()


@pytest.mark.parametrize(
    ("key", "numbers"),
    [
        ("retrieval/item_index", {"als/items", "als/megabytes", "als/audit_recall"}),
        ("retrieval/candidates", {"coverage", "als/rows_per_user", "als/only_here"}),
        ("reports/retrieval", {"candidate_recall", "candidate_recall/als", "coverage"}),
    ],
)
def test_numbers_to_draw_over_the_as_ofs_have_names_that_stay(built: Built, key: str, numbers: set[str]) -> None:
    with open_instance(built.platform.home) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(key.split("/")))
    assert event is not None
    assert event.asset_materialization is not None
    found = event.asset_materialization.metadata
    assert {name for name, value in found.items() if isinstance(value, dg.FloatMetadataValue)} >= numbers
