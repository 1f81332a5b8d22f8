"""Truths about each rule, on lists written out."""

import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.availability import drop_unavailable
from recs_platform.stages.reranking.rules.category_cap import move_excess_back
from recs_platform.stages.reranking.rules.consumed import drop_consumed

ITEMS = pl.DataFrame(
    [
        ("x1", "x", True), ("x2", "x", True), ("x3", "x", True), ("y1", "y", True), ("n1", None, True),
        ("n2", None, True), ("gone", "y", False), ("unsaid", "y", None),
    ],
    schema={c.ITEM_ID: pl.String, c.CATEGORY: pl.String, "is_available": pl.Boolean},
    orient="row",
)  # fmt: skip
PAIRS = {c.USER_ID: pl.String, c.ITEM_ID: pl.String}


def context(*consumed: tuple[str, str], cap: int = 2, allow_repeats: bool = False) -> RerankContext:
    return RerankContext(
        items=ITEMS,
        consumed=pl.DataFrame(consumed, schema=PAIRS, orient="row"),
        users=pl.Series(["a", "b"]),
        fallback=pl.DataFrame(schema={c.ITEM_ID: pl.String, c.SCORE: pl.Float64}),
        k=3,
        max_per_category=cap,
        allow_repeats=allow_repeats,
    )


def ranked(**lists: str) -> pl.DataFrame:
    rows = [(user, item, -float(place)) for user, items in lists.items() for place, item in enumerate(items.split())]
    return pl.DataFrame(rows, schema={**PAIRS, c.SCORE: pl.Float64}, orient="row")


def items_of(rows: pl.DataFrame, user: str) -> str:
    return " ".join(rows.filter(pl.col(c.USER_ID) == user)[c.ITEM_ID])


def test_consumed_items_leave_the_list_of_the_user_who_consumed_them():
    rows = drop_consumed(ranked(a="x1 y1 x2", b="x1 y1"), context(("a", "y1"), ("a", "y1")))

    assert items_of(rows, "a") == "x1 x2"
    assert items_of(rows, "b") == "x1 y1"


def test_consumed_items_stay_where_repeats_are_allowed():
    rows = ranked(a="x1 y1")

    assert drop_consumed(rows, context(("a", "y1"), allow_repeats=True)).equals(rows)


def test_only_items_known_to_be_available_stay():
    assert items_of(drop_unavailable(ranked(a="gone x1 unsaid unknown y1"), context()), "a") == "x1 y1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x1 x2 x3 y1", "x1 x2 y1 x3"),
        ("x3 y1 x1 n1 x2 n2", "x3 y1 x1 n1 n2 x2"),
        ("n1 n2 x1", "n1 n2 x1"),
        ("x1 x2 x3", "x1 x2 x3"),
    ],
)
def test_the_third_of_a_category_stands_behind_all_others(before, after):
    rows = move_excess_back(ranked(a=before, b="x1 x2"), context())

    assert items_of(rows, "a") == after
    assert items_of(rows, "b") == "x1 x2"
