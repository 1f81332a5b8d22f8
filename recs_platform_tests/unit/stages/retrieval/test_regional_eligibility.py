"""What may be offered where: groups of users, and one fit seen from each of them."""

from datetime import UTC, datetime

import numpy as np
import polars as pl

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import fit_retrieval
from recs_platform.stages.retrieval.problem import encode
from recs_platform.stages.retrieval.retrieve import retrieve_lists
from recs_platform.stages.retrieval.sources.new_items import NewItems
from recs_platform.stages.retrieval.sources.popularity import Popularity

AS_OF = datetime(2020, 3, 1, tzinfo=UTC)
USERS = ["dane", "finn", "nomad", "swede"]
ITEMS = ["a", "b", "c", "gone"]
REGION_COLUMNS = ["user_id", "availability_region"]
EXCLUSION_COLUMNS = {"availability_region": pl.String, "item_id": pl.String}
REGIONS = {"dane": "DK", "finn": "", "swede": "SE"}
EXCLUSIONS = [
    ("SE", "a"),
    ("DK", "a"),
    ("unknown", "a"),
    ("unknown", "b"),
    ("SE", "gone"),
    ("NO", "c"),
    ("SE", "ghost"),
]


def problem_of(exclusions, *, users=USERS, regions=REGIONS):
    rows = [("swede", "b", 1, 1.0), ("finn", "c", 2, 1.0)] if users else []
    schema = {"user_id": pl.String, "item_id": pl.String, "occurred_us": pl.Int64, "weight": pl.Float64}
    return encode(
        pl.DataFrame(rows, schema, orient="row"),
        pl.DataFrame({"user_id": pl.Series(users, dtype=pl.String)}),
        pl.DataFrame({"item_id": ITEMS, "is_available": [True, True, True, False]}),
        as_of=AS_OF,
        allow_repeats=False,
        user_regions=None if regions is None else pl.DataFrame(list(regions.items()), REGION_COLUMNS, orient="row"),
        exclusions=pl.DataFrame(exclusions, EXCLUSION_COLUMNS, orient="row"),
    )


def offered_to(problem):
    return {
        user: "".join(problem.item_ids[problem.offered[group]])
        for user, group in zip(USERS, problem.region_group_of, strict=True)
    }


def test_users_are_grouped_by_what_may_be_offered_to_them():
    problem = problem_of(EXCLUSIONS)
    assert offered_to(problem) == {"dane": "bc", "finn": "abc", "nomad": "c", "swede": "bc"}
    assert len(problem.offered) == 3, "the Dane and the Swede are one group"
    assert problem.eligible.tolist() == [True, True, True, False]


def test_what_nobody_may_be_offered_is_not_eligible():
    problem = problem_of([(region, "a") for region in ("SE", "DK", "", "unknown")])
    assert (problem.region_group_of, problem.offered) == (None, None)
    assert problem.eligible.tolist() == [False, True, True, False]


def test_without_regions_everybody_is_in_the_unknown_one():
    problem = problem_of(EXCLUSIONS, regions=None)
    assert problem.region_group_of is None
    assert problem.eligible.tolist() == [False, False, True, False]


def test_where_nothing_is_excluded_there_is_one_group():
    for problem in (problem_of([]), problem_of([("NO", "c")]), problem_of(EXCLUSIONS, users=[])):
        assert (problem.region_group_of, problem.offered) == (None, None)
        assert problem.eligible.tolist() == [True, True, True, False]
        assert problem.at_region_group(0) is problem


def test_a_view_shares_what_follows_from_interactions_alone():
    problem = problem_of(EXCLUSIONS)
    views = [problem.at_region_group(group) for group in range(3)]
    assert [view.eligible.tolist() for view in views] == problem.offered.tolist()
    for name in ("preferences", "consumed", "excluded", "recent"):
        assert all(getattr(view, name) is getattr(problem, name) for view in views)


def test_views_are_made_once_and_prepare_apart_only_what_looks_at_eligibility():
    fit = fit_retrieval(problem_of(EXCLUSIONS), RetrievalConfig(), seed=7, threads=1)
    targets = np.arange(4, dtype=np.int32)
    found = list(fit.by_region_group(targets))
    assert sorted(members.tolist() for _, members in found) == [[0, 3], [1], [2]]
    assert [view for view, _ in fit.by_region_group(targets)] == [view for view, _ in found]
    assert [members.tolist() for _, members in fit.by_region_group(targets[1:2])] == [[1]]
    views = [view for view, _ in found]
    shared = [view.prepared(Popularity(), object) for view in views]
    in_each = [view.prepared(NewItems(), object) for view in views]
    assert len({*map(id, shared)}) == 1
    assert len({*map(id, in_each)}) == 3
    assert [view.prepared(NewItems(), object) for view in views] == in_each


def test_one_group_is_the_fit_itself_and_so_is_nobody():
    plain = fit_retrieval(problem_of([]), RetrievalConfig(), seed=7, threads=1)
    parted = fit_retrieval(problem_of(EXCLUSIONS), RetrievalConfig(), seed=7, threads=1)
    targets = np.arange(4, dtype=np.int32)
    assert [(view, members.tolist()) for view, members in plain.by_region_group(targets)] == [(plain, [0, 1, 2, 3])]
    assert [(view, len(members)) for view, members in parted.by_region_group(targets[:0])] == [(parted, 0)]
    assert retrieve_lists(parted, targets[:0], 5).keys() == retrieve_lists(parted, targets, 5).keys()
