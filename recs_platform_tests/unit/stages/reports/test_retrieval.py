from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from recs_platform.contracts.tables import RETRIEVAL, USER_METRICS
from recs_platform.stages.reports.offers import IndexFacts, Offers, RetrievalFacts
from recs_platform.stages.reports.retrieval import RetrievalReportConfig, judge_retrieval, measure_retrieval
from recs_platform.stages.reports.retrieval_page import sections
from recs_platform.stages.reports.verdicts import contract_frame

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
NO_SEGMENTS = pl.DataFrame(schema={"user_id": pl.String, "segment_name": pl.String})
NO_ROWS = contract_frame([], RETRIEVAL)
CONFIG = RetrievalReportConfig()


def counts(by_set: dict[tuple[str, ...], int]) -> pl.DataFrame:
    sources = pl.Series([list(names) for names in by_set], dtype=pl.List(pl.String))
    return pl.DataFrame({"sources": sources, "n": pl.Series(list(by_set.values()), dtype=pl.Int64)})


def offers(**changes) -> Offers:
    """Ten rows: 4 of als alone, 3 of als and knn, 2 of all three, 1 of new; 4 of 5 users, 6 of 8 items."""
    made = {
        "rows": counts({("als",): 4, ("als", "knn"): 3, ("als", "knn", "new"): 2, ("new",): 1}),
        "users": counts({("als", "knn"): 1, ("als", "knn", "new"): 2, ("new",): 1}),
        "items": counts({("als",): 3, ("als", "knn", "new"): 2, ("new",): 1}),
        "enabled": ("als", "knn", "new"),
        "known_users": 5,
        "eligible_items": 8,
    }
    return Offers(**(made | changes))


def facts(offered: Offers | None = None, *, indexes=(), earlier: pl.DataFrame = NO_ROWS) -> RetrievalFacts:
    return RetrievalFacts(offered or offers(), indexes, earlier)


def recalls(by_model: dict[str, list[float]], *, protocol: str = "global") -> pl.DataFrame:
    rows = [
        {"as_of": AS_OF, "protocol": protocol, "cutoff": AS_OF - WEEK, "model": model, "user_id": f"u{user:02d}"}
        | {"metric": "candidate_recall", "k": 40, "value": value}
        for model, values in by_model.items()
        for user, value in enumerate(values)
    ]
    return contract_frame(rows, USER_METRICS)


def measure(given: RetrievalFacts, metrics: pl.DataFrame | None = None, segments: pl.DataFrame = NO_SEGMENTS):
    metrics = recalls({}) if metrics is None else metrics
    return measure_retrieval(given, metrics, segments, as_of=AS_OF, horizon_days=14, seed=1)


def values_of(frame: pl.DataFrame, metric: str) -> dict[tuple[str, str | None], float]:
    return {
        (source, other): value
        for source, other, value in frame.filter(metric=metric).select("source", "other_source", "value").rows()
    }


def verdict(given: RetrievalFacts, subject: str, metrics: pl.DataFrame | None = None) -> str:
    judged = {row.subject: row.verdict for row in judge_retrieval(measure(given, metrics), given, CONFIG)}
    return judged[subject]


def earlier(value: float, *, at: datetime = AS_OF - WEEK, protocol: str = "global") -> pl.DataFrame:
    row = {"as_of": at, "metric": "candidate_recall", "source": "all", "segment": "all", "value": value}
    return contract_frame([row | {"sample_size": 50, "protocol": protocol}], RETRIEVAL)


def test_overlap_is_the_share_of_a_sources_rows_that_the_other_offers_too():
    assert values_of(measure(facts()), "overlap") == {
        ("als", "knn"): (3 + 2) / (4 + 3 + 2),
        ("als", "new"): 2 / (4 + 3 + 2),
        ("knn", "als"): (3 + 2) / (3 + 2),
        ("knn", "new"): 2 / (3 + 2),
        ("new", "als"): 2 / (2 + 1),
        ("new", "knn"): 2 / (2 + 1),
    }


