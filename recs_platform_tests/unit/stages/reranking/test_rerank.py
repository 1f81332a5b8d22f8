"""Truths about lists: everybody gets k distinct items never consumed before, or a reason why not."""

from collections import Counter
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.reranking import fallback
from recs_platform.stages.reranking.rerank import RerankContext, rerank

PAIRS = {c.USER_ID: pl.String, c.ITEM_ID: pl.String}
RANKED = {**PAIRS, c.SCORE: pl.Float64, c.RANK: pl.Int32, c.SOURCES: pl.List(pl.String)}


def ranked_rows(**lists: str) -> pl.DataFrame:
    rows = [
        (user, item, 1.0 / rank, rank, ["als"])
        for user, items in lists.items()
        for rank, item in enumerate(items.split(), start=1)
    ]
    return pl.DataFrame(rows, schema=RANKED, orient="row")


def make_context(items: dict[str, str | None], *, users="ab", consumed=(), k=3, cap=2, **changes) -> RerankContext:
    """Items by popularity, best first, with their category; all available."""
    frame = pl.DataFrame(
        {c.ITEM_ID: list(items), c.CATEGORY: list(items.values())}, {c.ITEM_ID: pl.String, c.CATEGORY: pl.String}
    )
    context = RerankContext(
        items=frame.with_columns(pl.lit(value=True).alias("is_available")),
        consumed=pl.DataFrame(list(consumed), schema=PAIRS, orient="row"),
        users=pl.Series(list(users), dtype=pl.String),
        fallback=frame.select(c.ITEM_ID, pl.int_range(pl.len(), 0, -1).cast(pl.Float64).alias(c.SCORE)),
        k=k,
        max_per_category=cap,
    )
    return replace(context, **changes)


def items_of(lists: pl.DataFrame, user: str) -> str:
    return " ".join(lists.filter(pl.col(c.USER_ID) == user).sort(c.RANK)[c.ITEM_ID])


CATALOGUE = {"x1": "x", "x2": "x", "x3": "x", "y1": "y", "z1": "z"}


def test_the_first_k_stay_and_a_cold_user_gets_the_popular_within_the_cap():
    result = rerank(ranked_rows(a="z1 x3 y1 x1"), make_context(CATALOGUE))

    assert items_of(result.lists, "a") == "z1 x3 y1"
    assert items_of(result.lists, "b") == "x1 x2 y1"
    assert result.lists.filter(pl.col(c.USER_ID) == "b")[c.SOURCES].to_list() == [["fallback"]] * 3
    assert result.lists.schema == {
        c.USER_ID: pl.String, c.RANK: pl.Int32, c.ITEM_ID: pl.String, c.SCORE: pl.Float64,
        c.SOURCES: pl.List(pl.String),
    }  # fmt: skip
    assert result.short_lists.is_empty()


def test_filled_items_stand_below_the_lowest_ranked_score_and_count_towards_the_cap():
    result = rerank(ranked_rows(a="x2 x3"), make_context(CATALOGUE, k=4))

    assert items_of(result.lists, "a") == "x2 x3 y1 z1"
    assert result.lists.filter(pl.col(c.USER_ID) == "a")[c.SCORE].to_list() == [1.0, 0.5, 0.5 - 1, 0.5 - 2]


def test_the_cap_gives_way_only_when_nothing_else_is_left():
    result = rerank(ranked_rows(a="x1 x2 x3"), make_context(CATALOGUE, k=5))

    assert items_of(result.lists, "a") == "x1 x2 x3 y1 z1"
    assert items_of(result.lists, "b") == "x1 x2 y1 z1 x3"


def test_a_category_with_room_is_looked_for_deeper_in_the_fallback_ranking(monkeypatch):
    monkeypatch.setattr(fallback, "_FIRST_DEPTH", 1)
    catalogue = {"x1": "x", "x2": "x", "z1": "z", "y1": "y", "y2": "y", "x3": "x", "x4": "x"}
    context = make_context(catalogue, users="a", consumed=[("a", "z1")], k=4)

    assert items_of(rerank(ranked_rows(a="x3 x4"), context).lists, "a") == "x3 x4 y1 y2"


def test_a_short_list_says_how_many_items_there_were():
    result = rerank(ranked_rows(), make_context({"x1": "x", "x2": "x"}, consumed=[("b", "x1"), ("b", "x1")]))

    assert result.short_lists.rows() == [
        ("a", 2, 2, "only 2 of 3 items: 2 are available and the user has consumed 0 of them"),
        ("b", 1, 1, "only 1 of 3 items: 2 are available and the user has consumed 1 of them"),
    ]
    assert result.short_lists.columns == [c.USER_ID, c.LIST_LENGTH, c.ELIGIBLE_COUNT, c.REASON]


def test_a_user_for_whom_nothing_is_left_is_told_so():
    result = rerank(ranked_rows(a="x1"), make_context({"x1": "x"}, users="a", consumed=[("a", "x1")]))

    assert result.lists.is_empty()
    assert result.short_lists.select(c.LIST_LENGTH, c.ELIGIBLE_COUNT).rows() == [(0, 0)]


