"""A list holds what may be offered in its user's region, as if nothing else were there."""

from dataclasses import replace

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.rerank import rerank
from recs_platform_tests.unit.stages.reranking.test_rerank import CATALOGUE, items_of, make_context, ranked_rows

REGIONS = {"a": "SE", "b": "DK", "d": ""}


def pairs(rows, *names):
    return pl.DataFrame(list(rows), dict.fromkeys(names, pl.String), orient="row")


def context_of(exclusions, *, users="abcd", **changes):
    context = make_context(CATALOGUE, users=users, **changes)
    return replace(
        context,
        user_regions=pairs(REGIONS.items(), c.USER_ID, c.AVAILABILITY_REGION),
        exclusions=pairs(exclusions, c.AVAILABILITY_REGION, c.ITEM_ID),
    )


def test_excluded_items_are_neither_kept_nor_filled_in_and_unknown_is_a_region_of_its_own():
    exclusions = [("SE", "x1"), ("SE", "z1"), ("unknown", "x1"), ("unknown", "x2"), ("NO", "y1")]
    result = rerank(ranked_rows(a="z1 x3 x1", b="z1"), context_of(exclusions))

    assert [items_of(result.lists, user) for user in "abcd"] == ["x3 x2 y1", "z1 x1 x2", "x3 y1 z1", "x1 x2 y1"]
    assert result.lists[c.USER_ID].to_list() == [user for user in "abcd" for _ in range(3)]
    assert result.short_lists.is_empty()


def test_a_short_list_counts_what_is_available_in_its_region():
    exclusions = [("SE", item) for item in CATALOGUE if item != "y1"] + [("SE", "gone")]
    result = rerank(ranked_rows(), context_of(exclusions, k=5, consumed=[("a", "y1"), ("b", "x1")]))

    assert result.short_lists.rows() == [
        ("a", 0, 0, "only 0 of 5 items: 1 are available where the user is and the user has consumed 1 of them"),
        ("b", 4, 4, "only 4 of 5 items: 5 are available and the user has consumed 1 of them"),
    ]


@settings(max_examples=8, deadline=None)
@given(
    st.sets(st.tuples(st.sampled_from(["SE", "DK", "", "unknown"]), st.sampled_from(sorted(CATALOGUE)))),
    st.permutations(sorted(CATALOGUE)),
    st.integers(1, 6),
)
def test_each_region_has_the_lists_of_a_world_without_what_is_excluded_there(exclusions, ranked, k):
    context = context_of(sorted(exclusions), k=k, consumed=[("a", "x2"), ("c", "y1")])
    rows = ranked_rows(a=" ".join(ranked), c=" ".join(ranked[:2]))
    result = rerank(rows, context)
    for user in "abcd":
        there = [item for region, item in exclusions if region == REGIONS.get(user, "unknown")]
        allowed = context.items.with_columns(is_available=~pl.col(c.ITEM_ID).is_in(there))
        alone = replace(context, items=allowed, users=pl.Series([user]), exclusions=context.exclusions.clear())
        expected = rerank(rows.filter(pl.col(c.USER_ID) == user), alone)
        assert result.lists.filter(pl.col(c.USER_ID) == user).equals(expected.lists)
        kept = [c.USER_ID, c.LIST_LENGTH, c.ELIGIBLE_COUNT]
        assert (
            result.short_lists.filter(pl.col(c.USER_ID) == user).select(kept).equals(expected.short_lists.select(kept))
        )
