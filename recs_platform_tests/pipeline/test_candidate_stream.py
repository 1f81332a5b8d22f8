"""Candidates that pass in blocks: features are those of the SQL, the best are stored, all are counted."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import CANDIDATES, CHAMPION, CONTENDERS, OFFER_COUNTS, RANKED
from recs_platform.lake.column_types import arrow_schema
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.candidates.candidate_features import CandidateFeatures
from recs_platform.pipeline.candidates.pair_features import PairFeatures
from recs_platform.pipeline.lists import candidate_stream, list_inputs, scoring
from recs_platform.pipeline.lists.candidate_stream import CandidateStream
from recs_platform.pipeline.lists.context import RANKED_PER_USER
from recs_platform.pipeline.lists.scoring import champion_version
from recs_platform.pipeline.partition_writer import write_together
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import run_config
from recs_platform.pipeline.retrieval.item_index import open_fit
from recs_platform.pipeline.training.compiled import open_scorer
from recs_platform.pipeline.training.trials import (
    chosen_by_group,
    competing,
    consumed_counts,
    offers_of,
    served_scores,
)
from recs_platform.stages import ranking, retrieval
from recs_platform.stages.features import feature_tables, pair_models, ranking_rows_sql
from recs_platform_tests.homes import Built, copy_home, platform_at
from recs_platform_tests.unit.warehouse.conftest import yml

PAIR = [c.USER_ID, c.ITEM_ID]


@pytest.fixture(scope="module")
def run(built: Built) -> Iterator[AsOfRun]:
    run = AsOfRun(built.platform, built.as_of, built.known_at)
    yield run
    run.close()


@pytest.fixture(scope="module")
def fit(run: AsOfRun) -> retrieval.RetrievalFit:
    return open_fit(run)


@pytest.fixture(scope="module")
def candidates(fit: retrieval.RetrievalFit) -> pl.DataFrame:
    return pl.concat(retrieval.generate_candidates(fit))


def test_the_features_of_a_block_are_those_that_sql_joins(
    run: AsOfRun, fit: retrieval.RetrievalFit, candidates: pl.DataFrame
) -> None:
    platform = run.platform
    names = list(platform.feature_set.names)
    with run.models() as models:
        at = pl.lit(run.as_of).dt.cast_time_unit("us").alias(c.AS_OF)
        models.register(CANDIDATES.name, candidates.with_columns(at))
        for model in pair_models(platform.models):
            for upstream in model.upstreams:
                models.require(upstream)
            models.register(model.name, models.query(models.bound(model.name)))
        for table in feature_tables(platform.feature_set):
            models.require(table)
        joined = models.query(ranking_rows_sql(platform.feature_set, platform.models)).sort(PAIR)
    with run.models() as models:
        features = CandidateFeatures.open(models, platform.models, platform.feature_set, fit)
        rows = pl.concat(features.rows(block) for block in features.blocks()).sort(PAIR)
    assert rows.height == candidates.height > 0
    assert rows.select(*PAIR, *names).equals(joined.select(*PAIR, *names))


def test_asked_for_some_users_the_rows_are_the_same(run: AsOfRun, fit: retrieval.RetrievalFit) -> None:
    some, platform = fit.problem.user_ids[3:9].tolist(), run.platform
    found: list[pl.DataFrame] = []
    for targets in (None, some):
        with run.models() as models:
            features = CandidateFeatures.open(models, platform.models, platform.feature_set, fit, targets)
            rows = pl.concat(features.rows(block) for block in features.blocks())
            found.append(rows.filter(pl.col(c.USER_ID).is_in(some)))
    assert found[0].height > 0
    assert_frame_equal(found[0], found[1], check_exact=True)


def test_rows_of_a_block_stay_what_they_were_when_the_next_one_is_written_over_it(
    run: AsOfRun, fit: retrieval.RetrievalFit
) -> None:
    """Polars takes a matrix of one row as it lies in memory."""
    users = fit.problem.user_ids[:2].tolist()
    with run.models() as models:
        features = CandidateFeatures.open(models, run.platform.models, run.platform.feature_set, fit, users)
        (block,) = features.blocks()
        one = replace(block, merged=block.merged.take(np.array([0])), matrix=block.matrix[:1])
        rows, before = features.rows(one), one.matrix.copy()
        block.matrix[:] = 7
    np.testing.assert_array_equal(rows.select(run.platform.feature_set.names).to_numpy(), before)


def test_each_user_s_best_are_stored_and_nothing_else(
    built: Built, run: AsOfRun, fit: retrieval.RetrievalFit, candidates: pl.DataFrame
) -> None:
    platform = built.platform
    with run.models() as models:
        version = champion_version(models)
        ranker = open_scorer(platform, version)
        features = CandidateFeatures.open(models, platform.models, platform.feature_set, fit)
        rows = pl.concat(features.rows(block) for block in features.blocks()).sort(c.USER_ID, maintain_order=True)
        chosen = chosen_by_group(models.frame(CONTENDERS.name), competing(run))
    sources = [source.name for source in run_config(run).configured_sources()]
    offers = offers_of(rows, ranker, sources, threads=1)
    scores = served_scores(chosen, offers, consumed_counts(rows[c.USER_ID], run.consumed))
    scored = rows.with_columns(pl.Series(c.SCORE, scores))
    order = [c.USER_ID, c.SCORE, c.FUSED_SCORE, c.ITEM_ID]
    best = scored.sort(order, descending=[False, True, True, False]).group_by(c.USER_ID, maintain_order=True)
    with run.models() as models:
        ranked = models.frame(RANKED.name).sort(c.USER_ID, c.RANK)
        stored = models.frame(CANDIDATES.name)
        counts = {model.name: models.count(model.name) for model in pair_models(platform.models)}
    expected = best.head(RANKED_PER_USER)
    assert ranked.select(PAIR).equals(expected.select(PAIR))
    assert ranked[c.SCORE].to_list() == expected[c.SCORE].to_list()
    kept = candidates.join(ranked, on=PAIR, how="semi").sort(PAIR)
    assert stored.sort(PAIR).select(kept.columns).equals(kept)
    assert set(counts.values()) == {stored.height}
    assert ranked[c.RANKER_VERSION].unique().to_list() == [version]


def test_all_candidates_are_counted_by_their_sources(run: AsOfRun, candidates: pl.DataFrame) -> None:
    with run.models() as models:
        counts = models.frame(OFFER_COUNTS.name)
    rows = counts.filter(offered_unit="row")
    expected = candidates.group_by(c.SOURCES).len(c.OFFER_COUNT)
    named = pl.col(c.SOURCES).list.join(" ")
    assert dict(rows.select(named, c.OFFER_COUNT).rows()) == dict(expected.select(named, c.OFFER_COUNT).rows())
    for unit, key in (("user", c.USER_ID), ("item", c.ITEM_ID)):
        sources = candidates.explode(c.SOURCES, empty_as_null=False).group_by(key).agg(pl.col(c.SOURCES).unique())
        sets = sources.select(pl.col(c.SOURCES).list.sort().list.join(" ")).to_series().value_counts()
        found = counts.filter(offered_unit=unit).select(pl.col(c.SOURCES).list.sort().list.join(" "), c.OFFER_COUNT)
        assert dict(found.rows()) == dict(sets.rows())


def test_a_stream_of_nobody_has_tables_without_rows(run: AsOfRun, fit: retrieval.RetrievalFit) -> None:
    with run.models() as models:
        features = CandidateFeatures.open(models, run.platform.models, run.platform.feature_set, fit, [])
        ranker = open_scorer(run.platform, champion_version(models))
        served = {group: ranking.Contender("ranker", model_share=1.0) for group, _ in ranking.HISTORY_GROUPS}
        stream = CandidateStream(features, ranker, "v", served, np.zeros(len(fit.problem.user_ids), dtype=np.int64))
        (block,) = stream.blocks()
        rows = stream.rows(block)
    assert {name: frame.height for name, frame in rows.items()} == dict.fromkeys(rows, 0)


def test_more_may_be_ranked_than_lists_are_made_from(
    run: AsOfRun, fit: retrieval.RetrievalFit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate_stream, "RANKED_PER_USER", 5)
    users = fit.problem.user_ids[:3].tolist()
    served = {group: ranking.Contender("ranker", model_share=1.0) for group, _ in ranking.HISTORY_GROUPS}
    with run.models() as models:
        features = CandidateFeatures.open(models, run.platform.models, run.platform.feature_set, fit, users)
        ranker = open_scorer(run.platform, champion_version(models))
        consumed = np.zeros(len(fit.problem.user_ids), dtype=np.int64)
        found = list[dict[str, pl.DataFrame]]()
        for count in (5, 12):
            stream = CandidateStream(features, ranker, "v", served, consumed, count)
            (block,) = stream.blocks()
            found.append(stream.rows(block))
    few, more = found
    assert few[RANKED.name].height == 3 * 5
    assert more[RANKED.name].height == 3 * 12
    assert_frame_equal(more[RANKED.name].filter(pl.col(c.RANK) <= 5), few[RANKED.name])
    for name in few.keys() - {RANKED.name}:
        assert_frame_equal(more[name], few[name])


def pool_threads() -> set[threading.Thread]:
    """Others may begin at any time: a library's monitor, when it is first used."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")}


