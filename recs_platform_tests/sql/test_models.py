"""What every SQL model promises: its given/expect rows, its data tests on a random log, names that do not collide."""

from collections import Counter
from datetime import UTC, datetime
from math import inf
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EVENTS, ITEM_HISTORY, ITEMS, TableContract
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.models import Models
from recs_platform.warehouse.runner import ModelRun
from recs_platform.warehouse.sql_tests import run_test, run_tests, singular_tests
from recs_platform.warehouse.unit_tests import run_unit_test

OURS = ("staging", "flags", "features", "segments", "marts")
NUMBERS = {"DOUBLE", "FLOAT", "INTEGER", "BIGINT"}


def test_every_given_row_gives_the_expected_rows(models: Models):
    con = connect(memory_limit_gb=1, threads=1)
    cases = [(model, unit_test) for model in models for unit_test in model.unit_tests]
    failed = {
        f"{model.name}.{unit_test.name}": result
        for model, unit_test in cases
        if not (result := run_unit_test(con, models, model, unit_test)).passed
    }
    assert not failed
    assert {model.name for model, _ in cases} == {model.name for model in models}, "every model has a unit test"


@pytest.fixture(scope="module")
def run(run_of, log) -> ModelRun:
    return run_of(log)


def test_no_join_compares_every_row_with_every_row(run: ModelRun, models: Models):
    """A left join with a condition on its left side alone is such a plan: minutes for 300,000 users."""
    allowed = {"staging.stg_region_exclusions"}  # every region and every restricted item are its very question
    planned: set[str] = set()
    for model in models:
        run.require(model.name)
        plan = run.query(f"explain {run.bound(model.name)}")["explain_value"].item()
        planned |= {model.name} if "BLOCKWISE_NL_JOIN" in plan else set()
    assert planned <= allowed


def test_data_tests_hold_on_a_random_log(run: ModelRun, models: Models):
    results = [result for schema in OURS for model in models.of(schema) for result in run_tests(run, model)]
    assert len(results) > 200
    assert not [result for result in results if result.failures]


def _at_the_ends(table: pl.DataFrame, contract: TableContract, seed: int) -> pl.DataFrame:
    """Every number of the table at an end of its range, beside it or at nothing; instants at the ends of calendars."""
    rng = np.random.default_rng(seed)
    ends = {
        column.name: [column.within.highest, 0.0, 1e-9] + ([] if column.within.is_above else [column.within.lowest])
        for column in contract.columns
        if column.within is not None and column.name in table.columns
    }
    ends = {name: [end for end in found if name != c.POSITION or end >= 1] for name, found in ends.items()}
    instants = [name for name in (c.PUBLISHED_AT, c.AVAILABLE_FROM, c.AVAILABLE_UNTIL) if name in contract.column_names]
    calendar = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(2020, 2, 1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
        None,
    ]
    return table.with_columns(
        *(pl.Series(name, rng.choice(found, table.height)).cast(table.schema[name]) for name, found in ends.items()),
        *(
            pl.Series(
                name, [calendar[code] for code in rng.integers(0, 4, table.height)], dtype=pl.Datetime("us", "UTC")
            )
            for name in instants
        ),
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_what_ingestion_accepts_every_model_accepts(run_of, log, models: Models, seed: int):
    extreme = {
        "raw.events": _at_the_ends(log["raw.events"], EVENTS, seed),
        "raw.item_history": _at_the_ends(log["raw.item_history"], ITEM_HISTORY, seed),
    }
    run = run_of({**log, **extreme})
    results = [result for schema in OURS for model in models.of(schema) for result in run_tests(run, model)]
    assert not [result for result in results if result.failures]


def test_ranges_of_models_hold_the_ranges_of_the_contract(models: Models):
    """A column that is passed on under its own name may be tested for no narrower range than rows are refused for."""
    ranges = {column.name: column.within for column in (*EVENTS.columns, *ITEMS.columns) if column.within is not None}
    tested = [
        (model.name, column.name, test)
        for schema in OURS
        for model in models.of(schema)
        for column in model.columns
        if column.name in ranges
        for test in column.tests
        if test.kind == "accepted_range"
    ]
    assert tested
    for model, name, test in tested:
        assert test.arguments.get("min_value", -inf) <= ranges[name].lowest, (model, name)
        assert test.arguments.get("max_value", inf) >= ranges[name].highest, (model, name)


def test_singular_tests_hold_on_a_random_log_and_say_why_they_exist(run: ModelRun, sql_folder: Path):
    tests = singular_tests(sql_folder / "tests")
    assert all(test.description for test in tests)
    assert not [result for test in tests if (result := run_test(run, test)).failures]


def test_no_two_features_share_a_name_and_all_are_numbers_with_a_scope(models: Models):
    features = [(model, column) for model in models.of("features") for column in model.columns if column.feature]
    assert not [name for name, count in Counter(column.name for _, column in features).items() if count > 1]
    assert {column.dtype for _, column in features} <= NUMBERS
    scopes = {("user_id",): "user", ("item_id",): "item", ("user_id", "item_id"): "pair"}
    assert all(column.scope == scopes[model.grain] for model, column in features)


def test_every_column_says_what_it_is_and_every_number_its_unit(models: Models):
    columns = [column for schema in OURS for model in models.of(schema) for column in model.columns]
    unit_free = {"weight", "weight_7d", "position"}
    assert not [
        column.name
        for column in columns
        if column.dtype in NUMBERS and not column.unit and column.name not in unit_free
    ]
