"""Rules of the home take part in every list, and one that is wrong takes part in none and says why."""

import polars as pl
import pytest

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.reranking import load_own_rules, rerank
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.rule import Reorder

HEAD = "import polars as pl\nfrom recs_platform.stages.reranking.rules.rule import Filter, Reorder, Rule\n"
REVERSED = HEAD + (
    "def turn(ranked, context):\n"
    "    return ranked.reverse().sort('user_id', maintain_order=True)\n"
    "RULE = Reorder('turned', turn)\n"
)
WRONG = {
    "no_rule.py": (HEAD, "defines no RULE"),
    "syntax.py": ("def f(:\n", "syntax.py:1: invalid syntax"),
    "taken.py": (
        HEAD + "RULE = Filter('consumed', lambda ranked, context: ranked)\n",
        "there is a rule 'consumed' already",
    ),
    "raises.py": (HEAD + "RULE = Filter('r', lambda ranked, context: ranked.select('nothing'))\n", "raises.py:3: "),
    "columns.py": (HEAD + "RULE = Filter('c', lambda ranked, context: ranked.drop('score'))\n", "returns columns"),
    "untyped.py": (HEAD + "RULE = Rule('u', lambda ranked, context: ranked)\n", "neither a Filter nor a Reorder"),
    "check.py": (
        HEAD + "RULE = Filter('k', lambda pairs, context: pairs, check='only_available')\n",
        "which is in use or no name",
    ),
    "complete.py": (
        HEAD + "RULE = Filter('k', lambda pairs, context: pairs, check='lists_are_complete')\n",
        "which is in use",
    ),
    "by.py": (HEAD + "RULE = Filter('k', lambda pairs, context: pairs, by='items')\n", "its `by` is 'items'"),
    "name.py": (HEAD + "RULE = Filter('größe', lambda pairs, context: pairs)\n", "its name is 'größe'"),
    "braces.py": (HEAD + "RULE = Reorder('y {z}', lambda ranked, context: ranked)\n", "its name is 'y {z}'"),
    "drops.py": (HEAD + "RULE = Reorder('d', lambda ranked, context: ranked.head(1))\n", "make it a Filter"),
    "first.py": (HEAD + "RULE = Filter('f', lambda pairs, context: pairs.head(2))\n", "judges a row by other rows"),
    "by_item.py": (
        HEAD + "RULE = Filter('b', lambda pairs, context: pairs.filter(pl.col('user_id') > ''), by='item')\n",
        "by_item.py:3: ",
    ),
    "twice.py": (HEAD + "RULE = Filter('t', lambda ranked, context: pl.concat([ranked, ranked]))\n", "rows twice"),
}


def context_of(items):
    users = pl.Series("user_id", ["u"])
    return RerankContext(
        items=pl.DataFrame({"item_id": items, "category": [None] * len(items), "is_available": [True] * len(items)},
                           schema_overrides={"category": pl.String}),
        consumed=pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String}),
        users=users,
        fallback=pl.DataFrame({"item_id": items, "score": [1.0] * len(items)}),
        k=2,
        max_per_category=9,
    )  # fmt: skip


RANKED = pl.DataFrame(
    {"user_id": ["u"] * 3, "item_id": ["a", "b", "c"], "score": [3.0, 2.0, 1.0], "rank": [1, 2, 3],
     "sources": [["popularity"]] * 3}
)  # fmt: skip


def test_a_rule_of_the_home_is_applied_after_the_others(tmp_path):
    (tmp_path / "turned.py").write_text(REVERSED)
    own = load_own_rules(tmp_path)
    assert [rule.name for rule in own.rules] == ["turned"]
    assert not own.broken
    context = context_of(["a", "b", "c"])
    assert rerank(RANKED, context).lists["item_id"].to_list() == ["a", "b"]
    assert rerank(RANKED, context, own.rules).lists["item_id"].to_list() == ["c", "b"]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_named_with_its_file_and_the_others_go_on(tmp_path, name):
    content, sentence = WRONG[name]
    (tmp_path / name).write_text(content)
    (tmp_path / "turned.py").write_text(REVERSED)
    own = load_own_rules(tmp_path)
    assert [rule.name for rule in own.rules] == ["turned"]
    assert list(own.broken) == [name]
    assert sentence in own.broken[name]
    assert str(tmp_path / name) in own.broken[name]


def test_a_rule_that_invents_rows_stops_the_lists(tmp_path):
    def invents(ranked, _context):
        return ranked.with_columns(pl.lit("x").alias("item_id")) if ranked.height > 2 else ranked

    with pytest.raises(ContractError, match="rule 'inventing' returns rows"):
        rerank(RANKED, context_of(["a", "b", "c"]), [Reorder("inventing", invents)])


def test_a_home_without_rules_has_none(tmp_path):
    own = load_own_rules(tmp_path / "nowhere")
    assert (own.rules, dict(own.broken)) == ((), {})