def test_only_here_is_the_share_that_no_other_source_offers():
    assert values_of(measure(facts()), "only_here") == {("als", None): 4 / 9, ("knn", None): 0.0, ("new", None): 1 / 3}


def test_coverage_users_and_rows_are_told_of_each_source_and_of_all_together():
    frame = measure(facts())
    assert values_of(frame, "coverage") == {
        ("all", None): 6 / 8, ("als", None): (3 + 2) / 8, ("knn", None): 2 / 8, ("new", None): (2 + 1) / 8,
    }  # fmt: skip
    assert values_of(frame, "users_served") == {
        ("all", None): 4 / 5, ("als", None): (1 + 2) / 5, ("knn", None): (1 + 2) / 5, ("new", None): (2 + 1) / 5,
    }  # fmt: skip
    assert values_of(frame, "rows_per_user") == {
        ("all", None): 10 / 4, ("als", None): 9 / 3, ("knn", None): 5 / 3, ("new", None): 3 / 3,
    }  # fmt: skip


def test_a_source_that_is_off_is_told_of_where_it_offered_something():
    frame = measure(facts(offers(enabled=("als", "knn"))))
    assert values_of(frame, "coverage")["new", None] == 3 / 8


def test_recall_is_told_by_source_and_segment_with_all_for_every_candidate():
    segments = pl.DataFrame({"user_id": ["u00", "u01"], "segment_name": ["early", "early"]})
    frame = measure(facts(), recalls({"candidates": [1.0, 0.5, 0.0], "als": [0.5, 0.0, 0.0]}), segments)
    rows = frame.filter(metric="candidate_recall").select("source", "segment", "value", "sample_size", "protocol")
    assert rows.rows() == [
        ("all", "all", pytest.approx(1.5 / 3), 3, "global"),
        ("all", "early", pytest.approx(1.5 / 2), 2, "global"),
        ("als", "all", pytest.approx(0.5 / 3, abs=1e-8), 3, "global"),
        ("als", "early", pytest.approx(0.5 / 2), 2, "global"),
    ]


def test_one_protocol_is_told_where_there_are_two():
    both = [recalls({"candidates": [1.0]}), recalls({"candidates": [0.5]}, protocol="global_with_new_items")]
    assert measure(facts(), pl.concat(both)).filter(metric="candidate_recall")["value"].to_list() == [1.0]


def test_indexes_are_told_with_the_recall_of_each_share():
    index = IndexFacts("als", 90, 100, 0.25, ((1.0, 1.0, 50), (0.05, 0.97, 50)))
    frame = measure(facts(indexes=[index])).filter(source="als").drop_nulls("value")
    assert values_of(frame, "index_items") == {("als", None): 90.0}
    assert values_of(frame, "index_megabytes") == {("als", None): 0.25}
    audit = frame.filter(metric="audit_recall").select("share", "value", "sample_size")
    assert audit.rows() == [(0.05, 0.97, 50), (1.0, 1.0, 50)]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (NO_ROWS, "no_data"),  # nothing before
        (earlier(0.6, protocol="per_user"), "no_data"),  # measured another way
        (earlier(0.6), "pass"),
        (earlier(0.7), "warn"),  # 0.5 < 0.8 * 0.7
        (pl.concat([earlier(0.9, at=AS_OF - 2 * WEEK), earlier(0.6)]), "pass"),  # the last one counts
    ],
)
def test_a_fall_of_recall_warns(before, expected):
    metrics = recalls({"candidates": [0.5] * 40})
    assert verdict(facts(earlier=before), "candidate_recall", metrics) == expected


def test_a_fall_that_chance_explains_does_not_warn():
    metrics = recalls({"candidates": [0.0, 1.0] * 20})  # mean 0.5, but it might as well be 0.6
    assert verdict(facts(earlier=earlier(0.7)), "candidate_recall", metrics) == "pass"