def test_where_rows_cannot_be_written_nobody_works_on_those_to_come(
    run: AsOfRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any) -> None:
        next(given[2])
        raise OSError("no space left")

    monkeypatch.setattr(scoring, "write_together", fail)
    monkeypatch.setattr(retrieval.merged_blocks, "__kwdefaults__", {"targets": None, "block_users": 5})
    before = pool_threads()
    with pytest.raises(OSError, match="no space left") as failed:
        scoring.score_as_of(run)
    assert pool_threads() <= before, failed


def test_lists_are_made_from_the_best_of_what_is_ranked(run: AsOfRun, monkeypatch: pytest.MonkeyPatch) -> None:
    known = list_inputs.read_inputs(run)
    whole = list_inputs.ranked_of(run, known, known.users[c.USER_ID])
    monkeypatch.setattr(list_inputs, "RANKED_PER_USER", 5)
    best = list_inputs.ranked_of(run, known, known.users[c.USER_ID])
    assert best.height < whole.height
    assert_frame_equal(best, whole.filter(pl.col(c.RANK) <= 5), check_row_order=False)


OWN = {
    "doubled": "select $as_of as as_of, user_id, item_id, fused_score * 2 as x,\nfrom retrieval.candidates\n"
    "where als_rank is not null",
    "offers": "select $as_of as as_of, user_id, cast(count(*) as double) as x,\nfrom retrieval.candidates\n"
    "group by user_id",
    "by_item": "select $as_of as as_of, item_id, cast(count(*) as double) as x,\nfrom retrieval.candidates\n"
    "group by item_id",
}
GRAINS = {"doubled": "user_id, item_id", "offers": "user_id", "by_item": "item_id"}


