"""Edge cases: a list that is short without reason, breaks a rule or has no number for a score warns, and says which."""

from datetime import UTC, datetime
from types import SimpleNamespace

import polars as pl
import pytest

from recs_platform.stages.reports import EdgeLists
from recs_platform.stages.reports.edge_cases import run

AS_OF = datetime(2020, 3, 2, tzinfo=UTC)
K = 3
LISTS = {
    "user_id": pl.String, "rank": pl.Int32, "item_id": pl.String, "title": pl.String, "category": pl.String,
    "score": pl.Float64, "sources": pl.List(pl.String),
}  # fmt: skip


def lists(*rows):
    """Rows (user, item, score, sources), in list order."""
    made, places = [], {}
    for user, item, score, sources in rows:
        places[user] = places.get(user, 0) + 1
        made.append((user, places[user], item, item.upper(), "x", score, sources))
    return pl.DataFrame(made, schema=LISTS, orient="row")


def whole(user, *, score=1.0):
    return [(user, item, score, ["als"]) for item in ("a", "b")] + [(user, "c", -1.0, ["fallback"])]


def edge_lists(rows, *, short=(), broken=None, users=("u",)):
    nothing = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String, "rank": pl.Int32})
    return EdgeLists(
        people=pl.DataFrame({"user_id": users, "name": users, "message": "somebody"}),
        events=pl.DataFrame({"user_id": users, "event_count": 2}),
        offered=pl.DataFrame({"user_id": users, "offer_count": 9}),
        lists=lists(*rows),
        short_lists=pl.DataFrame(
            list(short),
            schema={"user_id": pl.String, "list_length": pl.Int64, "eligible_count": pl.Int64, "reason": pl.String},
            orient="row",
        ),
        popular=pl.DataFrame({"user_id": "u", "item_id": ["a", "c", "d"]}),
        broken={"no_consumed_items": nothing, "regions": nothing} | (broken or {}),
        k=K,
    )


@pytest.fixture
def report(tmp_path):
    def made(given):
        inputs = SimpleNamespace(edge_lists=given, as_of=AS_OF, facts={}, folder=tmp_path)
        result = run(inputs)
        return result, result.frame.row(0, named=True) if result.frame.height else {}

    return made


def test_a_whole_list_passes_and_says_where_it_comes_from(report):
    result, row = report(edge_lists(whole("u")))
    assert result.verdict == "pass"
    assert (row["list_length"], row["event_count"], row["offer_count"], row["category_count"]) == (3, 2, 9, 1)
    assert row["sources"] == "als 2, fallback 1"
    assert (row["fallback_share"], row["popular_share"]) == pytest.approx((1 / 3, 2 / 3))
    assert (row["score_min"], row["score_max"]) == (-1.0, 1.0)
    assert result.numbers == {"lists_with_fault": 0.0, "popular_share": pytest.approx(2 / 3)}


def test_a_list_that_holds_all_that_may_be_shown_is_short_for_a_reason_and_one_that_lacks_something_warns(report):
    reason = "2 of 9 items are eligible"
    result, row = report(edge_lists(whole("u")[:2], short=[("u", 2, 2, reason)]))
    assert (result.verdict, row["message"]) == ("pass", reason)
    result, row = report(edge_lists(whole("u")[:2]))
    assert (result.verdict, row["message"]) == ("warn", "2 items where 3 were due")
    result, _ = report(edge_lists([], short=[("u", 0, 0, "nothing is left")]))
    assert result.verdict == "pass"
    assert "0 items; nothing is left" in result.verdicts["message"][0]


def test_a_broken_rule_and_a_score_that_is_no_number_are_named(report):
    rows = pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "rank": [1]}, schema_overrides={"rank": pl.Int32})
    result, row = report(edge_lists(whole("u"), broken={"regions": rows}))
    assert (result.verdict, row["broken_rules"], row["message"]) == ("warn", "regions", "breaks regions")
    result, row = report(edge_lists(whole("u", score=float("nan"))))
    assert (result.verdict, row["message"]) == ("warn", "2 scores that are no finite numbers")


def test_each_made_up_user_is_judged_alone(report):
    result, _ = report(edge_lists([*whole("u"), *whole("v")[:1]], users=("u", "v")))
    assert dict(result.verdicts.select("subject", "verdict").iter_rows()) == {"u": "pass", "v": "warn"}
    assert result.numbers["lists_with_fault"] == 1.0


def test_where_nothing_may_be_recommended_there_is_no_verdict(report):
    result, _ = report(None)
    assert result.verdict == "no_data"
    assert result.frame.is_empty()
