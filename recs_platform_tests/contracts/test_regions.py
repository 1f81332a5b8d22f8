"""Every source offers in a region what it would if nothing else were eligible anywhere, on the same interactions."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.retrieve import retrieve_lists
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform_tests.contracts.test_sources import CONFIG, problem_of

N = 6
ATTRIBUTES = {"category_weight": 1.0, "creator_weight": 1.0, "tag_weight": 1.0}
CHANGES = [*((source.name, {}) for source in SOURCES), ("item_knn", ATTRIBUTES)]


@cache
def parted(world):
    """Every third user may be offered odd items alone, the others what is not a multiple of three."""
    problem = problem_of(world)
    users, items = np.arange(problem.n_users), np.arange(problem.n_items)
    offered = np.stack([items % 2 == 1, items % 3 != 0]) & problem.eligible
    region_group_of = np.where(users % 3 == 0, 0, 1).astype(np.int32)
    return replace(problem, eligible=offered.any(axis=0), region_group_of=region_group_of, offered=offered)


def alone(name, changes):
    """One source, for cold users too."""
    off = {source.name: {"enabled": source.name == name} for source in SOURCES}
    sources = CONFIG.with_sources({**off, name: {"enabled": True, **changes}}).sources
    return RetrievalConfig(sources=sources_as_given(sources), cold={"positives_max": None})


def sources_as_given(sources):
    return {name: config.model_dump() for name, config in sources.items()}


def lists_of(fit, targets, n=N):
    (found,) = retrieve_lists(fit, targets, n).values()
    return list(zip(found.users.tolist(), found.items.tolist(), found.scores.tolist(), strict=True))


@pytest.mark.parametrize("world", ["plain", "no_positives"])
@pytest.mark.parametrize(("name", "changes"), CHANGES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_region_has_the_lists_of_a_world_of_its_own(name, changes, world):
    problem, config = parted(world), alone(name, changes)
    fit = fit_retrieval(problem, config, seed=7, threads=1)
    everybody = np.arange(problem.n_users, dtype=np.int32)
    halves = lists_of(fit, everybody[::2]) + lists_of(fit, everybody[1::2])  # parts are kept from chunk to chunk
    expected = []
    for group, offered in enumerate(problem.offered):
        there = replace(problem, eligible=offered, region_group_of=None, offered=None)
        members = everybody[problem.region_group_of == group]
        expected += lists_of(fit_retrieval(there, config, seed=7, threads=1), members)
    assert [row[:2] for row in sorted(halves)] == [row[:2] for row in sorted(expected)]
    assert [row[2] for row in sorted(halves)] == pytest.approx([row[2] for row in sorted(expected)], rel=1e-5)
    assert all(problem.offered[problem.region_group_of[user], item] for user, item, _ in halves)
    whole = lists_of(fit, everybody)
    assert whole == sorted(whole, key=lambda row: (row[0], -row[2], row[1]))
    assert sorted(whole) == sorted(halves)
