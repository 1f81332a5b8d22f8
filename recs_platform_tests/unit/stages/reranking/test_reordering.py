"""Rows after each reorder: looked at one by one they end in the order that one pass gives."""

import polars as pl
from hypothesis import given, settings

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.reordering import cut, orders
from recs_platform.stages.reranking.rules import RULES, reorders_of
from recs_platform.stages.reranking.rules.rule import Reorder
from recs_platform_tests.unit.stages.reranking.rule_cases import cases


def _reverse(rows: pl.DataFrame, context) -> pl.DataFrame:
    return rows.reverse().sort(c.USER_ID, maintain_order=True)


OWN = Reorder("reversed", _reverse)


@settings(max_examples=10, deadline=None)
@given(case=cases())
def test_rows_after_each_rule_end_in_the_order_of_one_pass(case):
    ranked, context = case
    rows = ranked.sort(c.USER_ID, maintain_order=True)
    rules = (*RULES[:-2], OWN, *RULES[-2:])

    *_, at_once = orders(rows, context, rules)
    *_, shortened = orders(rows, context, rules, keep=context.k)
    each = list(orders(rows, context, rules, after_each=True))

    assert [step.rule for step in each] == [rule.name for rule in reorders_of(rules)]
    assert each[-1].rows.equals(at_once.rows)
    assert each[-1].moved.equals(at_once.moved)
    assert cut(shortened.rows, context.k).equals(cut(at_once.rows, context.k))


def test_reorders_of_the_home_are_a_step_each():
    rows = pl.DataFrame({c.USER_ID: ["a", "a"], c.ITEM_ID: ["i", "j"]})
    own = (OWN, Reorder("again", _reverse))

    steps = list(orders(rows, context=None, rules=own))  # pyright: ignore[reportArgumentType]

    assert [(step.rule, step.rows[c.ITEM_ID].to_list()) for step in steps] == [
        ("reversed", ["j", "i"]),
        ("again", ["i", "j"]),
    ]
