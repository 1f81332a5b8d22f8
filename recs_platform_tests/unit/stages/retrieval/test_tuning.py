"""Tuning finds what was planted, repeats itself, changes nothing without a reason, and ends in time."""

from itertools import count

import numpy as np
import polars as pl
import pytest

from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.sources.als import ALS, ALSConfig
from recs_platform.stages.retrieval.sources.base import SourceLists
from recs_platform.stages.retrieval.tuning import parameter_search
from recs_platform.stages.retrieval.tuning.budget import Budget
from recs_platform.stages.retrieval.tuning.parameter_search import SKETCH_COST, SourceStudy
from recs_platform.stages.retrieval.tuning.ranges import RANGES, Span, multiples, whole_values
from recs_platform.stages.retrieval.tuning.source_variants import ValidationSet, pool_validation_sets, with_parameters
from recs_platform.stages.retrieval.tuning.trials import SourceSearch, Variant
from recs_platform.stages.retrieval.tuning.tune import tune_retrieval
from recs_platform.stages.retrieval.tuning.validation import HeldOut, held_out_of, join_pools, pool_lists

# An evergreen was liked by 20 users 29 days ago, a novelty by 3 yesterday: the evergreen goes first where
# 20 * 2 ** (-29 / h) > 3 * 2 ** (-1 / h), which is h > 28 / log2(20 / 3) = 10.2 days.
BEST_FROM_DAYS = 28 / np.log2(20 / 3)
EVERGREENS, NOVELTIES = "ab", "pq"


@pytest.fixture
def validation_of(problem_of):
    """Fans of evergreens and of novelties, and 60 users with an item of their own who next like `wanted`."""

    def build(wanted: str) -> ValidationSet:
        fans = [(f"old{user}", item, 29, 1.0) for user in range(20) for item in EVERGREENS]
        fans += [(f"new{user}", item, 1, 1.0) for user in range(3) for item in NOVELTIES]
        rows = [*fans, *((f"u{user:02d}", "z", 40, 1.0) for user in range(60))]
        pairs = [(f"u{user:02d}", wanted[user % len(wanted)]) for user in range(60)]
        held_out = pl.DataFrame(pairs, schema=["user_id", "item_id"], orient="row")
        problem = problem_of(rows)
        return ValidationSet(problem, held_out_of(problem, held_out, users_max=60, seed=0))

    return build


def config_of(*names: str, **options) -> RetrievalConfig:
    sources = {source.name: {"enabled": source.name in names} for source in SOURCES}
    return RetrievalConfig(candidates_per_source=2, sources=sources, **options)


def tune(validation, config, names, *, trials=12, until=None, clock=lambda: 0.0, fixed=None, threads=1, seed=7):
    seen = []
    found = tune_retrieval(
        [validation],
        config,
        names,
        Budget(clock, until, trials),
        k=2,
        fixed=fixed or {},
        seed=seed,
        threads=threads,
        watch=seen.append,
    )
    return found, seen


def trials_of(found):
    return {
        name: [(trial.number, trial.value, trial.parameters) for trial in search.trials]
        for name, search in found.searches.items()
    }


def test_the_planted_half_life_is_found(validation_of):
    found, seen = tune(validation_of(EVERGREENS), config_of("trending"), ["trending"])
    assert found.changes["trending"].keys() == {"half_life_days"}
    assert found.changes["trending"]["half_life_days"] > BEST_FROM_DAYS
    assert (found.default, found.default_recall, found.tuned_recall) == (0, 0, 1)
    # one of two items wanted, first for half of the users and second for the others
    assert found.tuned == pytest.approx((1 + (1 + 1 / np.log2(3)) / 2) / 2)
    assert found.is_gained
    first = found.searches["trending"].trials[0]
    assert (first.parameters, first.value) == ({"half_life_days": 7.0}, 0)
    assert [watched.best for watched in seen] == np.maximum.accumulate([each.trial.value for each in seen]).tolist()


