"""An audit is silent about a sound index, whatever is tied, and sees each way in which one may be damaged."""

from dataclasses import replace

import numpy as np
import pytest

from recs_platform.stages.retrieval.index import (
    IndexConfig,
    audit_failures,
    audit_recall,
    audited,
    build_index,
    load_index,
    save_index,
)

IVF = IndexConfig(kind="ivf", target_n=20, target_recall=0.98)
ALL = np.ones(2000, dtype=np.bool_)


@pytest.fixture(scope="module")
def world():
    generator = np.random.default_rng(4)
    centres = generator.standard_normal((40, 8))
    vectors, queries = (
        (centres[generator.integers(40, size=size)] + generator.standard_normal((size, 8)) / 4).astype(np.float32)
        for size in (2000, 90)
    )
    return vectors, queries


def indexes(world):
    vectors, queries = world
    return [build_index(ALL, vectors, config=config, queries=queries) for config in (IndexConfig(), IVF)]


def test_a_sound_index_passes_at_every_share(world):
    vectors, queries = world
    for index in indexes(world):
        audit = audit_recall(index, vectors, queries, n=20)
        assert audit_failures(audit) == []
        assert [(row.share, row.eligible, row.n) for row in audit] == [
            (1.0, 2000, 20),
            (0.05, 100, 20),
            (0.005, 10, 5),
        ]
        assert [row.queries for row in audit] == [90] * 3
        assert [row.recall for row in audit][1:] == [1.0, 1.0]
        assert audit[0].worst <= audit[0].recall


def test_ties_count_as_found_once():
    vectors = np.ones((50, 3), dtype=np.float32)
    index = build_index(np.ones(50, dtype=np.bool_), vectors)
    queries = np.ones((2, 3), dtype=np.float32)
    # Codes from the other end of fifty equal items are as good as the first.
    other = replace(index, items=index.items[::-1].copy())
    assert [audit_recall(found, vectors, queries, n=5, shares=[1.0])[0].recall for found in (index, other)] == [1, 1]
    twice = replace(index, items=np.zeros(50, dtype=np.int32))
    assert audit_recall(twice, vectors, queries, n=5, shares=[1.0], eligible=np.arange(50) >= 0)[0].recall == 1 / 5


def permuted(index):
    return replace(index, items=np.random.default_rng(0).permutation(index.items))


def overwritten(index):
    return replace(index, vectors=index.vectors[::-1].copy())


def lacking_items(index):
    return build_index(np.arange(2000) < 1500, index.vectors)


@pytest.mark.parametrize("damage", [permuted, overwritten, lacking_items])
def test_damage_is_seen_at_every_share(world, damage):
    vectors, queries = world
    for index in indexes(world):
        audit = audit_recall(damage(index), vectors, queries, n=20, eligible=ALL)
        assert len({complaint.split(" eligible")[0] for complaint in audit_failures(audit)}) == 3


def test_a_dropped_list_is_seen(world):
    vectors, queries = world
    index = build_index(ALL, vectors, config=IVF.model_copy(update={"lists": 12}), queries=queries)
    assert index.structure is not None
    before = audit_recall(index, vectors, queries, n=20, shares=[1.0])
    for lost in range(3):
        index.structure.faiss.invlists.resize(lost, 0)
    after = audit_recall(index, vectors, queries, n=20, shares=[1.0])
    assert audit_failures(before) == []
    assert "recall@20 is 0." in audit_failures(after)[0]


def test_what_was_measured_is_kept_with_the_index(world, tmp_path):
    vectors, queries = world
    index = audited(indexes(world)[1], vectors, queries, n=20)
    save_index(index, tmp_path)
    assert load_index(tmp_path, vectors).report.recall == audit_recall(index, vectors, queries, n=20)
    assert index.report.recall[0].recall >= 0.95


def test_nothing_to_ask_or_to_find_is_no_failure(world):
    vectors, queries = world
    index = build_index(~ALL, vectors)
    assert [row.recall for row in audit_recall(index, vectors, queries)] == [1.0] * 3
    sound = build_index(ALL, vectors)
    assert [row.queries for row in audit_recall(sound, vectors, np.zeros((4, 8), dtype=np.float32))] == [0] * 3
