"""Given/expect tests of models: rows in, rows out, without a lake. Tests over real rows are in `sql_tests`."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ModelError
from recs_platform.warehouse.clauses import instant_literal, literal, quoted
from recs_platform.warehouse.data_test_files import Row
from recs_platform.warehouse.model_files import UnitTest
from recs_platform.warehouse.models import Model, Models
from recs_platform.warehouse.runner import ModelRun

if TYPE_CHECKING:
    import duckdb

RELATIVE_TOLERANCE = 1e-9
_ANY_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)  # for models that differ by none


@dataclass(frozen=True)
class UnitTestResult:
    """Expected rows that did not come out, and rows that came out unexpected, both as compared."""

    name: str
    missing: tuple[Row, ...]
    unexpected: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        return not self.missing and not self.unexpected


def run_unit_test(con: "duckdb.DuckDBPyConnection", models: Models, model: Model, test: UnitTest) -> UnitTestResult:
    """Compute `model` from the given rows alone and compare with the expected ones, in any order.

    Given rows get NULL in columns they lack (`as_of`: the test's own); contract tables not given are empty; models
    between the given tables and this one are computed. Only the columns an expected row lists are compared, doubles
    within 1e-9 of each other. Raises ModelError for a column that the table does not have, or an as_of that is missing.
    """
    from recs_platform.lake.tables import Lake

    if test.as_of is None and models.is_as_of(model.name):
        raise ModelError(f"unit test {test.name!r}: {model.name} differs by as_of; give one")
    as_of, known_at = _instants(test)
    run = ModelRun(con, Lake(Path("no-lake")), models, (), as_of=as_of, known_at=known_at, scratch=True)
    # What has no as_of is found empty: there is no lake.
    as_of_contracts = [name for name in models.upstreams(model.name) if _must_be_registered(models, name)]
    for name in {*as_of_contracts, *test.tables}:
        types = _known_types(models, name, test.tables.get(name, ()), test)
        run.stand_in(name, _rows_sql(test.tables.get(name, ()), types, test))
    return _compare(test.name, _expected(run, models, model, test), run.frame(model.name).to_dicts())


def _expected(run: ModelRun, models: Models, model: Model, test: UnitTest) -> list[Row]:
    """The rows a test expects, each with the columns it lists, in the model's types."""
    types = _known_types(models, model.name, test.expect.rows, test)
    if not test.expect.rows:
        return []
    rows = run.query(_rows_sql(test.expect.rows, types, test)).to_dicts()
    return [{column: row[column] for column in listed} for listed, row in zip(test.expect.rows, rows, strict=True)]


def _must_be_registered(models: Models, name: str) -> bool:
    return name in models.contracts and models.is_as_of(name)


def _instants(test: UnitTest) -> tuple[datetime, datetime]:
    return (test.as_of or test.known_at or _ANY_INSTANT, test.known_at or test.as_of or _ANY_INSTANT)


def _known_types(models: Models, name: str, rows: Sequence[Row], test: UnitTest) -> dict[str, str]:
    types = models.types(name)
    unknown = {column for row in rows for column in row} - types.keys()
    if unknown:
        raise ModelError(f"unit test {test.name!r}: {name} has no column {sorted(unknown)}")
    return types


def _rows_sql(rows: Sequence[Row], types: Mapping[str, str], test: UnitTest) -> str:
    """Rows of a yml in the table's types; no rows are a query that finds none."""
    selects = [f"select {_values(row, types, test)}" for row in rows] or [
        f"select {_values({}, types, test)} where false"
    ]
    return " union all ".join(selects)


def _values(row: Mapping[str, object], types: Mapping[str, str], test: UnitTest) -> str:
    defaults = {c.AS_OF: instant_literal(_instants(test)[0])}
    values = {name: literal(row[name]) if name in row else defaults.get(name, "null") for name in types}
    return ", ".join(f"cast({values[name]} as {dtype}) as {quoted(name)}" for name, dtype in types.items())


def _compare(name: str, expected: Sequence[Row], actual: Sequence[Row]) -> UnitTestResult:
    left = list(actual)
    missing: list[Row] = []
    for row in expected:
        found = next((candidate for candidate in left if _same_row(row, candidate)), None)
        if found is None:
            missing.append(row)
        else:
            left.remove(found)
    compared = {column for row in expected for column in row}
    shown = [{column: value for column, value in row.items() if not compared or column in compared} for row in left]
    return UnitTestResult(name, tuple(missing), tuple(shown))


def _same_row(expected: Row, actual: Row) -> bool:
    return all(_same(value, actual[column]) for column, value in expected.items())


def _same(expected: Any, actual: Any) -> bool:  # noqa: ANN401  whatever a column may hold
    if isinstance(expected, float) and isinstance(actual, float):
        return math.isclose(expected, actual, rel_tol=RELATIVE_TOLERANCE) or (
            math.isnan(expected) and math.isnan(actual)
        )
    if isinstance(expected, list) and isinstance(actual, list):
        pairs = zip(cast("list[Any]", expected), cast("list[Any]", actual), strict=False)
        return len(cast("list[Any]", expected)) == len(cast("list[Any]", actual)) and all(_same(a, b) for a, b in pairs)
    return bool(expected == actual)
