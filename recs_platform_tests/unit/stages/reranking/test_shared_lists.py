"""Whoever refers to a shared list is shown k of its items, none of which they may not see; the others get their own."""

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.stages.releases.references import expand
from recs_platform.stages.releases.views import current_view
from recs_platform.stages.reranking.rules import RULES, filters_of
from recs_platform.stages.reranking.rules.rule import Filter
from recs_platform.stages.reranking.shared_lists import SharedLists, share_lists
from recs_platform.stages.reranking.violations import violations
from recs_platform.warehouse.connection import connect
from recs_platform_tests.unit.stages.reranking.test_rerank import CATALOGUE, items_of, make_context
from recs_platform_tests.unit.stages.reranking.test_rerank_regions import context_of, pairs

AS_OF = datetime(2024, 1, 1, tzinfo=UTC)
DEVICES = pairs([("a", "mobile"), ("b", "desktop"), ("c", "mobile")], c.USER_ID, c.TOP_DEVICE)
POPULAR = pl.DataFrame(
    {c.TOP_DEVICE: ["mobile"] * 2, c.ITEM_ID: ["z1", "x3"], c.USER_COUNT: pl.Series([9, 7], dtype=pl.Int64)}
)
NO_Y = Filter("no_y_for_b", lambda rows, _: rows.filter((pl.col(c.USER_ID) != "b") | (pl.col(c.ITEM_ID) != "y1")))


def stored(made: SharedLists) -> tuple[pl.DataFrame, pl.DataFrame]:
    """As the tables hold them."""
    at = pl.lit(AS_OF).dt.cast_time_unit("us").alias(c.AS_OF)
    of_all = [
        at,
        pl.lit("because").alias(c.REASON),
        pl.lit(1.0).alias(c.PROPENSITY),
        pl.lit("exact").alias(c.PROPENSITY_METHOD),
        pl.lit(value=False).alias(c.IS_HOLDOUT),
        pl.lit("r").alias(c.RANKER_VERSION),
    ]
    return made.lists.with_columns(of_all), made.references.with_columns(at, pl.lit("s").alias(c.SEGMENT_ID))


def test_a_device_has_its_own_order_and_who_consumed_looks_deeper() -> None:
    context = make_context(CATALOGUE, users="abcd", consumed=[("c", "x3"), ("d", "y1")])
    made = share_lists(context, DEVICES, POPULAR)
    shown = expand(*stored(made))
    assert [items_of(shown, user) for user in "abcd"] == ["z1 x3 x1", "x1 x2 y1", "z1 x1 y1", "x1 x2 z1"]
    named = dict(made.references.select(c.USER_ID, c.LIST_ID).iter_rows())
    assert named == {
        "a": "everywhere, mobile", "b": "everywhere, any device",
        "c": "everywhere, mobile", "d": "everywhere, any device",
    }  # fmt: skip
    assert made.references[c.HIDDEN_ITEMS].to_list() == [[], [], ["x3"], ["y1"]]
    assert made.lists.group_by(c.LIST_ID).len().sort(c.LIST_ID)["len"].to_list() == [4, 4]  # k and one hidden


def test_who_would_be_shown_too_few_is_left_out() -> None:
    consumed = [("a", item) for item in ("x1", "x2", "y1")]
    made = share_lists(make_context(CATALOGUE, consumed=consumed), DEVICES, POPULAR)
    assert made.references[c.USER_ID].to_list() == ["b"]


def test_nobody_to_refer_is_no_list() -> None:
    made = share_lists(make_context(CATALOGUE, users=""), DEVICES, POPULAR)
    assert (made.lists.height, made.references.height) == (0, 0)


@settings(max_examples=12, deadline=None)
@example(
    consumed={("b", "y1")}, exclusions=set(), k=3, repeats=True, own=True
)  # a filter of the home holds where consumed items may come again
@given(
    st.sets(st.tuples(st.sampled_from("abcd"), st.sampled_from(sorted(CATALOGUE)))),
    st.sets(st.tuples(st.sampled_from(["SE", "DK", "", "unknown"]), st.sampled_from(sorted(CATALOGUE)))),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)
def test_no_promise_is_broken_and_analysts_see_what_users_see(consumed, exclusions, k, repeats, own) -> None:
    context = context_of(sorted(exclusions), k=k, consumed=sorted(consumed), allow_repeats=repeats)
    rules = (NO_Y,) if own else ()
    made = share_lists(context, DEVICES, POPULAR, rules)
    shared, references = stored(made)
    shown = expand(shared, references)
    theirs = replace(context, users=references[c.USER_ID])
    result = type("Result", (), {"lists": shown, "short_lists": pl.DataFrame(schema={c.USER_ID: pl.String})})
    broken = violations(result, theirs, filters_of((*RULES, *rules)))
    assert {name: rows.rows() for name, rows in broken.items() if rows.height} == {}
    assert in_sql(shared, references).equals(shown)


def in_sql(shared: pl.DataFrame, references: pl.DataFrame) -> pl.DataFrame:
    """What `recommendations.current` of a published file shows."""
    con = connect(memory_limit_gb=1, threads=1)
    con.execute("create schema recommendations")
    personal = shared.join(references, on=c.LIST_ID).clear()
    released = pl.lit("release").alias(c.RELEASE_ID)
    for name, rows in (
        ("personal_lists", personal.with_columns(released)),
        ("shared_lists", shared.with_columns(released)),
        ("list_references", references.with_columns(released)),
        ("releases", pl.DataFrame({c.RELEASE_ID: ["release"], c.IS_CURRENT: [True]})),
    ):
        con.register("rows", rows.to_arrow())
        con.execute(f"create table recommendations.{name} as from rows")
    found = con.sql(f"{current_view()} order by user_id, rank").pl()
    con.close()
    return found.select(expand(shared, references).columns)
