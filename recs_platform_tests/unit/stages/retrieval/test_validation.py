"""What a pool of lists is worth under weights is what the project's own metrics say, and weights are chosen by it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recs_platform.evaluation.metrics import user_metrics
from recs_platform.stages.retrieval.sources.base import SourceLists
from recs_platform.stages.retrieval.tuning.validation import HeldOut, held_out_of, pool_lists
from recs_platform.stages.retrieval.tuning.weighting import choose_weights

USERS, ITEMS = 4, 9
ROWS = [(f"u{user}", "abcdefghi"[user], 1, 1.0) for user in range(USERS)]
one_list = st.lists(st.tuples(st.integers(0, ITEMS - 1), st.sampled_from([0.25, 0.5, 1.0])), max_size=6)


def lists_of(by_user):
    """Lists from (item, score) of each user, made distinct and sorted as sources give them."""
    rows = sorted((user, -score, item) for user, given in enumerate(by_user) for item, score in dict(given).items())
    users, scores, items = ([row[part] for row in rows] for part in range(3))
    return SourceLists(np.array(users, np.int32), np.array(items, np.int32), -np.array(scores, np.float32))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(one_list, min_size=USERS, max_size=USERS),
    st.lists(one_list, min_size=USERS, max_size=USERS),
    st.lists(st.sets(st.integers(0, ITEMS - 1), min_size=1, max_size=4), min_size=USERS, max_size=USERS),
    st.sampled_from([0.0, 0.5, 3.0]),
    st.integers(1, 5),
)
def test_values_are_recall_and_ndcg_of_the_weighted_lists(first, second, held_out, weight, k):
    lists = {"one": lists_of(first), "two": lists_of(second)}
    pairs = np.array(sorted(user * ITEMS + item for user, items in enumerate(held_out) for item in items), np.int64)
    held = HeldOut(np.arange(USERS, dtype=np.int32), pairs, np.array([len(items) for items in held_out]))
    pool = pool_lists(_Sized(), held, lists)
    fused = pool.scores @ np.array([1.0, weight], dtype=np.float32)
    rows = sorted(
        (int(position), -float(score), item)
        for position, score, item in zip(pool.user_positions, fused, _items(lists), strict=True)
        if score > 0
    )
    ranked = pl.DataFrame(
        {"user_id": [str(row[0]) for row in rows], "item_id": [str(row[2]) for row in rows]},
        schema={"user_id": pl.String, "item_id": pl.String},
    ).with_columns(rank=pl.int_range(1, pl.len() + 1).over("user_id"))
    truth = pl.DataFrame(
        [(str(user), str(item)) for user, items in enumerate(held_out) for item in items],
        schema={"user_id": pl.String, "item_id": pl.String},
        orient="row",
    )
    measured = user_metrics(ranked, truth, k).filter(pl.col("metric").is_in(["recall", "ndcg"]))
    expected = measured.group_by("user_id").agg(pl.col("value").mean()).sort("user_id")["value"]
    np.testing.assert_allclose(pool.values({"one": 1.0, "two": weight}, k), expected, atol=1e-9)


class _Sized:
    n_items = ITEMS


def _items(lists):
    keys = np.unique(np.concatenate([given.users.astype(np.int64) * ITEMS + given.items for given in lists.values()]))
    return (keys % ITEMS).tolist()


def test_held_out_of_counts_unknown_items_and_leaves_out_strangers(problem_of):
    problem = problem_of([*ROWS, ("z", "a", 1, 0.0)])
    pairs = pl.DataFrame(
        {"user_id": ["u0", "u0", "u2", "z", "stranger"], "item_id": ["b", "unheard of", "a", "b", "a"]}
    )
    held = held_out_of(problem, pairs, users_max=10, seed=0)
    assert problem.user_ids[held.users].tolist() == ["u0", "u2"]
    assert held.counts.tolist() == [2, 1]
    assert held.pairs.tolist() == [0 * problem.n_items + 1, 2 * problem.n_items]
    assert len(held_out_of(problem, pairs, users_max=1, seed=0).users) == 1


def planted(known, *, first, n_users=300, seed=0):
    """Lists of ten for the share `known` of the users: the one held out comes first, or last."""
    users = np.flatnonzero(np.random.default_rng(seed).random(n_users) < known).astype(np.int32)
    items = (np.r_[0:10] if first else np.r_[1:10, 0]).astype(np.int32)
    scores = (1 / np.arange(1, 11)).astype(np.float32)
    return SourceLists(np.repeat(users, 10), np.tile(items, len(users)), np.tile(scores, len(users)))


@pytest.fixture
def held():
    users = np.arange(300, dtype=np.int32)
    return HeldOut(users, users.astype(np.int64) * 10, np.ones(300, dtype=np.int64))


class _Ten:
    n_items = 10


def test_two_sources_that_know_different_users_are_merged(held):
    pool = pool_lists(_Ten(), held, {"one": planted(0.6, first=True, seed=1), "two": planted(0.4, first=True, seed=2)})
    found = choose_weights(pool, 1, seed=0)
    assert found.best == "one"
    assert found.weights["one"] == 1
    assert found.weights["two"] > 0
    assert found.merged > found.alone["one"]


def test_what_adds_nothing_gets_no_weight(held):
    pool = pool_lists(_Ten(), held, {"one": planted(0.9, first=True), "noise": planted(1.0, first=False)})
    found = choose_weights(pool, 1, seed=0)
    assert found.weights == {"one": 1.0, "noise": 0.0}
    assert found.merged == found.alone["one"]


def test_of_two_that_know_the_same_one_gets_a_weight(held):
    same, other = planted(0.4, first=True, seed=2), planted(0.6, first=True, seed=1)
    pool = pool_lists(_Ten(), held, {"one": other, "two": same, "two again": same})
    found = choose_weights(pool, 1, seed=0)
    assert found.weights["one"] == 1
    assert (found.weights["two"] > 0) + (found.weights["two again"] > 0) == 1