def test_the_same_seed_finds_the_same_at_any_number_of_threads(validation_of):
    validation, config = validation_of(EVERGREENS + NOVELTIES), config_of("trending", "als", "item_knn")
    names = ["trending", "als", "item_knn"]
    one, _ = tune(validation, config, names, trials=4)
    two, _ = tune(validation, config, names, trials=4, threads=2)
    assert one.changes == two.changes
    assert trials_of(one) == trials_of(two)
    other, _ = tune(validation, config, names, trials=4, seed=8)
    assert trials_of(other) != trials_of(one)


def test_what_nothing_beats_stays_as_it_is(validation_of):
    found, _ = tune(validation_of(NOVELTIES), config_of("trending"), ["trending"])
    assert found.changes == {}
    assert (found.gain.value, found.is_gained) == (0, False)
    assert found.default == found.tuned > 0


@pytest.mark.parametrize(("better", "is_kept"), [(1, False), (5, True)])
def test_what_is_better_for_one_user_of_sixty_is_chance(better, is_kept):
    # a resample misses one of 60 users in (59 / 60) ** 60 = 36 % of the draws, all of five in 0.6 %
    source = SOURCES[0]
    default = Variant(source, [], np.zeros(60))
    best = Variant(source, [], (np.arange(60) < better).astype(float))
    found = SourceSearch(default, best, [], seed=7)
    assert found.gain.value == pytest.approx(better / 60)
    assert (found.kept is best) == is_kept


def test_what_the_settings_say_is_not_searched(validation_of):
    config = config_of("trending").with_sources({"trending": {"half_life_days": 5.0}})
    found, _ = tune(validation_of(EVERGREENS), config, ["trending"], fixed={"trending": {"half_life_days"}})
    assert found.changes == {}
    assert len(found.searches["trending"].trials) == 1


def test_a_source_that_is_off_is_switched_on_where_it_adds_and_only_there(validation_of):
    on, _ = tune(validation_of(EVERGREENS), config_of("trending"), ["popularity"])
    assert on.changes["popularity"]["enabled"]
    assert on.changes["popularity"].get("weight", 1.0) > 0
    assert on.is_gained
    off, _ = tune(validation_of(NOVELTIES), config_of("trending"), ["popularity"])
    assert off.changes == {}


def test_a_weight_of_the_settings_stays(validation_of):
    config = config_of("trending", "popularity").with_sources({"trending": {"weight": 3.0}})
    free, _ = tune(validation_of(EVERGREENS), config, [])
    assert free.weights["trending"] < free.weights["popularity"]
    kept, _ = tune(validation_of(EVERGREENS), config, [], fixed={"trending": {"weight"}})
    assert kept.weights["trending"] == 3.0
    assert "trending" not in kept.changes


def test_the_budget_ends_the_search_and_what_one_source_leaves_goes_to_the_next(validation_of):
    ticks = count()
    found, seen = tune(
        validation_of(EVERGREENS),
        config_of("trending", "trending_1d"),
        ["trending", "trending_1d"],
        trials=1000,
        until=100.0,
        clock=lambda: float(next(ticks)),
    )
    numbers = [len(search.trials) for search in found.searches.values()]
    assert min(numbers) > 5
    assert 80 < seen[-1].seconds <= 95  # nine tenths of it, and the trial that it ended in
    short, _ = tune(validation_of(EVERGREENS), config_of("trending"), ["trending"], until=-1.0)
    assert trials_of(short)["trending"] == [(0, 0.0, {"half_life_days": 7.0})]


def test_pools_of_two_instants_are_worth_what_each_is():
    def pool_of(n_items, items):
        users = np.arange(2, dtype=np.int32)
        held = HeldOut(users, users.astype(np.int64) * n_items, np.array([1, 2]))
        problem = type("Sized", (), {"n_items": n_items})()
        lists = SourceLists(np.array([0, 0, 1], np.int32), np.array(items, np.int32), np.array([2, 1, 1], np.float32))
        return pool_lists(problem, held, {"one": lists})

    pools = [pool_of(4, [3, 0, 0]), pool_of(7, [5, 6, 2])]
    joined = join_pools(pools)
    for k in (1, 2):
        apart = np.concatenate([pool.values({"one": 1.0}, k) for pool in pools])
        assert joined.values({"one": 1.0}, k).tolist() == apart.tolist()
    # the first user's item comes second, one of the two items of the second user comes first, the others never
    assert joined.recalls({"one": 1.0}, 1).tolist() == [0, 1 / 2, 0, 0]
    assert joined.recalls({"one": 1.0}, 2).tolist() == [1, 1 / 2, 0, 0]


