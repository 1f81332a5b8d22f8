"""Declared tests find exactly the rows that break them."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from recs_platform.contracts.errors import ModelError
from recs_platform.contracts.tables import EVENTS
from recs_platform.lake.tables import Lake
from recs_platform.warehouse.models import load_models
from recs_platform.warehouse.runner import ModelRun
from recs_platform.warehouse.sql_tests import run_test, run_tests, singular_tests
from recs_platform.warehouse.unit_tests import run_unit_test

YML = """
name: users
description: One row a user
grain: [user_id]
columns:
  - {name: user_id, data_type: varchar, description: The user, data_tests: [not_null, unique]}
  - name: value
    data_type: double
    description: A value
    data_tests:
      - range: {min: 0, max: 1}
      - accepted_values: [0.5, 1]
  - name: friend_id
    data_type: varchar
    description: Another user
    data_tests:
      - relationships: {to: features.users, field: user_id}
data_tests:
  - expression: value <= 1
  - expression: user_id <> friend_id
  - relationships: {column: friend_id, to: features.users, field: user_id}
"""


@pytest.fixture
def start(
    folder: Path, con: duckdb.DuckDBPyConnection, lake: Lake, instant: Callable[..., datetime]
) -> Callable[[str], ModelRun]:
    def load(yml: str) -> ModelRun:
        (folder / "features").mkdir(exist_ok=True)
        (folder / "features" / "users.sql").write_text(
            "select user_id, value, session_id as friend_id, from raw.events\n"
        )
        (folder / "features" / "users.yml").write_text(yml)
        models = load_models(folder, (EVENTS,))
        return ModelRun(con, lake, models, (), as_of=instant(6), known_at=instant(6), scratch=True)

    return load


def users(*rows: tuple[str | None, float | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, {"user_id": pl.String, "value": pl.Float64, "friend_id": pl.String}, orient="row")


def failures(run: ModelRun, folder: Path, rows: pl.DataFrame) -> dict[str, int]:
    run.register("features.users", rows)
    model = load_models(folder, (EVENTS,)).get("features.users")
    return {result.name: result.failures for result in run_tests(run, model) if result.failures}


def test_good_rows_fail_nothing(start: Callable[[str], ModelRun], folder: Path) -> None:
    assert failures(start(YML), folder, users(("a", 0.5, "b"), ("b", 1.0, None), ("c", None, "a"))) == {}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", 0.5, None), ("a", 1.0, None)], {"users.unique": 1, "users.user_id.unique": 1}),
        ([(None, 0.5, None), (None, 1.0, None)], {"users.unique": 1, "users.user_id.not_null": 2}),
        ([("a", -0.5, None)], {"users.value.range": 1, "users.value.accepted_values": 1}),
        ([("a", 2.0, None)], {"users.value.range": 1, "users.value.accepted_values": 1, "users.expression": 1}),
        (
            [("a", float("nan"), None)],
            {"users.value.range": 1, "users.value.accepted_values": 1, "users.expression": 1},
        ),
        ([("a", 1.0, "z")], {"users.friend_id.relationships": 1, "users.relationships": 1}),
        ([("a", 1.0, "a")], {"users.expression_2": 1}),
    ],
)
def test_each_kind_of_test_finds_its_rows(
    start: Callable[[str], ModelRun],
    folder: Path,
    rows: list[tuple[str | None, float | None, str | None]],
    expected: dict[str, int],
) -> None:
    assert failures(start(YML), folder, users(*rows)) == expected


def test_a_failure_shows_five_rows(start: Callable[[str], ModelRun], folder: Path) -> None:
    run = start(YML)
    run.register("features.users", users(*((f"u{n}", 2.0, None) for n in range(9))))
    model = load_models(folder, (EVENTS,)).get("features.users")
    found = {result.name: result for result in run_tests(run, model)}["users.value.range"]
    assert found.failures == 9
    assert [row["value"] for row in found.sample] == [2.0] * 5


@pytest.mark.parametrize(
    ("table_test", "reason"),
    [
        ("unique: {columns: [nobody]}", "nobody"),
        ("relationships: {column: nobody, to: features.users, field: user_id}", "nobody"),
        ("relationships: {column: value, to: features.nothing, field: user_id}", r"no table features\.nothing"),
        ("relationships: {column: value, to: raw.events, field: nobody}", r"raw\.events has no column 'nobody'"),
        ("expression: value < nobody", r"\['nobody'\]"),
        ("expression: value <", "not DuckDB SQL"),
        ("range: {min: 0}", "belongs to a column"),
        ("relationships: {to: features.users, field: user_id}", "belongs to a column"),
    ],
)
def test_a_test_names_tables_and_columns_that_there_are(
    start: Callable[[str], ModelRun], table_test: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=rf"users\.yml: data test .*{reason}"):
        start(f"{YML}  - {table_test}\n")


def test_singular_tests_are_queries_for_failing_rows(start: Callable[[str], ModelRun], tmp_path: Path) -> None:
    (tmp_path / "assert_small.sql").write_text(
        "-- Values are small.\n-- Always.\nselect user_id, value, from features.users where value > 0.7\n"
    )
    (small,) = singular_tests(tmp_path)
    run = start(YML)
    run.register("features.users", users(("a", 0.5, None), ("b", 1.0, None)))
    assert small.description == "Values are small. Always."
    assert run_test(run, small).sample == ({"user_id": "b", "value": 1.0},)
    (tmp_path / "assert_bad.sql").write_text("select now() as t\n")
    with pytest.raises(ModelError, match=r"assert_bad\.sql"):
        singular_tests(tmp_path)


UNIT_TESTS = """
unit_tests:
  - name: counts
    as_of: 2020-01-05
    known_at: 2020-01-09
    given:
      raw.events:
        - {event_id: a, user_id: u1, occurred_at: 2020-01-01, ingested_at: 2020-01-02, value: 0.1}
        - {event_id: b, user_id: u1, occurred_at: "2020-01-04T23:59:59", ingested_at: 2020-01-02, value: 0.2}
        - {event_id: c, user_id: u2, occurred_at: 2020-01-05, ingested_at: 2020-01-02}
    expect:
      - {user_id: u1, event_count: 2, value_sum: 0.30000000000000004, event_ids: [a, b], as_of: 2020-01-05}
  - name: wrong
    as_of: 2020-01-05
    given:
      staging.stg_events:
        - {event_id: a, user_id: u1}
        - {event_id: b, user_id: u2}
    expect:
      - {user_id: u1, event_count: 2}
      - {user_id: u2}
