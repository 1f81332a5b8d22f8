"""Data tests of models: what a yml declares, as queries for the failing rows. Given/expect tests: see `unit_tests`.

Whether a declared test names what there is, is held by `declarations` when models are loaded.
"""
# ruff: noqa: S608  names and literals come from model files and are quoted

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ModelError
from recs_platform.warehouse.clauses import literal, quoted, relation
from recs_platform.warehouse.data_test_files import DataTest, Severity
from recs_platform.warehouse.models import Model, ModelColumn
from recs_platform.warehouse.runner import ModelRun
from recs_platform.warehouse.sql import bind, find_placeholders, parse_sql

SAMPLE_ROWS = 5


@dataclass(frozen=True)
class SqlTest:
    """A query over `tables` whose rows are failures; it may use $as_of and $known_at.

    Where each row of one table is judged by itself, `condition` is what the failing ones fulfil: any number of such
    tests are counted in one scan. A failure of severity `warn` is reported and stops nothing.
    """

    name: str
    sql: str
    tables: tuple[str, ...]
    description: str = ""
    condition: str | None = None
    severity: Severity = "error"


@dataclass(frozen=True)
class TestResult:
    """How many rows failed a test, with up to five of them: which ones differs from run to run."""

    name: str
    failures: int
    sample: tuple[dict[str, Any], ...]
    severity: Severity = "error"

    __test__ = False  # pytest takes a class of this name for a test


def data_tests(model: Model) -> list[SqlTest]:
    """The tests a yml declares, and the uniqueness of its grain; named like `user_features.recency_days.not_null`."""
    table = model.name.split(".")[1]
    tests = [_unique(model, f"{table}.unique", model.grain)]
    for column in model.columns:
        tests += [_column_test(model, column, test, f"{table}.{column.name}.{test.kind}") for test in column.tests]
    tests += [_table_test(model, test, f"{table}.{test.kind}") for test in model.tests]
    return list(_numbered(tests))


def singular_tests(folder: Path) -> list[SqlTest]:
    """Every `assert_*.sql` of a folder, by name; the comment at its head is its description.

    Raises ModelError naming the file for SQL that a model could not hold either.
    """
    tests: list[SqlTest] = []
    for path in sorted(folder.glob("assert_*.sql")):
        sql = path.read_text()
        try:
            parsed = parse_sql(sql)
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from error
        head = [line.removeprefix("--").strip() for line in sql.split("\n\n")[0].splitlines() if line.startswith("--")]
        tests.append(SqlTest(path.stem, sql, parsed.tables, " ".join(head)))
    return tests


def tests_of(tests: Sequence[SqlTest], model: Model) -> list[SqlTest]:
    """The singular tests that read a model."""
    return [test for test in tests if model.name in test.tables]


def run_tests(run: ModelRun, model: Model) -> list[TestResult]:
    """Run a model's data tests on its rows as of the run's instant; those of single rows in one scan."""
    tests = data_tests(model)
    of_rows = [test for test in tests if test.condition is not None]
    counts = dict(zip((test.name for test in of_rows), _count_rows(run, model, of_rows), strict=True))
    return [run_test(run, test, counts.get(test.name)) for test in tests]


def run_test(run: ModelRun, test: SqlTest, failures: int | None = None) -> TestResult:
    """Run one test, its tables made queryable first; `failures` are its failing rows where they are counted already."""
    for table in test.tables:
        run.require(table)
    sql = bind(test.sql, find_placeholders(test.sql), {c.AS_OF: run.as_of, c.KNOWN_AT: run.known_at})
    if failures is None:
        failures = int(run.query(f"select count(*) as failures from ({sql}\n)").item())
    sample = run.query(f"select * from ({sql}\n) limit {SAMPLE_ROWS}").to_dicts() if failures else []
    return TestResult(test.name, failures, tuple(sample), test.severity)


