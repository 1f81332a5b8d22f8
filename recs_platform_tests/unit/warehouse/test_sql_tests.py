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

AS_OF, NONE = "overrides: {vars: {as_of: 2020-01-01}}", "{rows: []}"
TWICE = "{input: ref('stg_events'), rows: []}"
YML = """
models:
  - name: users
    description: One row a user
    meta: {grain: [user_id]}
    columns:
      - {name: user_id, data_type: varchar, description: The user, data_tests: [not_null, unique]}
      - name: value
        data_type: double
        description: A value
        data_tests:
          - accepted_range: {min_value: 0, max_value: 1}
          - accepted_values: {values: [0.5, 1]}
      - name: friend_id
        data_type: varchar
        description: Another user
        data_tests:
          - relationships: {to: ref('users'), field: user_id}
    data_tests:
      - expression_is_true: {expression: value <= 1}
      - dbt_utils.expression_is_true: {arguments: {expression: user_id <> friend_id}}
      - relationships: {column_name: friend_id, to: ref('users'), field: user_id}
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
        ([("a", -0.5, None)], {"users.value.accepted_range": 1, "users.value.accepted_values": 1}),
        (
            [("a", 2.0, None)],
            {"users.value.accepted_range": 1, "users.value.accepted_values": 1, "users.expression_is_true": 1},
        ),
        (
            [("a", float("nan"), None)],
            {"users.value.accepted_range": 1, "users.value.accepted_values": 1, "users.expression_is_true": 1},
        ),
        ([("a", 1.0, "z")], {"users.friend_id.relationships": 1, "users.relationships": 1}),
        ([("a", 1.0, "a")], {"users.expression_is_true_2": 1}),
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
    found = {result.name: result for result in run_tests(run, model)}["users.value.accepted_range"]
    assert found.failures == 9
    assert [row["value"] for row in found.sample] == [2.0] * 5


@pytest.mark.parametrize(
    ("table_test", "reason"),
    [
        ("unique_combination_of_columns: {combination_of_columns: [nobody]}", "nobody"),
        ("relationships: {column_name: nobody, to: ref('users'), field: user_id}", "nobody"),
        ("relationships: {column_name: value, to: ref('user'), field: user_id}", "no model user; did you mean 'users'"),
        ("relationships: {column_name: value, to: ref('events'), field: user_id}", r"write source\('raw', 'events'\)"),
        (
            "relationships: {column_name: value, to: \"source('features', 'users')\", field: user_id}",
            r"write ref\('users",
        ),
        ("relationships: {column_name: value, to: features.users, field: user_id}", r"is no table; write ref\('"),
        ("relationships: {column_name: value, to: \"source('raw', 'events')\", field: nobody}", "no column 'nobody'"),
        ("expression_is_true: {expression: value < nobody}", r"\['nobody'\]"),
        ("expression_is_true: {expression: value <}", "not DuckDB SQL"),
        ("expression_is_true: {expression: value < 1, config: {where: nobody = 1}}", r"\['nobody'\]"),
        ("accepted_range: {min_value: 0}", "belongs to a column"),
        ("relationships: {to: ref('users'), field: user_id}", "belongs to a column"),
    ],
)
def test_a_test_names_tables_and_columns_that_there_are(
    start: Callable[[str], ModelRun], table_test: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=rf"users\.yml: data test .*{reason}"):
        start(f"{YML}      - {table_test}\n")


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


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("range: {min: 0}", r"'range' is written \{accepted_range: \{min_value"),
        ("expression: value < 1", r"'expression' is written \{expression_is_true: \{expression: …\}\} among"),
        ("unique: {columns: [value]}", r"'unique' takes \{unique_combination_of_columns: .* of 'columns' now"),
        (
            "relationships: {column: value, to: ref('users'), field: user_id}",
            "column_name in the place of 'column' now",
        ),
        ("accepted_values: [1]", r"is written \{accepted_values: \{values: …\}\}"),
        ("not_null: {config: {tags: x}}", r"config of data test 'not_null' takes \['severity', 'where'\]"),
    ],
)
def test_what_the_version_before_wrote_is_refused_with_what_to_write(
    start: Callable[[str], ModelRun], written: str, instead: str
) -> None:
    with pytest.raises(ModelError, match=rf"users\.yml:\d+: models\.0\.data_tests.*{instead}"):
        start(f"{YML}      - {written}\n")


@pytest.mark.parametrize(
    ("test", "failing"),
    [
        ("accepted_range: {min_value: 0.5}", 1),
        ("accepted_range: {min_value: 0.5, inclusive: false}", 3),
        ("accepted_range: {max_value: 0.5, inclusive: false}", 3),
        ("accepted_range: {max_value: 0.5, config: {where: friend_id is null}}", 0),
        ("not_null: {config: {where: friend_id is not null, severity: warn}}", 1),
        ("unique: {config: {where: user_id <> 'd'}}", 0),
        ("unique", 1),
        ("relationships: {to: ref('users'), field: user_id, config: {where: value < 0}}", 0),
    ],
)
def test_bounds_are_inside_unless_said_and_where_keeps_the_rows_that_are_tested(
    start: Callable[[str], ModelRun], folder: Path, test: str, failing: int
) -> None:
    column = "friend_id" if test.startswith("relationships") else "value"
    declared = (
        "models:\n  - name: users\n    description: Rows\n    meta: {grain: [user_id]}\n    columns:\n"
        + "".join(
            f"      - {{name: {name}, data_type: {dtype}, description: It"
            + (f", data_tests: [{test if ':' not in test else '{' + test + '}'}]" if name == column else "")
            + "}\n"
            for name, dtype in (("user_id", "varchar"), ("value", "double"), ("friend_id", "varchar"))
        )
    )
    rows = users(("a", 0.5, None), ("b", 1.0, "x"), ("c", None, "x"), ("d", 0.5, None), ("e", 0.25, None))
    run = start(declared)
    run.register("features.users", rows)
    model = load_models(folder, (EVENTS,)).get("features.users")
    (result,) = [result for result in run_tests(run, model) if result.name != "users.unique"]
    assert result.failures == failing
    assert result.severity == ("warn" if "warn" in test else "error")


UNIT_TESTS = """
unit_tests:
  - name: counts
    model: activity
    overrides: {vars: {as_of: 2020-01-05, known_at: 2020-01-09}}
    given:
      - input: source('raw', 'events')
        rows:
          - {event_id: a, user_id: u1, occurred_at: 2020-01-01, ingested_at: 2020-01-02, value: 0.1}
          - {event_id: b, user_id: u1, occurred_at: "2020-01-04T23:59:59", ingested_at: 2020-01-02, value: 0.2}
          - {event_id: c, user_id: u2, occurred_at: 2020-01-05, ingested_at: 2020-01-02}
    expect:
      rows:
        - {user_id: u1, event_count: 2, value_sum: 0.30000000000000004, event_ids: [a, b], as_of: 2020-01-05}
  - name: wrong
    model: activity
    overrides: {vars: {as_of: 2020-01-05}}
    given:
      - input: ref('stg_events')
        rows:
          - {event_id: a, user_id: u1}
          - {event_id: b, user_id: u2}
    expect:
      rows:
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
        (
            f"given: [{{input: \"source('raw', 'events')\", rows: [{{colour: red}}]}}], {AS_OF}, expect: {NONE}",
            "colour",
        ),
        (f"{AS_OF}, expect: {{rows: [{{colour: red}}]}}", "colour"),
        (f"expect: {NONE}", "as_of"),
    ],
)
def test_a_unit_test_that_cannot_be_read_is_refused(
    folder: Path, con: duckdb.DuckDBPyConnection, test: str, reason: str
) -> None:
    path = folder / "features" / "activity.yml"
    path.write_text(f"{path.read_text()}unit_tests: [{{name: x, model: activity, {test}}}]\n")
    models = load_models(folder, (EVENTS,))
    model = models.get("features.activity")
    with pytest.raises(ModelError, match=reason):
        run_unit_test(con, models, model, model.unit_tests[0])


@pytest.mark.usefixtures("activity")
@pytest.mark.parametrize(
    ("test", "reason"),
    [
        (f"model: busiest, expect: {NONE}", r"'x' is of model 'busiest'"),
        (f"model: activity, as_of: 2020-01-01, expect: {NONE}", r"'as_of' is written overrides: \{vars"),
        ("model: activity, given: {raw.events: []}, expect: {rows: []}", r"unit_tests\.0\.given"),
        ("model: activity, expect: []", r"unit_tests\.0\.expect"),
        (f"model: activity, given: [{TWICE}, {TWICE}], expect: {NONE}", "one input twice"),
    ],
)
def test_a_unit_test_of_another_form_is_refused_by_file(folder: Path, test: str, reason: str) -> None:
    path = folder / "features" / "activity.yml"
    path.write_text(f"{path.read_text()}unit_tests: [{{name: x, {test}}}]\n")
    with pytest.raises(ModelError, match=rf"activity\.yml.*{reason}"):
        load_models(folder, (EVENTS,))
