"""Variety against relevance: what greedy choice gives, by a plain loop over the definition."""

import math

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.diversity import vary

CATEGORIES = {f"i{n}": category for n, category in enumerate(["x", "x", "x", "y", "y", None, "z", "x"])}


def context(diversity: float, k: int) -> RerankContext:
    items = pl.DataFrame({c.ITEM_ID: list(CATEGORIES), c.CATEGORY: list(CATEGORIES.values())})
    nothing = pl.DataFrame(schema={c.USER_ID: pl.String, c.ITEM_ID: pl.String})
    fallback = pl.DataFrame(schema={c.ITEM_ID: pl.String, c.SCORE: pl.Float64})
    return RerankContext(items, nothing, pl.Series(["a", "b"]), fallback, k, 10, diversity=diversity)


def by_definition(items: list[str], diversity: float, k: int) -> list[str]:
    left, chosen = list(items), list[str]()
    while left and len(chosen) < k:

        def worth(item: str) -> float:
            alike = sum(CATEGORIES[other] == CATEGORIES[item] != None for other in chosen)  # noqa: E711
            return (1 - diversity) / math.log2(items.index(item) + 2) - diversity * alike / max(len(chosen), 1)

        best = max(left, key=lambda item: (worth(item), -items.index(item)))
        chosen.append(best)
        left.remove(best)
    return chosen + left


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(sorted(CATEGORIES)), unique=True, max_size=8), min_size=2, max_size=2),
    st.sampled_from([0.2, 0.5, 0.9, 1.0]),
    st.integers(1, 6),
)
def test_each_list_is_chosen_as_defined(lists, diversity, k):
    rows = [
        (user, item, -float(place)) for user, items in zip("ab", lists, strict=True) for place, item in enumerate(items)
    ]
    ranked = pl.DataFrame(rows, schema={c.USER_ID: pl.String, c.ITEM_ID: pl.String, c.SCORE: pl.Float64}, orient="row")
    found = vary(ranked, context(diversity, k))
    for user, items in zip("ab", lists, strict=True):
        assert found.filter(pl.col(c.USER_ID) == user)[c.ITEM_ID].to_list() == by_definition(items, diversity, k)


def test_without_it_nothing_moves_and_with_it_lists_vary_more():
    rng = np.random.default_rng(1)
    ranked = pl.DataFrame({c.USER_ID: "a", c.ITEM_ID: list(CATEGORIES), c.SCORE: rng.random(len(CATEGORIES))})
    assert vary(ranked, context(0.0, 4)) is ranked
    first = vary(ranked.sort(c.SCORE, descending=True), context(0.9, 4))[c.ITEM_ID].head(4).to_list()
    assert len({CATEGORIES[item] for item in first}) == 4
