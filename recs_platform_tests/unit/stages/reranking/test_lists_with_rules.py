"""Lists under random rules: their length, what they may not hold, that they are the same each time."""

from dataclasses import replace
from itertools import pairwise
from unittest.mock import patch

import polars as pl
from hypothesis import given, settings

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking import slates
from recs_platform.stages.reranking.rerank import rerank
from recs_platform.stages.reranking.rules import RULES, filters_of
from recs_platform.stages.reranking.tracing import trace_item
from recs_platform.stages.reranking.violations import violations
from recs_platform_tests.unit.stages.reranking.rule_cases import ITEMS, cases


@settings(max_examples=15, deadline=None)
@given(case=cases())
def test_lists_are_full_and_break_no_filter_whatever_the_rules(case):
    ranked, context = case
    ranked = ranked.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(c.USER_ID).alias(c.RANK))

    made = rerank(ranked, context)

    assert all(rows.is_empty() for rows in violations(made, context, filters_of(RULES)).values())
    eligible = dict.fromkeys(["a", "b"], 0)
    pairs = pl.DataFrame({c.USER_ID: ["a", "b"]}).join(context.items.select(c.ITEM_ID), how="cross")
    for rule in filters_of(RULES):
        pairs = rule.apply(pairs, context)
    eligible |= dict(pairs.group_by(c.USER_ID).len().iter_rows())
    lengths = dict(made.lists.group_by(c.USER_ID).len().iter_rows())
    assert {user: lengths.get(user, 0) for user in eligible} == {
        user: min(context.k, count) for user, count in eligible.items()
    }
    short = {user: count for user, _, count, _ in made.short_lists.iter_rows()}
    assert short == {user: count for user, count in eligible.items() if count < context.k}
    with patch.object(slates, "_CELLS_AT_ONCE", 1):  # a slate for each user
        again = rerank(ranked.reverse(), replace(context, threads=2))
    assert again.lists.equals(made.lists)
    assert again.moved.sort(pl.all()).equals(made.moved.sort(pl.all()))
    assert made.moved.join(made.lists, on=[c.USER_ID, c.ITEM_ID], how="anti").is_empty()
    for user in "ab":
        pinned = context.rules.pinned.of("casual" if _segment(context, user) == "casual" else None)
        _obeys_pins(made.lists.filter(pl.col(c.USER_ID) == user), pairs.filter(pl.col(c.USER_ID) == user), pinned)


def _segment(context, user: str) -> str | None:
    return dict(context.facts.segments.iter_rows()).get(user)


def _obeys_pins(rows: pl.DataFrame, eligible: pl.DataFrame, pinned) -> None:
    if not pinned.enabled:
        return
    for pin in pinned.items:
        if pin.item_id in eligible[c.ITEM_ID] and pin.place <= rows.height:
            assert rows[c.ITEM_ID][pin.place - 1] == pin.item_id


@settings(max_examples=4, deadline=None)
@given(case=cases())
def test_a_trace_ends_where_the_list_has_the_item_and_each_step_begins_where_the_last_ended(case):
    ranked, context = case
    context = replace(context, users=context.users.head(1))
    ranked = ranked.filter(pl.col(c.USER_ID) == context.users[0])
    ranked = ranked.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias(c.RANK))
    made = rerank(ranked, context)
    for item in ITEMS[:2]:
        trace = trace_item(ranked, context, item)
        listed = made.lists.filter(pl.col(c.ITEM_ID) == item)[c.RANK].to_list()
        if trace.place is not None and trace.place <= context.k:
            assert listed == [trace.place]
        else:  # what fills a list up is behind what rules order
            assert listed == [] or trace.place is None
        for one, other in pairwise(trace.steps):
            assert one.place_after == other.place_before
        if trace.steps:
            assert trace.steps[-1].place_after == trace.place