def test_a_validation_set_without_users_has_no_rows(validation_of):
    validation = validation_of(EVERGREENS)
    nothing = SourceLists(*(np.empty(0, dtype) for dtype in (np.int32, np.int32, np.float32)))
    pool = pool_validation_sets([validation], {"one": [nothing]})
    assert pool.values({"one": 1.0}, 2).tolist() == [0.0] * 60


@pytest.mark.parametrize("source", [source for source in SOURCES if source.name in RANGES], ids=lambda each: each.name)
def test_defaults_lie_in_their_ranges_whose_ends_are_allowed(source):
    ranges = RANGES[source.name]
    own = {field: getattr(source.config, field) for field in ranges}
    assert whole_values(multiples(own, ranges, own), ranges, own) == own
    for field, found in ranges.items():
        default = multiples(own, ranges, own)[field]
        if isinstance(found, Span):
            assert found.low <= default <= found.high, field
        else:
            assert default in found, field
        for end in (found.low, found.high) if isinstance(found, Span) else found:
            # A multiple is of the greatest and of the least that the other field may be.
            for other in (ranges[found.per].low, ranges[found.per].high) if getattr(found, "per", None) else [1]:
                tried = with_parameters(source, {field: end * other if other != 1 else end})
                assert getattr(tried.config, field) == (end * other if other != 1 else end)


def test_fields_that_move_together_are_searched_by_their_ratio():
    ranges = {"alpha": Span(0.1, 100.0), "regularization": Span(0.3, 30.0, per="alpha")}
    assert multiples({"alpha": 40.0, "regularization": 120.0}, ranges, {}) == {"alpha": 40.0, "regularization": 3.0}
    assert whole_values({"alpha": 40.0001, "regularization": 3.0}, ranges, {}) == {"alpha": 40, "regularization": 120}
    fixed = {"regularization": ranges["regularization"]}
    assert whole_values({"regularization": 3.0}, fixed, {"alpha": 10.0}) == {"regularization": 30.0}


def test_what_its_sketch_says_is_worse_is_dropped_and_costs_little(validation_of, monkeypatch):
    # As if a sketch told as much as the trial: whatever fades too fast falls behind.
    monkeypatch.setattr(parameter_search, "sketch_of", lambda source: with_parameters(source, {"weight": 0.5}))
    trending = with_parameters(next(each for each in SOURCES if each.name == "trending"), {"half_life_days": 40.0})
    study = SourceStudy([validation_of(EVERGREENS)], trending, RANGES["trending"], k=2, depth=2, seed=7)
    trials = [study.try_next(lambda: 0.0) for _ in range(12)]
    dropped = [trial for trial in trials if trial.is_dropped]
    assert 0 < len(dropped) < 12
    assert {trial.is_dropped for trial in trials if trial.parameters["half_life_days"] < BEST_FROM_DAYS} == {True}
    assert study.spent == 12 - (1 - SKETCH_COST) * len(dropped)
    assert study.best == trials[0].value == max(trial.value for trial in trials)


@pytest.mark.parametrize(("worse", "taken"), [(1, 16), (3, 64)])
def test_the_simpler_of_equals_is_taken(worse, taken):
    # One of 60 users lost: the mean is 1 / 60, as is its standard error. Three: .05 against .028.
    def variant(factors, values):
        return Variant(ALS(config=ALSConfig(factors=factors)), [], values)

    best = variant(64, np.ones(60))
    simple = variant(16, (np.arange(60) >= worse).astype(float))
    equals = [each for each in [simple] if each.is_as_good_as(best)]
    found = SourceSearch(variant(256, np.zeros(60)), best, [], 7, equals)
    assert found.simplest.source.config.factors == found.kept.source.config.factors == taken


def test_every_range_is_of_a_source():
    assert set(RANGES) <= {source.name for source in SOURCES}
