"""The benchmark finds what was withheld, masks what users had, serves strangers, and repeats itself to the byte."""

from dataclasses import replace

import polars as pl
import pytest

from recs_platform.contracts.errors import UsageError
from recs_platform.stages.retrieval.benchmark import benchmark
from recs_platform.stages.retrieval.benchmark.benchmark import MERGED, run_benchmark
from recs_platform.stages.retrieval.sources import SOURCES
from recs_platform.stages.retrieval.tuning.search_space import PROFILES, plan_for

SMALL = {"als": {"factors": (4,)}, "item_knn": {"decay": (0.85, 1.0)}}


@pytest.fixture
def split(tmp_path, two_tastes, monkeypatch):
    """Files of the world of two tastes, whose test is the one item that each user misses, and a small plan."""
    small = replace(PROFILES["fast"], sources=("als", "item_knn", "popularity"), start={}, space=SMALL)
    monkeypatch.setattr(benchmark, "plan_for", lambda _profile, _rows: small)
    rows, withheld = two_tastes
    train = pl.DataFrame({"user_id": [row[0] for row in rows], "item_id": [row[1] for row in rows]})
    train.write_parquet(tmp_path / "train.parquet")
    truth = [*withheld.items(), ("stranger", "i00")]
    pl.DataFrame(truth, schema=["user_id", "item_id"], orient="row").write_parquet(tmp_path / "test.parquet")

    def run(**options):
        asked = {"valid": None, "k": 3, "sources": None, "profile": "fast", "seed": 7, "threads": 1, **options}
        return run_benchmark(tmp_path / "train.parquet", tmp_path / "test.parquet", progress=lambda _: None, **asked)

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


def test_on_few_rows_the_fast_profile_searches_as_long_as_the_best():
    assert plan_for("fast", 1_000_000) == PROFILES["fast"]
    assert plan_for("fast", 1_000) == replace(PROFILES["best"], sources=PROFILES["fast"].sources, sweeps=2)
    assert plan_for("best", 1_000) == replace(PROFILES["best"], sweeps=2)


def test_profiles_name_what_is_registered():
    registered = {source.name: source.config for source in SOURCES}
    for plan in PROFILES.values():
        assert set(plan.space) <= set(plan.sources) <= set(registered)
        for name, axes in plan.space.items():
            for field, values in axes.items():
                for value in values:
                    type(registered[name]).model_validate({**registered[name].model_dump(), field: value})
