"""A cold user's list comes of the first groups of sources that fill it; a warm user's is as if nobody were cold."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recs_platform.stages.retrieval.candidates import generate_candidates
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_embeddings, fit_retrieval
from recs_platform.stages.retrieval.retrieve import joined_by_user, retrieve_lists
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.sources.base import SourceLists

# a is liked most, then b, c, d; one has one positive, two has two, z and y none.
ROWS = [(f"x{user}", item, 1, 1.0) for item, users in zip("abcd", (8, 6, 4, 2), strict=True) for user in range(users)]
ROWS += [("one", "d", 1, 1.0), ("two", "c", 2, 1.0), ("two", "d", 1, 1.0), ("z", "a", 1, 0.0)]
ENABLED = ("item_knn", "profiles", "popularity", "trending")


def config_of(*order, positives_max=0, **changes):
    sources = {source.name: {"enabled": source.name in ENABLED} for source in SOURCES}
    sources["group_popularity"] = {"enabled": False, "min_users": 1}
    return RetrievalConfig(sources=sources, cold={"positives_max": positives_max, "order": order}, **changes)


@pytest.fixture
def problem(problem_of):
    """The segment of y and z is `new`, that of the others `old`."""
    made = problem_of(ROWS, users="yz")
    segments = ["new" if user in ("y", "z") else "old" for user in made.user_ids]
    return replace(made, profiles=made.profiles.with_columns(segment_id=pl.Series(segments)))


def fit_of(problem, config):
    return fit_retrieval(problem, config, seed=7, threads=1)


def offered(problem, config, n, user):
    """Items by source, best first, of the sources that offer the user any."""
    target = np.flatnonzero(problem.user_ids == user).astype(np.int32)
    lists = retrieve_lists(fit_of(problem, config), target, n)
    return {name: "".join(problem.item_ids[found.items]) for name, found in lists.items() if len(found.items)}


def test_later_groups_are_asked_only_while_a_list_is_not_full(problem):
    config = config_of(["popularity"], ["trending"])
    assert offered(problem, config, 3, "y") == {"popularity": "abc"}
    assert offered(problem, config, 5, "y") == {"popularity": "abcd", "trending": "abcd"}
    # a was seen by z: of the three others, the fourth position stays empty
    assert offered(problem, config, 3, "z") == {"popularity": "bcd"}
    assert offered(problem, config, 4, "z") == {"popularity": "bcd", "trending": "bcd"}


def test_items_that_several_sources_offer_fill_one_place(problem):
    config = config_of(["popularity", "trending"], ["new_items"])
    assert offered(problem, config, 4, "y").keys() == {"popularity", "trending"}
    config = config_of(["popularity", "trending"], ["group_popularity"], ["item_knn"])
    problem = replace(problem, profiles=problem.profiles.with_columns(segment_id=pl.lit("all")))
    assert offered(problem, config, 5, "y")["group_popularity"] == "abcd"


def test_sources_that_are_off_are_asked_for_cold_users_alone(problem):
    config = config_of(["group_popularity"])
    shared = replace(problem, profiles=problem.profiles.with_columns(segment_id=pl.lit("all")))
    assert offered(shared, config, 4, "y") == {"group_popularity": "abcd"}
    assert "group_popularity" not in offered(shared, config, 4, "one")


def test_what_a_segment_has_off_stays_off_and_the_next_group_is_asked(problem):
    config = config_of(["popularity"], ["trending"], segments={"new": {"off": ["popularity"]}})
    assert offered(problem, config, 3, "y") == {"trending": "abc"}


def test_who_is_cold_depends_on_positives(problem):
    order = (["popularity"], ["trending"])
    warm = config_of(*order, positives_max=None)
    for positives_max, cold in ((None, ()), (0, ("y", "z")), (1, ("y", "z", "one")), (2, ("y", "z", "one", "two"))):
        config = config_of(*order, positives_max=positives_max)
        for user in ("y", "z", "one", "two", "x0"):
            alone = {"popularity": offered(problem, warm, 2, user).get("popularity")}
            expected = alone if user in cold else offered(problem, warm, 2, user)
            assert offered(problem, config, 2, user) == expected
    assert offered(problem, config_of(), 2, "y") == offered(problem, warm, 2, "y")  # without a group nothing switches


def test_a_list_depends_on_its_user_alone(problem_of, two_tastes):
    rows = [
        *two_tastes[0],
        *((f"w{position}", f"i{position:02d}", 1, float(position % 3 > 0)) for position in range(9)),
    ]
    problem = problem_of(rows, users="xyz")
    groups = [["night", "day", None][position % 3] for position in range(problem.n_users)]
    problem = replace(problem, profiles=problem.profiles.with_columns(segment_id=pl.Series(groups, dtype=pl.String)))
    config = config_of(["item_knn"], ["group_popularity"], ["popularity"], positives_max=1, candidates_per_source=6)
    fit = fit_of(problem, config)
    whole = pl.concat(generate_candidates(fit))
    assert whole["group_popularity_rank"].drop_nulls().len()
    for block_users in (1, 5):
        assert_frame_equal(pl.concat(generate_candidates(fit, block_users=block_users)), whole, check_exact=True)
    some = problem.user_ids[::4].tolist()
    part = pl.concat(generate_candidates(replace(fit, threads=2), targets=some))
    assert_frame_equal(part, whole.filter(pl.col("user_id").is_in(some)), check_exact=True)


def test_earlier_groups_come_first_with_ranks_and_shares_as_the_source_said(problem):
    """By vectors c is like d, which `one` likes; its small weight would leave it where the popular have it."""
    problem = replace(problem, vectors=np.array([[0], [0], [1], [1]], dtype=np.float32))
    weights = {"vectors": {"weight": 0.01, "enabled": True}}
    config = config_of(["vectors"], ["popularity"], positives_max=1, candidates_per_source=5).with_sources(weights)
    frame = pl.concat(generate_candidates(fit_of(problem, config), targets=["one"]))
    assert frame["item_id"].to_list() == ["c", "a", "b"]
    assert frame["fused_score"].is_sorted(descending=True)
    assert frame["popularity_rank"].to_list() == [3, 1, 2]
    assert frame["popularity_score_share"].to_list() == pytest.approx([5 / 8, 1, 6 / 8])
    without = config_of(["vectors", "popularity"], positives_max=1).with_sources(weights)
    assert pl.concat(generate_candidates(fit_of(problem, without), targets=["one"]))["item_id"].to_list() == list("abc")


def test_quotas_do_not_bring_back_what_was_dropped(problem):
    config = config_of(["popularity"], ["trending"], candidates_per_source=2, candidates=1, quotas={"trending": 2})
    frame = pl.concat(generate_candidates(fit_of(problem, config), targets=["y"]))
    assert frame["item_id"].to_list() == ["a"]
    assert frame["sources"].to_list() == [["popularity"]]


def test_cold_users_have_vectors_only_where_they_have_positives(problem):
    def embedded(config, **changes):
        return sorted(fit_embeddings(replace(problem, **changes), config, seed=7, threads=1))

    order = (["content", "profiles", "vectors"],)
    brought = {"vectors": np.ones((problem.n_items, 2), dtype=np.float32)}
    assert embedded(config_of(*order), **brought) == []
    assert embedded(config_of(*order, positives_max=None), **brought) == []
    assert embedded(config_of(*order, positives_max=1)) == ["content"]
    assert embedded(config_of(*order, positives_max=1), **brought) == ["content", "vectors"]
    assert offered(replace(problem, **brought), config_of(*order, positives_max=1), 2, "one")["vectors"] == "ab"
    assert offered(problem, config_of(*order, ["popularity"], positives_max=1), 2, "one") == {"popularity": "ab"}


def test_lists_of_different_users_are_joined_in_their_order():
    def lists(users, items):
        return SourceLists(np.array(users, np.int32), np.array(items, np.int32), np.array(items, np.float32))

    joined = joined_by_user([lists([1, 1, 4], [9, 3, 2]), lists([0, 2, 2], [1, 8, 7])])
    assert (joined.users.tolist(), joined.items.tolist()) == ([0, 1, 1, 2, 2, 4], [1, 9, 3, 8, 7, 2])
    assert joined.scores.tolist() == [1, 9, 3, 8, 7, 2]
