"""A list says of an item that it was pinned where it was, and of no other."""

from dataclasses import replace

from recs_platform.contracts import columns as c
from recs_platform.contracts.rule_settings import RulesSettings
from recs_platform.stages.reranking.rerank import rerank
from recs_platform_tests.unit.stages.reranking.test_rerank import items_of, make_context, ranked_rows

ITEMS = {"a1": "a", "b1": "b", "c1": "c", "d1": "d"}


def _made(*pins: tuple[str, int], **rules: object):
    items = [{"item_id": item, "place": place} for item, place in pins]
    obeyed = RulesSettings.model_validate({"pinned": {"enabled": True, "items": items}, **rules})
    return rerank(ranked_rows(u="a1 b1 c1 d1"), replace(make_context(ITEMS, users="u"), rules=obeyed))


def test_what_comes_up_where_a_pinned_item_goes_down_was_not_pinned():
    made = _made(("a1", 2))
    assert items_of(made.lists, "u") == "b1 a1 c1"
    assert made.moved.select(c.ITEM_ID, c.RULE).rows() == [("a1", "pinned")]


def test_what_is_pinned_where_it_stood_was_not_moved():
    made = _made(("b1", 2), ("d1", 3))
    assert items_of(made.lists, "u") == "a1 b1 d1"
    assert made.moved.select(c.ITEM_ID, c.RULE).rows() == [("d1", "pinned")]


def test_the_rule_before_is_told_of_what_comes_up_behind_a_pin():
    made = _made(("a1", 2), boosted={"enabled": True, "items": [{"item_id": "c1", "factor": 1.9}]},
                 blend={"enabled": True})  # fmt: skip
    assert items_of(made.lists, "u") == "c1 a1 b1"
    assert dict(made.moved.select(c.ITEM_ID, c.RULE).iter_rows()).get("c1") != "pinned"
