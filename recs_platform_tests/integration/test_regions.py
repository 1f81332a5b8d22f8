"""What is blocked, or may not be offered where a user is, reaches no window, candidate or list; the rest is full."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest

from recs_platform.contracts.tables import ITEM_NEIGHBOURS, RANKED
from recs_platform.pipeline.as_of_run import USER_SEGMENTS, AsOfRun
from recs_platform.pipeline.geo_availability import GeoAvailability, run_geo_availability
from recs_platform.pipeline.lists import lists
from recs_platform.pipeline.lists.context import rerank_context
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.questions import explain as explaining
from recs_platform.pipeline.questions import one_list
from recs_platform.pipeline.retrieval.inputs import profiled_problem, retrieval_config
from recs_platform.pipeline.training import windows
from recs_platform.pipeline.training.splits import global_splits
from recs_platform.pipeline.training.windows import Window
from recs_platform.pipeline.withheld import read_withheld
from recs_platform.stages import reranking, retrieval
from recs_platform_tests.homes import Built, copy_home, land_contract, platform_at, take_in

START, K = datetime(2024, 1, 1, tzinfo=UTC), 6
CUTOFF, AS_OF = START + timedelta(days=9), START + timedelta(days=18)
FREE, ONLY_SE, NOT_SE, BLOCKED, ADULT = (
    [f"{kind}{number}" for number in range(count)]
    for kind, count in (("free", 5), ("only-se", 4), ("not-se", 2), ("blocked", 2), ("adult", 2))
)
ITEMS = [*FREE, *ONLY_SE, *NOT_SE, *BLOCKED, *ADULT]
COUNTRIES = {
    **{f"swede{number}": "se" for number in range(6)},
    **{f"dane{number}": "DK" for number in range(6)},
    "cold-swede": "SE",
    "cold-dane": "DK",
    "grown-dane": "DK",
    "nomad": None,
    "hidden": "SE",
}
# What each may be offered.
AGES = {"grown-dane": "25-34", "cold-swede": "<18", "hidden": "35-44"}
OFFERED = {
    "s": {*FREE, *ONLY_SE}, "d": {*FREE, *NOT_SE}, "g": {*FREE, *NOT_SE, *ADULT}, "n": set(FREE), "h": set(FREE)
}  # fmt: skip
SETTINGS = {
    "k": K,
    "privacy": {"item_attributes": []},
    "retrieval": {
        "blocked_items": ["blocked0"],
        "blocked_creators": ["o'brien"],
        "sources": {
            **{name: {"enabled": False} for name in ("spectral", "user_knn", "vs_knn", "trending_1d", "item_knn")},
            "popularity": {"half_life_days": 7},  # else each question would try several first
        },
    },
}


def item_row(item):
    attributes = {"only-se": {"offered_in": ["se"]}, "not-se": {"not_offered_in": "SE"}, "adult": {"age_min": 18}}.get(
        item[:-1]
    )
    creator = "o'brien" if item == "blocked1" else "other"
    return {"item_id": item, "creator": creator, "attributes": attributes} | {"category": f"c{len(item) % 2}"}


def event_rows():
    """Each warm user clicks two items, one every nine days, whatever may be offered there now."""
    for number, user in enumerate(user for user in COUNTRIES if user[-1].isdigit()):
        for step in range(2):
            at = START + timedelta(days=9 * step + number % 8, hours=number)
            item = ITEMS[(3 * number + 5 * step) % len(ITEMS)]
            yield {"user_id": user, "item_id": item, "event_type": "click", "occurred_at": at.isoformat()}


def run_of(built: Built) -> AsOfRun:
    return AsOfRun(built.platform, built.as_of, built.known_at)


@pytest.fixture(scope="module")
def parted(tmp_path_factory) -> Built:
    """A home of two countries, ingested, with the tables that candidates and lists are made from.

    Everything is ranked for everybody: what may not be offered is left out by whoever reads it.
    """
    platform = platform_at(tmp_path_factory.mktemp("parted") / "home", **SETTINGS)
    people = [
        {
            "user_id": user,
            "country": country,
            "age_band": AGES.get(user),
            "consent_personalization": False if user == "hidden" else None,
        }
        for user, country in COUNTRIES.items()
    ]
    for name, rows in (("items", [*map(item_row, ITEMS)]), ("users", people), ("events", [*event_rows()])):
        land_contract(platform, f"{name}.jsonl", rows)
    take_in(platform)
    known_at = datetime.now(UTC)
    with platform.model_run(AS_OF, known_at) as run:
        for name in ("features.user_affinities", "features.user_lifecycle", "features.user_features", USER_SEGMENTS):
            run.materialize(name)
    write_frames(platform, RANKED, [everything_ranked(list(COUNTRIES))], AS_OF)
    write_frames(platform, ITEM_NEIGHBOURS, [], AS_OF)
    return Built(platform, AS_OF, known_at)


def everything_ranked(users):
    ranks = range(1, len(ITEMS) + 1)
    items = pl.DataFrame({"item_id": ITEMS[::-1], "rank": ranks, "score": [-float(rank) for rank in ranks]})
    everything = pl.DataFrame({"user_id": users}).join(items, how="cross")
    return everything.with_columns(sources=pl.lit(["als"]), ranker_version=pl.lit("none"))


@pytest.fixture(scope="module")
def window(parted) -> Window:
    """A sealed window, as it is read again."""
    (split,) = global_splits([CUTOFF], AS_OF - CUTOFF)
    manifest, reused = windows.seal_window(run_of(parted), split)
    assert not reused
    return windows.read_window(parted.platform, manifest.version)


@pytest.fixture(scope="module")
def made(parted):
    return lists.make_lists(run_of(parted))


def by_user(frame):
    return {user: set(items) for user, items in frame.group_by("user_id").agg("item_id").rows()}


def allowed(user):
    return OFFERED[user.removeprefix("cold-")[0]]


def test_no_candidate_and_no_row_of_a_window_may_not_be_offered(parted, window):
    problem = profiled_problem(run_of(parted))
    fit = retrieval.fit_retrieval(problem, retrieval_config(parted.platform), seed=7, threads=1)
    candidates = pl.concat(retrieval.generate_candidates(fit))
    assert {"cold-swede", "cold-dane", "nomad"} < set(candidates["user_id"])
    assert window.rows.height > 0
    for frame in (candidates, window.rows):
        assert [user for user, items in by_user(frame).items() if items - allowed(user)] == []


def test_lists_of_a_window_keep_to_regions_too(parted, window):
    users = window.rows["user_id"].unique().sort()
    geo = GeoAvailability(window.user_regions, window.exclusions)
    context = rerank_context(parted.platform, window.items, window.consumed, users, geo)
    found = by_user(reranking.rerank(everything_ranked(users), context).lists)
    assert set(found) == set(users)
    assert [user for user, items in found.items() if items - allowed(user)] == []


def test_everybody_has_all_that_may_be_offered_up_to_k_and_what_is_missing_is_reported(made):
    reported = {row["user_id"]: row for row in made.short_lists.rows(named=True)}
    consumed, found = by_user(pl.DataFrame(list(event_rows()))), by_user(made.lists)
    for user in COUNTRIES:
        eligible = allowed(user) - consumed.get(user, set())
        assert found[user] <= eligible, user
        assert len(found[user]) == min(K, len(eligible)), user
        assert (user in reported) == (len(eligible) < K), user
        if user in reported:
            there = f"only {len(eligible)} of {K} items: {len(allowed(user))} are available where the user is"
            assert (
                reported[user]["reason"] == f"{there} and the user has consumed {len(allowed(user) - eligible)} of them"
            )
    assert {"nomad", "hidden"} <= set(reported)
    assert not set(reported) & {"cold-swede", "cold-dane"}


def test_a_list_that_holds_an_excluded_item_is_found_out(made):
    assert [name for name, rows in made.violations.items() if rows.height] == []
    first = (pl.col("user_id") == "cold-dane") & (pl.col("rank") == 1)
    item = pl.when(first).then(pl.lit("only-se0")).otherwise("item_id").alias("item_id")
    result = reranking.RerankResult(made.lists.with_columns(item), made.short_lists)
    broken = reranking.violations(result, made.context, reranking.filters_of(reranking.RULES))
    assert broken["only_where_offered"].rows() == [("cold-dane", "only-se0", 1)]


def test_explaining_says_what_excludes_an_item(parted, made, monkeypatch):
    release = SimpleNamespace(version="r", as_of=parted.as_of, known_at=parted.known_at, parameters={})
    monkeypatch.setattr(explaining, "current_release", lambda _home: release)
    nobody = SimpleNamespace(references=pl.DataFrame(schema={"user_id": pl.String}))
    monkeypatch.setattr(one_list, "read_shared_lists", lambda _home, _version: nobody)
    for name in ("read_release", "read_served"):
        monkeypatch.setattr(one_list, name, lambda _home, _version, user: made.lists.filter(pl.col("user_id") == user))
    write_frames(parted.platform, parted.platform.contract("retrieval.candidates"), [], AS_OF)
    region, blocked = "the item may not be offered where the user is", "the settings block the item or its creator"
    for user, item, reason in (
        ("cold-dane", "only-se0", f"{region} (named by no item): it is only for SE"),
        ("cold-swede", "not-se0", f"{region} (SE): it is not for SE"),
        ("nomad", "not-se0", f"{region} (not known): it is not for SE"),
        ("hidden", "only-se0", f"{region} (not known): it is only for SE"),
        ("cold-swede", "adult1", "the item is for people of 18 or older, and the user is not known to be"),
        ("cold-dane", "blocked0", blocked),
        ("cold-dane", "blocked1", blocked),
    ):
        answer = explaining.explain_pair(parted.platform, user, item)["answer"]
        assert answer.startswith(f"not recommended: {reason}"), (user, item)


def test_where_users_are_is_read_of_features_as_a_build_finds_it_of_events(parted):
    found = read_withheld(parted.platform, parted.as_of, parted.known_at)
    expected = run_geo_availability(run_of(parted))
    assert found.withdrawn == set(BLOCKED[:1]) | {"blocked1"}
    assert found.regions is not None
    assert found.regions.user_regions.equals(expected.user_regions)
    assert found.regions.exclusions.equals(expected.exclusions)


def test_an_age_that_a_later_profile_lacks_is_known_no_more(parted, tmp_path):
    def region(platform, now):
        found = read_withheld(platform, parted.as_of, now).regions.user_regions
        return found.row(by_predicate=pl.col("user_id") == "grown-dane")[1]

    platform = copy_home(parted.platform, tmp_path / "home")
    land_contract(platform, "users.2.jsonl", [{"user_id": "grown-dane", "country": "DK"}])
    take_in(platform)
    assert region(platform, parted.known_at) == "AGE 18"
    assert region(platform, datetime.now(UTC)) == ""
