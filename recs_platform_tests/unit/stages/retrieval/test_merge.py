"""Merged candidates are the union of the lists, with ranks, shares and fused scores as written in arithmetic."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.stages.retrieval.merge import MergeRule, best_merged, candidates_frame, merge_lists
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
        catalogue=pl.DataFrame(),
        profiles=pl.DataFrame(),
        vectors=np.zeros((6, 0), dtype=np.float32),
    )


def source_lists(lists):
    users = [user for user, items in enumerate(lists) for _ in items]
    scores = [1 / (position + 1) for items in lists for position in range(len(items))]
    flat = [item for items in lists for item in items]
    return SourceLists(np.array(users, np.int32), np.array(flat, np.int32), np.array(scores, np.float32))


@settings(max_examples=60, deadline=None)
@given(user_lists, user_lists, st.sampled_from([0.5, 1.0, 2.0]), st.integers(1, 7))
def test_the_best_alone_are_the_heads_of_the_whole_merge(first, second, weight, n):
    lists = {"one": source_lists(first), "two": source_lists(second)}
    whole = merge_lists(problem(), lists, MergeRule({"two": weight}))
    position = np.arange(len(whole.users)) - np.searchsorted(whole.users, whole.users)
    head = whole.take(position < n)
    best = best_merged(problem(), lists, {"two": weight}, n)
    assert best.users.tolist() == head.users.tolist()
    assert best.items.tolist() == head.items.tolist()
    assert best.scores.tolist() == head.fused.tolist()


def rms(items):
    """Root mean square of 1, 1/2, 1/3 …, as many as there are items."""
    return np.sqrt(sum((1 / (position + 1)) ** 2 for position in range(len(items))) / len(items))


@settings(max_examples=80, deadline=None)
@given(user_lists, user_lists, st.sampled_from([0.0, 0.5, 2.0]))
def test_fusion_follows_its_formula(first, second, weight):
    lists = {"one": source_lists(first), "two": source_lists(second)}
    merged = candidates_frame(problem(), merge_lists(problem(), lists, MergeRule({"two": weight})))
    expected = []
    for user in range(3):
        for item in set(first[user]) | set(second[user]):
            ranks = [given[user].index(item) + 1 if item in given[user] else None for given in (first, second)]
            scores = [
                part / rank / rms(given[user])
                for part, rank, given in zip((1, weight), ranks, (first, second), strict=True)
                if rank
            ]
            names = [name for name, rank in zip(("one", "two"), ranks, strict=True) if rank]
            shares = [np.float32(1 / rank) if rank else None for rank in ranks]
            row = (USERS[user], ITEMS[item], names, len(names), ranks[0], shares[0], ranks[1], shares[1])
            expected.append((sum(scores), row))
    fused_of = {
        row[:2]: fused for row, fused in zip(merged.drop("fused_score").rows(), merged["fused_score"], strict=True)
    }
    assert sorted(merged.drop("fused_score").rows()) == sorted(row for _, row in expected)
    for fused, row in expected:
        np.testing.assert_allclose(fused_of[row[:2]], fused, rtol=1e-5, atol=1e-7)
    assert merged.equals(merged.sort("user_id", "fused_score", "item_id", descending=[False, True, False]))
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


def test_quotas_stay_and_the_best_fill_up():
    """Of u, a to e by `one`; `two` has f alone, which a quota keeps though its weight is 0."""
    lists = {"one": source_lists([[0, 1, 2, 3, 4], [0, 1], []]), "two": source_lists([[5], [5], []])}
    quotas = {"two": np.array([1, 0, 1], dtype=np.int32)}
    merged = merge_lists(problem(), lists, MergeRule({"two": 0.0}, quotas, keep=3))
    assert [(USERS[user], ITEMS[item]) for user, item in zip(merged.users, merged.items, strict=True)] == [
        ("u", "a"), ("u", "b"), ("u", "f"), ("v", "a"), ("v", "b"), ("v", "f"),
    ]  # fmt: skip


def test_what_a_lower_tier_offers_comes_first_for_those_who_have_tiers():
    """Of u, `two` is in tier 0 with f and a; of v nothing is tiered."""
    lists = {"one": source_lists([[0, 1, 2], [0, 1, 2], []]), "two": source_lists([[5, 0], [5, 0], []])}
    tiers = {"one": np.array([1, 0, 0], dtype=np.int8), "two": np.zeros(3, dtype=np.int8)}
    plain = merge_lists(problem(), lists, MergeRule({"two": 0.1}))
    merged = merge_lists(problem(), lists, MergeRule({"two": 0.1}, tiers=tiers))
    assert [(USERS[user], ITEMS[item]) for user, item in zip(merged.users, merged.items, strict=True)] == [
        ("u", "a"), ("u", "f"), ("u", "b"), ("u", "c"), ("v", "a"), ("v", "b"), ("v", "c"), ("v", "f"),
    ]  # fmt: skip
    by_pair = np.lexsort((merged.items, merged.users)), np.lexsort((plain.items, plain.users))
    for merged_values, expected in ((merged.ranks, plain.ranks), (merged.shares, plain.shares)):
        np.testing.assert_array_equal(merged_values[:, by_pair[0]], expected[:, by_pair[1]])
    lift = 1 + 1 / 2 / rms([0, 1, 2])  # the best that only tier 1 offers u is b, the second of three
    added = merged.fused[by_pair[0]] - plain.fused[by_pair[1]]
    np.testing.assert_allclose(added, [lift, 0, 0, lift, 0, 0, 0, 0], rtol=1e-5)


def test_scores_of_nothing_are_lifted_too():
    """Each source offers one item, whose normalized score is 1: fused 0, 1, 0 in tiers 0, 1, 2."""
    lists = {name: source_lists([[item], [], []]) for item, name in enumerate(("one", "two", "three"))}
    tiers = {name: np.full(3, tier, dtype=np.int8) for tier, name in enumerate(lists)}
    merged = merge_lists(problem(), lists, MergeRule({"one": 0.0, "three": 0.0}, tiers=tiers))
    assert merged.items.tolist() == [0, 1, 2]
    assert merged.fused.tolist() == [(1 + 1) + (0 + 1), 1 + (0 + 1), 0]


@settings(max_examples=60, deadline=None)
@given(user_lists, user_lists, st.integers(0, 3), st.integers(0, 7))
def test_what_is_kept_is_within_a_quota_or_among_the_best(first, second, quota, keep):
    lists = {"one": source_lists(first), "two": source_lists(second)}
    quotas = {"two": np.full(3, quota, dtype=np.int32)}
    whole = merge_lists(problem(), lists, MergeRule({}))
    merged = merge_lists(problem(), lists, MergeRule({}, quotas, keep=keep))
    for user in range(3):
        entries = np.flatnonzero(whole.users == user)
        safe = [entry for entry in entries if 0 < whole.ranks[1, entry] <= quota]
        free = [entry for entry in entries if entry not in safe][: max(0, keep - len(safe))]
        assert merged.items[merged.users == user].tolist() == [whole.items[each] for each in sorted([*safe, *free])]
