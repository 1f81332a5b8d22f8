"""The future does not change the past: what happened or was learned later leaves every as-of table as it was."""

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recs_platform.contracts import columns as c
from recs_platform.warehouse.models import Models

TABLES = ("features", "segments", "marts")


def tables(models: Models) -> list[str]:
    return [model.name for schema in TABLES for model in models.of(schema)]


@pytest.fixture(scope="module")
def expected(run_of, log, models) -> dict[str, pl.DataFrame]:
    run = run_of(log)
    return {name: run.frame(name, ordered=True) for name in tables(models)}


def test_events_on_or_after_the_as_of_change_nothing(run_of, log, models, expected):
    as_of = run_of({}).as_of
    before = log["raw.events"].filter(pl.col(c.OCCURRED_AT) < as_of)
    assert 0 < before.height < log["raw.events"].height, "the log must hold later events"
    at_the_instant = before.head(50).with_columns(
        pl.lit(as_of).alias(c.OCCURRED_AT),
        pl.lit(as_of.date()).alias(c.EVENT_DATE),
        pl.format("now_{}", c.EVENT_ID).alias(c.EVENT_ID),
        pl.format("stranger_{}", c.USER_ID).alias(c.USER_ID),
    )
    run = run_of({**log, "raw.events": before})
    more = run_of({**log, "raw.events": pl.concat([log["raw.events"], at_the_instant])})
    for name in tables(models):
        assert_frame_equal(run.frame(name, ordered=True), expected[name])
        assert_frame_equal(more.frame(name, ordered=True), expected[name])


def test_what_was_learned_after_known_at_changes_nothing(run_of, log, models, expected):
    known_at = run_of({}).known_at
    late = log["raw.events"].with_columns(
        pl.lit(known_at + timedelta(microseconds=1)).alias(c.INGESTED_AT),
        pl.format("late_{}", c.EVENT_ID).alias(c.EVENT_ID),
    )
    versions = log["raw.item_history"].with_columns(
        pl.lit("rewritten").alias(c.CATEGORY), pl.lit(known_at + timedelta(microseconds=1)).alias(c.VALID_FROM)
    )
    run = run_of(
        {
            **log,
            "raw.events": pl.concat([log["raw.events"], late]),
            "raw.item_history": pl.concat([log["raw.item_history"], versions]),
        }
    )
    for name in tables(models):
        assert_frame_equal(run.frame(name, ordered=True), expected[name])


def test_the_order_of_events_in_their_files_changes_nothing(run_of, log, models, expected):
    run = run_of({**log, "raw.events": log["raw.events"].sample(fraction=1, shuffle=True, seed=7)})
    for name in tables(models):
        assert_frame_equal(run.frame(name, ordered=True), expected[name], check_exact=True)


def test_every_known_user_and_candidate_has_a_row(expected, log):
    assert expected["features.user_features"].height == 40
    assert expected["features.candidate_features"].height == log["retrieval.candidates"].height
