"""Candidates keep their promises whatever the chunks, the threads and the company."""

from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from recs_platform.contracts.errors import ContractError
from recs_platform.stages.retrieval.candidates import (
    candidates_contract,
    generate_candidates,
    item_neighbours,
    source_features,
)
from recs_platform.stages.retrieval.config import RetrievalConfig
from recs_platform.stages.retrieval.fit import RetrievalFit, fit_retrieval
from recs_platform.stages.retrieval.sources import SOURCES

CONFIG = RetrievalConfig(candidates_per_source=4, sources={"als": {"factors": 6, "iterations": 4}})
POLARS = {"VARCHAR": pl.String, "INTEGER": pl.Int32, "FLOAT": pl.Float32, "VARCHAR[]": pl.List(pl.String)}
ROWS = [("u", "a", 3, 1.0), ("u", "b", 2, 1.0), ("v", "a", 3, 0.5), ("v", "c", 1, 0.0), ("w", "b", 9, 1.0)]


def candidates(problem, *, threads=1, **arguments):
    return pl.concat(generate_candidates(fit_retrieval(problem, CONFIG, seed=7, threads=threads), **arguments))


def test_frames_have_the_columns_and_types_of_the_contract(problem_of):
    contract = {column.name: POLARS[column.dtype] for column in candidates_contract().columns[1:]}
    for rows in (ROWS, []):
        frame = candidates(problem_of(rows))
        assert dict(frame.schema) == contract
        assert list(frame.columns) == list(contract)


def test_features_are_what_candidates_bring(problem_of):
    frame = candidates(problem_of(ROWS))
    names = [feature.name for feature in source_features()]
    assert names == [name for name in frame.columns if name not in ("user_id", "item_id", "sources")]


def test_chunks_and_threads_do_not_change_a_value(problem_of, two_tastes):
    problem = problem_of(two_tastes[0], users="z")
    whole = candidates(problem)
    assert whole.get_column("user_id").n_unique() == 41
    assert_frame_equal(candidates(problem, threads=2), whole, check_exact=True)
    for block_users in (1, 7):
        assert_frame_equal(candidates(problem, block_users=block_users), whole, check_exact=True)


def test_a_user_is_served_alike_alone_and_among_others(problem_of, two_tastes):
    problem = problem_of(two_tastes[0])
    some = ["u07", "u01", "u07"]
    expected = candidates(problem).filter(pl.col("user_id").is_in(some))
    assert_frame_equal(candidates(problem, targets=some), expected, check_exact=True)


def test_row_order_does_not_change_a_value(problem_of, two_tastes):
    rows, _ = two_tastes
    assert_frame_equal(candidates(problem_of(rows[::-1])), candidates(problem_of(rows)), check_exact=True)


def test_everybodys_withheld_item_is_found_by_several_sources(problem_of, two_tastes):
    rows, withheld = two_tastes
    found = candidates(problem_of(rows)).filter(pl.col("item_knn_rank") == 1)
    assert dict(found.select("user_id", "item_id").iter_rows()) == withheld
    assert found["source_count"].min() >= 2
    assert (found["item_knn_score_share"] == 1).all()


def test_unknown_targets_are_named(problem_of):
    with pytest.raises(ContractError, match=r"1 users .* 3 known: \['nobody'\]"):
        candidates(problem_of(ROWS), targets=["u", "nobody"])


def test_embeddings_of_other_users_are_refused(problem_of):
    fit = fit_retrieval(problem_of(ROWS), CONFIG, seed=7, threads=1)
    with pytest.raises(ContractError, match="embeddings hold 3 values of user_id, the interactions 4"):
        RetrievalFit(problem_of(ROWS, users="x"), fit.spaces, CONFIG)


def test_vectors_that_were_not_fitted_are_named(problem_of):
    fit = RetrievalFit(problem_of(ROWS), {}, CONFIG)
    with pytest.raises(ContractError, match=r"no vectors of als; there are those of \[\]"):
        fit.space("als")


def test_a_source_that_is_off_leaves_its_columns_empty(problem_of, two_tastes):
    config = CONFIG.with_sources({"item_knn": {"enabled": False}})
    problem = problem_of(two_tastes[0])
    frame = pl.concat(generate_candidates(fit_retrieval(problem, config, seed=7, threads=1)))
    assert frame["item_knn_rank"].null_count() == frame.height > 0
    assert frame.schema == candidates(problem).schema
    assert not frame["sources"].list.contains("item_knn").any()


def test_the_merge_keeps_as_many_as_asked_and_each_quota(problem_of, two_tastes):
    config = RetrievalConfig.model_validate({**CONFIG.model_dump(), "candidates": 3, "quotas": {"popularity": 2}})
    frame = pl.concat(generate_candidates(fit_retrieval(problem_of(two_tastes[0]), config, seed=7, threads=1)))
    per_user = frame.group_by("user_id").agg(pl.len(), (pl.col("popularity_rank") <= 2).sum().alias("promised"))
    assert set(per_user["len"]) == {3}
    assert set(per_user["promised"]) == {2}


def test_a_segments_plan_is_for_its_users_only(problem_of, two_tastes):
    problem = problem_of(two_tastes[0])
    segments = ["night" if position % 2 else "day" for position in range(problem.n_users)]
    problem = replace(problem, profiles=problem.profiles.with_columns(segment_id=pl.Series(segments)))
    plan = {"off": ["als"], "quotas": {"popularity": 1}}
    config = RetrievalConfig.model_validate({**CONFIG.model_dump(), "candidates": 1, "segments": {"night": plan}})
    frame = pl.concat(generate_candidates(fit_retrieval(problem, config, seed=7, threads=1)))
    frame = frame.with_columns(segment=pl.Series(segments))  # one candidate a user, in the order of the users
    assert frame.filter(segment="night")["popularity_rank"].to_list() == [1] * 20
    assert frame.filter(segment="night")["als_rank"].null_count() == 20
    assert frame.filter(segment="day")["als_rank"].null_count() < 20


def test_neighbours_are_ranked_by_similarity(problem_of):
    rows = [(user, item, 1, 1.0) for user, items in (("u", "ab"), ("v", "ab"), ("w", "ac")) for item in items]
    found = item_neighbours(fit_retrieval(problem_of(rows, gone="b"), CONFIG, seed=7, threads=1), n=1)
    assert found.select("item_id", "neighbour_id", "rank").rows() == [("a", "b", 1), ("b", "a", 1), ("c", "a", 1)]
    assert found.schema == {
        "item_id": pl.String,
        "neighbour_id": pl.String,
        "score": pl.Float32,
        "rank": pl.Int32,
    }


def test_no_items_have_no_neighbours(problem_of):
    assert item_neighbours(fit_retrieval(problem_of([]), CONFIG, seed=7, threads=1)).is_empty()


def test_a_config_reaches_its_source_and_unknown_names_are_refused():
    config = RetrievalConfig(sources={"trending": {"half_life_days": 1.0}})
    enabled = [source.name for source in SOURCES if source.config.enabled]
    assert [source.name for source in config.configured_sources()] == enabled
    assert config.sources["trending"].half_life_days == 1.0
    assert RetrievalConfig.model_validate(config.model_dump()) == config
    with pytest.raises(ValidationError, match="unknown sources"):
        RetrievalConfig(sources={"oracle": {}})
    with pytest.raises(ValidationError, match="unknown sources"):
        RetrievalConfig(segments={"new": {"off": ["oracle"]}})
    with pytest.raises(ValidationError, match="half_life"):
        RetrievalConfig(sources={"trending": {"half_life": 1.0}})