@pytest.fixture
def with_own(built: Built, tmp_path: Path) -> Platform:
    """A home with models of its own that read candidates: of pairs, of users, and, which cannot be, of items."""
    platform = copy_home(built.platform, tmp_path / "own", data_tests=True)
    folder = platform.home.models / "features"
    folder.mkdir(parents=True)
    for name, sql in OWN.items():
        keys = dict.fromkeys(GRAINS[name].split(", "), "varchar")
        (folder / f"{name}.sql").write_text(sql + "\n")
        (folder / f"{name}.yml").write_text(
            yml(name, {c.AS_OF: "timestamptz", **keys, "x": "double"}, grain=GRAINS[name])
        )
    return platform


def test_models_of_ones_own_pass_with_the_candidates(with_own: Platform, built: Built) -> None:
    """What has no row of a candidate is NULL; what is of a user stands beside each of the user's candidates."""
    assert "block of users" in with_own.models.broken["features.by_item"]
    run = AsOfRun(with_own, built.as_of, built.known_at)
    fit = open_fit(run)
    (block,) = retrieval.merged_blocks(fit, targets=fit.problem.user_ids[:3].tolist())
    with run.models() as models:
        found = PairFeatures(models, with_own.models, fit.problem).of(block)
    run.close()
    rows = {name: each.take(np.arange(len(block.users))) for name, each in found.items()}
    als = block.ranks[block.names.index("als")].tolist()
    assert rows["features.doubled"]["x"].to_list() == [
        None if rank == 0 else 2 * fused for rank, fused in zip(als, block.fused.tolist(), strict=True)
    ]
    assert rows["features.offers"]["x"].to_list() == np.bincount(block.users)[block.users].tolist()


