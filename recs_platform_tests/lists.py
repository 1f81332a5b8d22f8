"""Small lists and pairs as frames, for tests of metrics."""

import polars as pl
from hypothesis import strategies as st

ITEMS = "abcdefgh"
ranked_items = st.lists(st.sampled_from(ITEMS), unique=True, max_size=8)


def frame_of_lists(lists: dict[str, list[str]]) -> pl.DataFrame:
    rows = [(user, item, rank) for user, items in lists.items() for rank, item in enumerate(items, 1)]
    return pl.DataFrame(
        rows, schema={"user_id": pl.String, "item_id": pl.String, "rank": pl.Int32}, orient="row"
    ).reverse()


def frame_of_pairs(pairs: dict[str, list[str]]) -> pl.DataFrame:
    rows = [(user, item) for user, items in pairs.items() for item in items]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")
