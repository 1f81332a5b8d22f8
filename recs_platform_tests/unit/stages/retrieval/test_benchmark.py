"""The benchmark finds what was withheld, masks what users had, serves strangers, and repeats itself to the byte."""

from dataclasses import replace

import polars as pl
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.stages.retrieval.benchmark import benchmark
from recs_platform.stages.retrieval.benchmark.benchmark import MERGED, run_benchmark
from recs_platform.stages.retrieval.benchmark.profiles import FEW_ROWS, PROFILES
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.tuning.ranges import RANGES, Span, searched_ranges, whole_values
from recs_platform.stages.retrieval.tuning.search_hints import first_trials
from recs_platform.stages.retrieval.tuning.source_variants import with_parameters


@pytest.fixture
def split(tmp_path, two_tastes, monkeypatch):
    """Files of the world of two tastes, whose test is the one item that each user misses, and a small profile."""
    small = replace(PROFILES["fast"], sources=("als", "item_knn", "popularity"), start={}, trials_few_rows=3)
    monkeypatch.setattr(benchmark, "PROFILES", {"fast": small})
    rows, withheld = two_tastes
    train = pl.DataFrame({"user_id": [row[0] for row in rows], "item_id": [row[1] for row in rows]})
    train.write_parquet(tmp_path / "train.parquet")
    truth = [*withheld.items(), ("stranger", "i00")]
    pl.DataFrame(truth, schema=["user_id", "item_id"], orient="row").write_parquet(tmp_path / "test.parquet")

    def run(**options):
        asked = {"valid": None, "k": 3, "sources": None, "profile": "fast", "seed": 7, "threads": 1, **options}
        asked.setdefault("progress", lambda _: None)
        return run_benchmark(tmp_path / "train.parquet", tmp_path / "test.parquet", **asked)

    return run, train, tmp_path


def test_the_withheld_item_comes_first_and_nothing_that_was_had(split):
    run, train, _ = split
    result = run()
    assert set(result.scores) == {MERGED, "als", "item_knn", "popularity"}
    assert result.scores[MERGED]["hit_rate"] >= 40 / 41
    assert result.scores[MERGED]["ndcg"] > result.scores["popularity"]["ndcg"]
    assert result.lists.join(train, on=["user_id", "item_id"], how="semi").is_empty()
    assert result.lists.group_by("user_id").len()["len"].to_list() == [3] * 41
    assert result.peak_gib > 0
    assert result.summary()["held_out"]["pairs_of_users_not_in_train"] == 1
    assert result.remark().startswith("0 of 41 held-out pairs no model can find")
    assert set(result.seconds) == {"choose", "fit", "recommend"}


def test_the_same_split_gives_the_same_lists_at_any_number_of_threads(split):
    run, _, _ = split
    assert run(threads=2).lists.equals(run().lists)


@pytest.mark.parametrize(
    ("train", "wanted", "expected"),
    [
        ([("u", "a")], [("u", "a")], []),
        ([("u", "a"), ("v", "b"), ("w", "a")], [("u", "b"), ("x", "a")], [("u", "b"), ("x", "a"), ("x", "b")]),
    ],
    ids=["one pair", "one item each"],
)
def test_where_there_is_nobody_to_choose_on_all_sources_weigh_1(split, train, wanted, expected):
    run, _, folder = split
    for name, rows in (("train", train), ("test", wanted)):
        pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row").write_parquet(folder / f"{name}.parquet")
    result = run()
    assert set(result.weights.values()) == {1.0}
    assert result.lists.select("user_id", "item_id").rows() == expected


def test_what_fades_with_time_is_measured_where_the_test_comes_later(split):
    run, train, folder = split
    at = pl.int_range(pl.len()).alias("occurred_at")
    train.with_columns(at).write_parquet(folder / "train.parquet")
    test = pl.DataFrame([("u00", "i00"), ("u00", "i01"), ("u01", "i00")], ["user_id", "item_id"], orient="row")
    measured = {}
    for name, shift in (("later", train.height), ("any time", 0)):
        test.with_columns(at + shift).write_parquet(folder / "test.parquet")
        measured[name] = set(run().scores)
    assert measured["later"] - measured["any time"] == {"trending", "trending_1d"}


def test_only_the_sources_named_are_measured(split):
    run, _, folder = split
    pl.read_parquet(folder / "test.parquet").write_parquet(folder / "valid.parquet")
    result = run(sources=["popularity"], valid=folder / "valid.parquet")
    assert set(result.scores) == {MERGED, "popularity"}
    assert result.scores[MERGED] == result.scores["popularity"]
    alone = run(sources=["als"])
    assert alone.scores[MERGED]["ndcg"] >= alone.scores["als"]["ndcg"]
    with pytest.raises(UsageError, match=r"no source \['oracle'\]; there are: als"):
        run(sources=["oracle"])


def test_the_search_is_within_the_trials_of_the_profile_and_finds_no_less_than_the_start(split):
    run, _, _ = split
    reported = []
    result = run(progress=reported.append)
    numbers = [int(line.split(" trial ")[1].split(":")[0]) for line in reported if " trial " in line]
    assert max(numbers) < 3
    assert result.parameters.keys() == {"als", "item_knn", "popularity"}
    assert result.parameters["item_knn"].keys() == RANGES["item_knn"].keys()
    assert result.parameters["popularity"] == {}
    assert {"recall", "ndcg"} <= result.scores[MERGED].keys()


def test_small_splits_and_the_best_profile_are_searched_longer():
    fast, best = PROFILES["fast"], PROFILES["best"]
    for profile in (fast, best):
        assert profile.trials_for(FEW_ROWS + 1) == profile.trials < profile.trials_for(FEW_ROWS)
    assert fast.trials < best.trials
    assert fast.trials_for(1) < best.trials_for(1)


@pytest.mark.parametrize("source", SOURCES, ids=lambda each: each.name)
@pytest.mark.parametrize("factors_max", [8, 256])
def test_first_trials_start_with_the_source_itself_and_lie_within_what_is_searched(source, factors_max):
    ranges = searched_ranges(source, factors_max=factors_max)
    points, own = first_trials(source, ranges), source.config.model_dump()
    assert whole_values(points[0], ranges, own) == {field: getattr(source.config, field) for field in ranges}
    for point in points:
        assert point.keys() == ranges.keys()
        assert with_parameters(source, whole_values(point, ranges, own)).config
        for field, searched in ranges.items():
            value = point[field]
            inside = searched.low <= value <= searched.high if isinstance(searched, Span) else value in searched
            assert inside, field


def test_profiles_name_what_is_registered():
    registered = {source.name: source for source in SOURCES}
    for profile in PROFILES.values():
        assert {*profile.sources, *profile.ahead} <= set(registered)
        for name, fields in profile.start.items():
            assert with_parameters(registered[name], fields).config