def _count_rows(run: ModelRun, model: Model, tests: Sequence[SqlTest]) -> list[int]:
    """Failing rows of each test, counted together."""
    if not tests:
        return []
    run.require(model.name)
    counts = [f"count(*) filter (where {test.condition}) as test_{place}" for place, test in enumerate(tests)]
    return list(run.query(f"select {', '.join(counts)} from {relation(model.name)}").row(0))


def _column_test(model: Model, column: ModelColumn, test: DataTest, name: str) -> SqlTest:
    value = quoted(column.name)
    match test.kind:
        case "not_null":
            return _rows_where(model, test, name, f"{value} is null")
        case "unique":
            return _unique(model, name, (column.name,), test, ignore_null=True)
        case "accepted_values":
            accepted = ", ".join(literal(accepted) for accepted in test.arguments["values"])
            return _rows_where(model, test, name, f"{value} not in ({accepted})")
        case "accepted_range":
            return _rows_where(model, test, name, _outside(column, test))
        case _:
            return _relationship(model, name, column.name, test)


def _table_test(model: Model, test: DataTest, name: str) -> SqlTest:
    if "column_name" in test.arguments:
        columns = {column.name: column for column in model.columns}
        return _column_test(model, columns[test.arguments["column_name"]], test, name)
    if test.kind == "unique_combination_of_columns":
        return _unique(model, name, tuple(test.arguments["combination_of_columns"]), test)
    return _rows_where(model, test, name, f"not ({test.arguments['expression']})")


def _rows_where(model: Model, test: DataTest, name: str, failing: str) -> SqlTest:
    condition = failing if test.where is None else f"({test.where}) and ({failing})"
    sql = f"select * from {relation(model.name)} where {condition}"
    return SqlTest(name, sql, (model.name,), f"No row has {condition}", condition, test.severity)


def _unique(
    model: Model, name: str, columns: Sequence[str], test: DataTest | None = None, *, ignore_null: bool = False
) -> SqlTest:
    keys = ", ".join(quoted(column) for column in columns)
    kept = [f"({test.where})"] if test is not None and test.where is not None else []
    kept += [f"{keys} is not null"] if ignore_null else []
    condition = f" where {' and '.join(kept)}" if kept else ""
    selected, grouped = (f"{keys}, ", f" group by {keys}") if keys else ("", "")
    sql = f"select {selected}count(*) as row_count from {relation(model.name)}{condition}{grouped} having count(*) > 1"
    description = f"One row for each {', '.join(columns)}" if columns else "At most one row"
    return SqlTest(name, sql, (model.name,), description, severity="error" if test is None else test.severity)


def _outside(column: ModelColumn, test: DataTest) -> str:
    """As dbt_utils: the bounds are inside unless `inclusive` is false; NULL is in every range, NaN in none."""
    value, equal = quoted(column.name), "" if test.arguments.get("inclusive", True) else "="
    bounds = {"min_value": "<", "max_value": ">"}
    limits = [
        f"{value} {compared}{equal} {literal(test.arguments[bound])}"
        for bound, compared in bounds.items()
        if bound in test.arguments
    ]
    if column.dtype in ("DOUBLE", "FLOAT"):
        limits.append(f"isnan({value})")
    return " or ".join(limits) or "false"


def _relationship(model: Model, name: str, column: str, test: DataTest) -> SqlTest:
    target, field = str(test.arguments["to"]), quoted(str(test.arguments["field"]))
    child = relation(model.name) if test.where is None else f"(select * from {relation(model.name)} where {test.where})"
    sql = (
        f"select child.* from {child} as child "
        f"anti join {relation(target)} as parent on child.{quoted(column)} = parent.{field} "
        f"where child.{quoted(column)} is not null"
    )
    description = f"Each {column} is a {field} of {target}"
    return SqlTest(name, sql, (model.name, target), description, severity=test.severity)


def _numbered(tests: Sequence[SqlTest]) -> Iterator[SqlTest]:
    """Tests of one kind on one column distinguished by a number from the second on."""
    seen: Counter[str] = Counter()
    for test in tests:
        seen[test.name] += 1
        yield replace(test, name=f"{test.name}_{seen[test.name]}") if seen[test.name] > 1 else test