"""


@pytest.mark.usefixtures("activity")
def test_given_rows_give_the_expected_ones(folder: Path, con: duckdb.DuckDBPyConnection) -> None:
    path = folder / "features" / "activity.yml"
    path.write_text(path.read_text() + UNIT_TESTS)
    models = load_models(folder, (EVENTS,))
    right, wrong = (
        run_unit_test(con, models, models.get("features.activity"), test)
        for test in models.get("features.activity").unit_tests
    )
    assert right.passed, right
    assert wrong.missing == ({"user_id": "u1", "event_count": 2},)
    assert wrong.unexpected == ({"user_id": "u1", "event_count": 1},)


@pytest.mark.usefixtures("activity")
@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("{name: x, as_of: 2020-01-01, given: {raw.events: [{colour: red}]}, expect: []}", "colour"),
        ("{name: x, as_of: 2020-01-01, given: {}, expect: [{colour: red}]}", "colour"),
        ("{name: x, given: {}, expect: []}", "as_of"),
    ],
)
def test_a_unit_test_that_cannot_be_read_is_refused(
    folder: Path, con: duckdb.DuckDBPyConnection, test: str, reason: str
) -> None:
    path = folder / "features" / "activity.yml"
    path.write_text(f"{path.read_text()}unit_tests: [{test}]\n")
    models = load_models(folder, (EVENTS,))
    model = models.get("features.activity")
    with pytest.raises(ModelError, match=reason):
        run_unit_test(con, models, model, model.unit_tests[0])