def test_few_users_say_nothing_of_recall():
    metrics = recalls({"candidates": [0.0] * 29})
    assert verdict(facts(earlier=earlier(0.9)), "candidate_recall", metrics) == "no_data"


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], "pass"),  # it may never have had anything to go by
        ([("als", 3.0, WEEK)], "pass"),
        ([("trending", 0.0, WEEK)], "pass"),
        ([("trending", 2.0, WEEK)], "warn"),
        ([("trending", 2.0, 2 * WEEK), ("als", 3.0, WEEK)], "pass"),  # it lost its candidates before the last one
    ],
)
def test_an_enabled_source_that_lost_its_candidates_warns_by_name(before, expected):
    rows = [
        {"as_of": AS_OF - age, "metric": "rows_per_user", "source": source, "segment": "all", "value": value}
        | {"sample_size": 5}
        for source, value, age in before
    ]
    empty = facts(offers(enabled=("als", "knn", "new", "trending")), earlier=contract_frame(rows, RETRIEVAL))
    judged = {row.subject: row for row in judge_retrieval(measure(empty), empty, CONFIG)}
    assert judged["enabled sources"].verdict == expected
    assert "1 of 4 offer no candidates: trending" in judged["enabled sources"].message


@pytest.mark.parametrize(
    ("covered", "candidates", "expected"),
    [
        (100, 100_000, "pass"),
        (99, 100_000, "warn"),  # below a tenth of 1,000
        (20, 200, "pass"),  # a tenth of what 200 candidates could cover at most
        (19, 200, "warn"),
        (0, 0, "warn"),
    ],
)
def test_few_items_offered_to_anybody_warn(covered, candidates, expected):
    offered = offers(rows=counts({("als",): candidates}), items=counts({("als",): covered}), eligible_items=1000)
    assert verdict(facts(offered), "coverage") == expected


def test_nothing_at_all_is_no_data():
    nothing = counts({})
    empty = facts(Offers(nothing, nothing, nothing, (), 0, 0))
    frame = measure(empty)
    assert set(frame["metric"]) == {"rows_per_user"}
    assert {row.verdict for row in judge_retrieval(frame, empty, CONFIG)} == {"no_data"}


def test_users_without_a_candidate_warn_and_are_no_error():
    empty = facts(Offers(counts({}), counts({}), counts({}), ("als",), 5, 8))
    assert values_of(measure(empty), "users_served") == {("all", None): 0.0, ("als", None): 0.0}
    (coverage,) = [row for row in judge_retrieval(measure(empty), empty, CONFIG) if row.subject == "coverage"]
    assert (coverage.verdict, coverage.threshold) == ("warn", None)
    assert coverage.message.startswith(
        "No user has any candidate, of 5 known users and 8 eligible items: everybody has"
    )


def test_one_as_of_alone_has_no_table_of_dashes_and_no_lines():
    given = facts()
    over_time = next(part for part in sections(measure(given), given) if part.heading == "Over time")
    assert (over_time.table, over_time.figure) == (None, "")
    assert "the first that was measured" in over_time.text


def test_the_page_draws_what_was_measured_before_and_now():
    given = facts(indexes=[IndexFacts("als", 90, 100, 0.25, ((1.0, 0.98, 50),))], earlier=earlier(0.6))
    frame = measure(given, recalls({"candidates": [0.5] * 40, "a<b": [0.25] * 40}))
    text = {section.heading: section.figure for section in sections(frame, given)}
    assert text["Over time"].count("<figure ") == 4  # recall, coverage, audit, megabytes
    table = next(section.table for section in sections(frame, given) if section.heading == "Over time")
    assert table["Candidate recall"].to_list() == ["50.0 %", "60.0 %"]
    assert [f"{at:%Y-%m-%d}" for at in table["as_of"]] == ["2020-03-01", "2020-02-23"]
    assert "a&lt;b" in text["Recall by source and segment"]
    assert "a<b" not in "".join(text.values())
