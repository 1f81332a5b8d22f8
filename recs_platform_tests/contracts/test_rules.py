"""The contract of every re-ranking rule: rows of its input, unchanged, none twice, in list order."""

import polars as pl
from hypothesis import given, settings

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules import RULES, filters_of, reorders_of
from recs_platform.stages.reranking.rules.rule import Rule
from recs_platform_tests.unit.stages.reranking.rule_cases import cases


def test_names_are_distinct():
    assert len({rule.name for rule in RULES}) == len(RULES)


# One case is shown to every rule: drawing it takes longer than applying one.
@settings(max_examples=15, deadline=None)
@given(case=cases())
def test_every_rule_keeps_the_contract(case):
    ranked, context = case
    before = ranked.clone()
    for rule in RULES:
        after = rule.apply(ranked, context)
        only_leaves_out_and_moves_rows_within_their_user(ranked, after)
        assert rule.apply(after, context).equals(after), f"{rule.name} applied twice says something new"
        assert rule.apply(ranked, context).equals(after), f"{rule.name} is not the same each time"
        assert rule.apply(ranked.clear(), context).equals(ranked.clear())
        does_not_depend_on_other_users(rule, ranked, after, context)
    for rule in reorders_of(RULES):
        assert rule.apply(ranked, context).height == ranked.height, f"{rule.name} leaves rows out"
    assert ranked.equals(before)


def only_leaves_out_and_moves_rows_within_their_user(ranked: pl.DataFrame, after: pl.DataFrame) -> None:
    assert after.schema == ranked.schema
    assert len(after) == len(after.join(ranked, on=[c.USER_ID, c.ITEM_ID, c.SCORE], how="semi"))
    assert after.select(c.USER_ID, c.ITEM_ID).is_unique().all()
    assert after[c.USER_ID].rle().len() == after[c.USER_ID].n_unique()


def does_not_depend_on_other_users(
    rule: Rule, ranked: pl.DataFrame, after: pl.DataFrame, context: RerankContext
) -> None:
    mine = pl.col(c.USER_ID) == "b"
    assert rule.apply(ranked.filter(mine), context).equals(after.filter(mine)), rule.name


@settings(max_examples=15, deadline=None)
@given(case=cases())
def test_a_filter_judges_each_pair_alone(case):
    ranked, context = case
    for rule in filters_of(RULES):
        pairs = ranked.select([c.ITEM_ID] if rule.by == "item" else [c.USER_ID, c.ITEM_ID])
        alone = [rule.apply(pair, context) for pair in pairs.iter_slices(1)]
        assert pl.concat([pairs.clear(), *alone]).equals(rule.apply(pairs, context)), rule.name


def test_every_rule_is_a_filter_or_a_reorder_with_a_check_of_its_own():
    assert len(filters_of(RULES)) + len(reorders_of(RULES)) == len(RULES)
    checks = [rule.check_name for rule in filters_of(RULES)]
    assert len(set(checks)) == len(checks)
    assert all(rule.reason and rule.promise for rule in filters_of(RULES))