def test_a_model_whose_rows_repeat_is_named(with_own: Platform, built: Built) -> None:
    twice = OWN["doubled"].replace("where als_rank is not null", "cross join (values (1), (2)) as twice(number)")
    (with_own.home.models / "features" / "doubled.sql").write_text(twice + "\n")
    run = AsOfRun(platform_at(with_own.home.root, data_tests=True), built.as_of, built.known_at)
    fit = open_fit(run)
    (block,) = retrieval.merged_blocks(fit, targets=fit.problem.user_ids[:3].tolist())
    with run.models() as models, pytest.raises(ContractError, match=r"doubled\.sql.* repeat their grain"):
        PairFeatures(models, run.platform.models, fit.problem).of(block)
    run.close()


SCHEMAS = {contract.name: arrow_schema(contract.columns) for contract in (CHAMPION, OFFER_COUNTS)}
AT = datetime.fromisoformat("2024-01-01T00:00:00+00:00")


def parts(n: int) -> Iterator[dict[str, pl.DataFrame]]:
    champion = pl.DataFrame(
        {c.RANKER_VERSION: "v", c.LABELS_END_AT: AT, c.TRAINED_AS_OF: AT, c.CONSIDERED_COUNT: 1, c.REASON: "r"}
    )
    offers = pl.DataFrame({c.OFFERED_UNIT: "row", c.SOURCES: [["als"]], c.OFFER_COUNT: 1})
    for number in range(n):
        yield {
            CHAMPION.name: champion.with_columns(pl.lit(str(number)).alias(c.RANKER_VERSION)),
            OFFER_COUNTS.name: offers.with_columns(pl.lit(number).alias(c.OFFER_COUNT)),
        }


@pytest.fixture
def empty(tmp_path) -> Platform:
    return platform_at(tmp_path / "home")


def test_tables_are_written_together(empty: Platform) -> None:
    written = write_together(empty, SCHEMAS, parts(20), AT)
    assert {name: each.rows for name, each in written.items()} == dict.fromkeys(SCHEMAS, 20)
    with empty.model_run(AT, AT) as models:
        assert sorted(models.frame(OFFER_COUNTS.name)[c.OFFER_COUNT].to_list()) == list(range(20))


def test_an_error_on_the_way_replaces_no_table(empty: Platform) -> None:
    write_together(empty, SCHEMAS, parts(3), AT)
    before = {name: empty.lake.version(name) for name in SCHEMAS}

    def broken() -> Iterator[dict[str, pl.DataFrame]]:
        yield from parts(9)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_together(empty, SCHEMAS, broken(), AT)
    assert {name: empty.lake.version(name) for name in SCHEMAS} == before


def test_a_table_with_an_error_is_not_written(empty: Platform) -> None:
    def wrong() -> Iterator[dict[str, pl.DataFrame]]:
        for part in parts(50):
            yield {**part, CHAMPION.name: part[CHAMPION.name].drop(c.REASON)}

    with pytest.raises((ContractError, pl.exceptions.ColumnNotFoundError)):
        write_together(empty, SCHEMAS, wrong(), AT)
    assert not empty.lake.exists(CHAMPION.name)


def test_what_a_killed_process_laid_aside_is_removed(empty: Platform) -> None:
    left = empty.home.temporary / "parts-999999-of-a-dead-process"
    left.mkdir(parents=True)
    write_together(empty, SCHEMAS, parts(1), AT)
    assert not left.exists()


def test_more_tables_than_cores_wait_for_one_another(empty: Platform) -> None:
    """Many parts of several tables: none holds a thread of the lake's writer while it waits for the others."""
    names = [f"recommendations.copy_{number}" for number in range(5)]
    schema, copies = SCHEMAS[CHAMPION.name], (part[CHAMPION.name] for part in parts(40))
    written = write_together(empty, dict.fromkeys(names, schema), (dict.fromkeys(names, frame) for frame in copies), AT)
    assert {each.rows for each in written.values()} == {40}
    assert not list(empty.home.temporary.glob("parts-*"))


def test_no_candidate_is_lost_between_codes_and_rows(fit: retrieval.RetrievalFit, candidates: pl.DataFrame) -> None:
    blocks = list(retrieval.merged_blocks(fit, block_users=7))
    pairs = np.concatenate([block.users.astype(np.int64) * fit.problem.n_items + block.items for block in blocks])
    assert len(np.unique(pairs)) == len(pairs) == candidates.height
