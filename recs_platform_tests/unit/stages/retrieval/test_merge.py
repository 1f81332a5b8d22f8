"""Merged candidates are the union of the lists, with ranks, shares and fused scores as written in arithmetic."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.stages.retrieval.merge import merge_lists
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import SourceLists

USERS, ITEMS = ["u", "v", "w"], list("abcdef")
user_lists = st.lists(st.lists(st.integers(0, 5), unique=True, max_size=5), min_size=3, max_size=3)


def problem():
    nothing = np.empty(0, dtype=np.int32)
    return RetrievalProblem(
        as_of_us=0,
        user_ids=np.array(USERS, dtype=object),
        item_ids=np.array(ITEMS, dtype=object),
        users=nothing,
        items=nothing,
        occurred_us=nothing.astype(np.int64),
        weights=nothing.astype(np.float32),
        eligible=np.ones(6, dtype=np.bool_),
        allow_repeats=False,
    )


def source_lists(lists):
    users = [user for user, items in enumerate(lists) for _ in items]
    scores = [1 / (place + 1) for items in lists for place in range(len(items))]
    flat = [item for items in lists for item in items]
    return SourceLists(np.array(users, np.int32), np.array(flat, np.int32), np.array(scores, np.float32))


@settings(max_examples=80, deadline=None)
@given(user_lists, user_lists)
def test_fusion_follows_its_formula(first, second):
    merged = merge_lists(problem(), {"one": source_lists(first), "two": source_lists(second)}, rank_constant=60)
    expected = []
    for user in range(3):
        rows = []
        for item in set(first[user]) | set(second[user]):
            ranks = [lists[user].index(item) + 1 if item in lists[user] else None for lists in (first, second)]
            fused = np.float32(sum(1 / (60 + rank) for rank in ranks if rank))
            names = [name for name, rank in zip(("one", "two"), ranks, strict=True) if rank]
            shares = [np.float32(1 / rank) if rank else None for rank in ranks]
            rows.append((USERS[user], ITEMS[item], names, len(names), fused, ranks[0], shares[0], ranks[1], shares[1]))
        expected += sorted(rows, key=lambda row: (-row[4], row[1]))
    assert merged.rows() == expected
    assert merged.schema == {
        "user_id": pl.String,
        "item_id": pl.String,
        "sources": pl.List(pl.String),
        "source_count": pl.Int32,
        "fused_score": pl.Float32,
        "one_rank": pl.Int32,
        "one_score_share": pl.Float32,
        "two_rank": pl.Int32,
        "two_score_share": pl.Float32,
    }