def test_repeats_come_back_where_they_are_allowed():
    context = make_context({"x1": "x"}, users="a", consumed=[("a", "x1")], k=1, allow_repeats=True)

    assert items_of(rerank(ranked_rows(a="x1"), context).lists, "a") == "x1"
    assert items_of(rerank(ranked_rows(), context).lists, "a") == "x1"


def test_available_items_nobody_chose_fill_lists_last():
    context = make_context({"new": "x", "old": "y"}, users="a", k=2)
    fallback = context.fallback.filter(pl.col(c.ITEM_ID) == "old")

    assert items_of(rerank(ranked_rows(), replace(context, fallback=fallback)).lists, "a") == "old new"


def test_unknown_users_and_repeated_rows_are_refused():
    with pytest.raises(ContractError, match="1 ranked users"):
        rerank(ranked_rows(stranger="x1"), make_context(CATALOGUE))
    with pytest.raises(ContractError, match="1 ranked rows repeat"):
        rerank(ranked_rows(a="x1 x1"), make_context(CATALOGUE))


ITEMS = [f"i{n}" for n in range(14)]
lists_of_items = st.lists(st.sampled_from(ITEMS), unique=True, max_size=10)


@st.composite
def cases(draw) -> tuple[pl.DataFrame, RerankContext]:
    users = "abc"
    catalogue = {item: draw(st.sampled_from(["x", "y", None])) for item in ITEMS[: draw(st.integers(0, 14))]}
    consumed = [(user, item) for user in users for item in draw(lists_of_items)]
    context = make_context(
        catalogue, users=users, consumed=consumed, k=draw(st.integers(1, 6)), cap=draw(st.integers(1, 3)),
        allow_repeats=draw(st.booleans()),
    )  # fmt: skip
    available = [draw(st.sampled_from([True, True, False])) for _ in catalogue]
    items = context.items.with_columns(pl.Series("is_available", available, dtype=pl.Boolean))
    ranked = ranked_rows(**{user: " ".join(draw(lists_of_items)) for user in users})
    return ranked, replace(context, items=items)


def eligible_items(context: RerankContext, user: str) -> set[str]:
    consumed = set() if context.allow_repeats else set(context.consumed.filter(pl.col(c.USER_ID) == user)[c.ITEM_ID])
    return set(context.items.filter(pl.col("is_available"))[c.ITEM_ID]) - consumed


@settings(max_examples=40, deadline=None)
@given(cases())
def test_every_list_has_k_distinct_eligible_items_or_all_there_are(case):
    ranked, context = case
    result = rerank(ranked, context)

    shorts = {user: (length, eligible) for user, length, eligible, _ in result.short_lists.rows()}
    for user in context.users:
        mine = result.lists.filter(pl.col(c.USER_ID) == user)
        eligible = eligible_items(context, user)
        assert mine[c.RANK].to_list() == list(range(1, mine.height + 1))
        assert mine[c.ITEM_ID].n_unique() == mine.height == min(context.k, len(eligible))
        assert set(mine[c.ITEM_ID]) <= eligible
        assert (user in shorts) == (len(eligible) < context.k)
        assert shorts.get(user, (mine.height, len(eligible))) == (mine.height, len(eligible))


@settings(max_examples=40, deadline=None)
@given(cases())
def test_the_cap_holds_while_others_last(case):
    """A ranked item breaks it only when no other ranked item has room, a filled one only when no eligible item has."""
    ranked, context = case
    categories = dict(context.items.select(c.ITEM_ID, c.CATEGORY).rows())
    lists = rerank(ranked, context).lists
    for user in context.users:
        eligible = eligible_items(context, user)
        offered = eligible & set(items_of(ranked, user).split())
        listed = lists.filter(pl.col(c.USER_ID) == user)
        counts: Counter[str | None] = Counter()
        for item, sources in listed.select(c.ITEM_ID, c.SOURCES).rows():
            counts[categories[item]] += 1
            if categories[item] is None or counts[categories[item]] <= context.max_per_category:
                continue
            pool = eligible if sources == ["fallback"] else offered
            rest = {categories[other] for other in pool - set(listed[c.ITEM_ID])}
            assert all(group is not None and counts[group] >= context.max_per_category for group in rest)


@settings(max_examples=15, deadline=None)
@given(cases(), st.integers(0, 99))
def test_row_order_and_looking_in_small_steps_change_nothing(case, seed):
    ranked, context = case
    shuffled = replace(
        context,
        items=context.items.sample(fraction=1, shuffle=True, seed=seed),
        consumed=context.consumed.sample(fraction=1, shuffle=True, seed=seed),
        users=context.users.sample(fraction=1, shuffle=True, seed=seed),
        fallback=context.fallback.sample(fraction=1, shuffle=True, seed=seed),
    )
    expected = rerank(ranked, context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fallback, "_FIRST_DEPTH", 1)
        patch.setattr(fallback, "_OFFERS_AT_ONCE", 1)
        result = rerank(ranked.sample(fraction=1, shuffle=True, seed=seed), shuffled)

    assert result.lists.equals(expected.lists)
    assert result.short_lists.equals(expected.short_lists)
