"""A group's favourite comes first for its members, by shares worked out by hand, and for nobody else."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval import top_n
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.packing import unpack
from recs_platform.stages.retrieval.sources import group_shares
from recs_platform.stages.retrieval.sources.group_popularity import (
    GroupPopularity,
    GroupPopularityConfig,
    fit_group_shares,
)
from recs_platform.stages.retrieval.sources.group_shares import best_of_groups

COLUMNS = ("segment_id", "country", "region", "age_band", "top_device")
NORTH = [(f"n{user}", "a", 1, 1.0) for user in range(3)]
SOUTH = [(f"s{user}", item, 1, 1.0) for user in range(3) for item in "bc"[: 1 + (user == 0)]]


def source_of(**config):
    return GroupPopularity(config=GroupPopularityConfig(**{"min_users": 2, "smoothing": 2.0, **config}))


def with_profiles(problem, **columns):
    """Profiles from {user: value} of each column, NULL where a user is not named."""
    users = problem.user_ids.tolist()
    values = {name: [columns.get(name, {}).get(user) for user in users] for name in COLUMNS}
    return replace(problem, profiles=pl.DataFrame(values, schema=dict.fromkeys(COLUMNS, pl.String)))


def offered(problem, source, n=5):
    fit = fit_retrieval(problem, RetrievalConfig(), seed=0, threads=1)
    lists = source.retrieve(fit, np.arange(problem.n_users, dtype=np.int32), n)
    found = {}
    for user, item, score in zip(lists.users, lists.items, lists.scores.tolist(), strict=True):
        found.setdefault(problem.user_ids[user], []).append((problem.item_ids[item], score))
    return found


@pytest.fixture
def two_regions(problem_of):
    problem = problem_of(NORTH + SOUTH, users="xyz")
    regions = {user: user[0] for user, *_ in NORTH + SOUTH}
    return with_profiles(problem, region={**regions, "x": "n", "y": "s"})


def test_shares_are_smoothed_towards_everybodys(two_regions):
    lists = offered(two_regions, source_of())
    # Everybody: a 3/7, b 3/7, c 1/7. The north liked a three times, the south b three times and c once.
    everybody = {"a": 3 / 7, "b": 3 / 7, "c": 1 / 7}
    north = {"a": (3 + 2 * everybody["a"]) / 5, "b": 2 * everybody["b"] / 5, "c": 2 * everybody["c"] / 5}
    south = {"b": (3 + 2 * everybody["b"]) / 6, "c": (1 + 2 * everybody["c"]) / 6, "a": 2 * everybody["a"] / 6}
    assert [item for item, _ in lists["x"]] == ["a", "b", "c"]
    assert [item for item, _ in lists["y"]] == ["b", "c", "a"]
    assert dict(lists["x"]) == pytest.approx(north)
    assert dict(lists["y"]) == pytest.approx(south)
    assert [item for item, _ in lists["n0"]] == ["b", "c"]


def test_a_user_without_profile_gets_no_entry(two_regions):
    assert "z" not in offered(two_regions, source_of())


def test_small_groups_and_groups_of_weight_zero_do_not_count(two_regions):
    assert offered(two_regions, source_of(min_users=4)) == {}
    assert offered(two_regions, source_of(region_weight=0.0)) == {}
    assert {user[0] for user in offered(two_regions, source_of(max_groups=1))} == {"n", "x"}


def test_users_who_liked_nothing_make_no_group_larger(problem_of):
    problem = problem_of([("u", "a", 1, 1.0), ("v", "a", 1, 0.0)], users="w")
    assert offered(with_profiles(problem, country=dict.fromkeys("uvw", "FR")), source_of()) == {}


def test_groups_of_several_kinds_add_up(two_regions):
    both = with_profiles(
        two_regions,
        region=dict(zip(two_regions.user_ids, two_regions.profiles["region"], strict=True)),
        top_device=dict.fromkeys(["n0", "s0", "s1", "s2", "x"], "phone"),
    )
    apart = [dict(offered(both, source_of(**{name: 0.0}))["x"]) for name in ("device_weight", "region_weight")]
    together = dict(offered(both, source_of(device_weight=3.0))["x"])
    assert together == pytest.approx({item: apart[0][item] + 3 * apart[1][item] for item in "abc"})


def test_positives_fade_and_gone_items_are_not_offered(problem_of):
    rows = [("u", "a", 8, 1.0), ("u", "b", 1, 1.0), ("v", "b", 8, 1.0), ("v", "c", 1, 1.0)]
    problem = with_profiles(problem_of(rows, users="w", gone="c"), age_band=dict.fromkeys("uvw", "18-24"))
    lists = offered(problem, source_of(half_life_days=7))
    assert dict(lists["w"]) == pytest.approx({"b": 1.5 / 3, "a": 0.5 / 3})


@pytest.fixture
def crowd(problem_of):
    generator = np.random.default_rng(3)
    rows = [
        (f"u{user:03d}", f"i{int(item):03d}", int(generator.integers(1, 20)), 1.0)
        for user in range(120)
        for item in generator.integers(0, 90, generator.integers(1, 30)) ** 2 // 90
    ]
    problem = problem_of(rows)
    values = {
        name: {user: f"g{generator.integers(0, 4)}" for user in problem.user_ids if generator.random() < 0.8}
        for name in COLUMNS
    }
    return with_profiles(problem, **values)


@pytest.mark.parametrize("width", [1, 3, 8, 500])
def test_the_best_of_combinations_are_those_that_adding_up_everything_gives(crowd, width):
    groups = fit_group_shares(crowd, GroupPopularityConfig(min_users=2, smoothing=1.0))
    scores = np.zeros((len(groups.combinations), len(groups.items)), dtype=np.float32)
    for kind in range(len(COLUMNS)):
        scores += groups.shares[groups.combinations[:, kind]]
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :width]
    known = groups.combinations.any(axis=1)
    items, found = unpack(best_of_groups(groups, groups.combinations, width))
    assert known.sum() > 50
    np.testing.assert_array_equal(items[known], groups.items[expected][known])
    np.testing.assert_array_equal(found, np.take_along_axis(scores, expected, axis=1))


def test_blocks_do_not_change_a_byte(crowd, monkeypatch):
    whole = offered(crowd, source_of(), n=7)
    monkeypatch.setattr(top_n, "_BLOCK_KEYS", 300)
    monkeypatch.setattr(group_shares, "_BLOCK_VALUES", 100)
    assert offered(crowd, source_of(), n=7) == whole
    assert {user: entries[:2] for user, entries in whole.items()} == offered(crowd, source_of(), n=2)


def test_nothing_known_of_anybody_is_no_error(problem_of):
    assert offered(problem_of([], users="ab", items="xy"), source_of()) == {}
    assert offered(problem_of([]), source_of()) == {}
