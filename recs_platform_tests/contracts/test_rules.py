"""The contract of every re-ranking rule: rows of its input, unchanged, none twice, in list order."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules import RULES, filters_of, reorders_of
from recs_platform.stages.reranking.rules.rule import Filter, Reorder, Rule

ITEMS = [f"i{n}" for n in range(8)]
PAIRS = {c.USER_ID: pl.String, c.ITEM_ID: pl.String}

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@st.composite
def cases(draw) -> tuple[pl.DataFrame, RerankContext]:
    """Ranked rows in list order and what the rules know; some ranked items are unknown to `items`."""
    rows = [
        (user, item, -float(place), ["als"])
        for user in ("a", "b")
        for place, item in enumerate(draw(st.permutations(ITEMS))[: draw(st.integers(0, 8))])
    ]
    schema = {**PAIRS, c.SCORE: pl.Float64, c.SOURCES: pl.List(pl.String)}
    known = ITEMS[: draw(st.integers(0, 8))]
    items = pl.DataFrame(
        [(item, draw(st.sampled_from(["x", "y", None])), draw(st.booleans())) for item in known],
        schema={c.ITEM_ID: pl.String, c.CATEGORY: pl.String, "is_available": pl.Boolean},
        orient="row",
    )
    consumed = draw(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(ITEMS)), max_size=6))
    context = RerankContext(
        items=items,
        consumed=pl.DataFrame(consumed, schema=PAIRS, orient="row"),
        users=pl.Series(["a", "b"]),
        fallback=pl.DataFrame(schema={c.ITEM_ID: pl.String, c.SCORE: pl.Float64}),
        k=draw(st.integers(1, 5)),
        max_per_category=draw(st.integers(1, 3)),
        diversity=draw(st.sampled_from([0.0, 0.3, 1.0])),
        allow_repeats=draw(st.booleans()),
    )
    return pl.DataFrame(rows, schema=schema, orient="row"), context


def test_names_are_distinct():
    assert len({rule.name for rule in RULES}) == len(RULES)


@each_rule
@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_a_rule_only_leaves_out_and_moves_rows_within_their_user(rule: Rule, case):
    ranked, context = case
    before = ranked.clone()

    after = rule.apply(ranked, context)

    assert after.schema == ranked.schema
    assert len(after) == len(after.join(ranked, on=[c.USER_ID, c.ITEM_ID, c.SCORE], how="semi"))
    assert after.select(c.USER_ID, c.ITEM_ID).is_unique().all()
    assert after[c.USER_ID].rle().len() == after[c.USER_ID].n_unique()
    assert ranked.equals(before)


@each_rule
@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_a_rule_applied_twice_says_nothing_new(rule: Rule, case):
    ranked, context = case
    once = rule.apply(ranked, context)

    assert rule.apply(once, context).equals(once)
    assert rule.apply(ranked, context).equals(once)


@each_rule
@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_a_users_list_does_not_depend_on_other_users(rule: Rule, case):
    ranked, context = case
    mine = pl.col(c.USER_ID) == "b"

    assert rule.apply(ranked.filter(mine), context).equals(rule.apply(ranked, context).filter(mine))


@each_rule
@given(case=cases())
@settings(max_examples=5, deadline=None)
def test_no_rows_in_no_rows_out(rule: Rule, case):
    ranked, context = case

    assert rule.apply(ranked.clear(), context).equals(ranked.clear())


def test_every_rule_is_a_filter_or_a_reorder_with_a_check_of_its_own():
    assert len(filters_of(RULES)) + len(reorders_of(RULES)) == len(RULES)
    checks = [rule.check_name for rule in filters_of(RULES)]
    assert len(set(checks)) == len(checks)
    assert all(rule.reason and rule.promise for rule in filters_of(RULES))


@pytest.mark.parametrize("rule", filters_of(RULES), ids=lambda rule: rule.name)
@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_a_filter_judges_each_pair_alone(rule: Filter, case):
    ranked, context = case
    pairs = ranked.select([c.ITEM_ID] if rule.by == "item" else [c.USER_ID, c.ITEM_ID])
    alone = [rule.apply(pair, context) for pair in pairs.iter_slices(1)]
    assert pl.concat([pairs.clear(), *alone]).equals(rule.apply(pairs, context))


@pytest.mark.parametrize("rule", reorders_of(RULES), ids=lambda rule: rule.name)
@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_a_reorder_leaves_nothing_out(rule: Reorder, case):
    ranked, context = case
    assert rule.apply(ranked, context).height == ranked.height
