"""Holds what a yml declares against its SQL and against the tables it names. Reading the files is `models`' work.

Each function raises ModelError naming the file; where yml and SQL disagree, both.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from recs_platform.contracts.errors import ModelError
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.warehouse.data_test_files import DataTest
from recs_platform.warehouse.model_files import ModelFile
from recs_platform.warehouse.sql import columns_of

Tables = Mapping[str, Collection[str]]
_OF_TABLES = {"expression_is_true", "unique_combination_of_columns"}


def check_columns(path: Path, file: ModelFile, selected: Sequence[str]) -> None:
    """The yml has the columns of the final select in their order, a grain of them, and types that the lake keeps."""
    yml, declared = path.with_suffix(".yml"), tuple(column.name for column in file.model.columns)
    if declared != tuple(selected):
        missing = [name for name in selected if name not in declared]
        extra = [name for name in declared if name not in selected]
        difference = f"lacks {missing}, has {extra} too many" if missing or extra else "has them in another order"
        raise ModelError(f"{yml}: of the columns that {path} selects, it {difference}")
    unknown = [name for name in file.model.grain if name not in declared]
    if unknown:
        raise ModelError(f"{yml}: grain {unknown} is no column")
    zoneless = [column.name for column in file.model.columns if column.data_type.removesuffix("[]") == "TIMESTAMP"]
    if zoneless and file.model.materialized == "table":
        raise ModelError(f"{yml}: {zoneless} are TIMESTAMP, and tables keep no time without a zone; use TIMESTAMPTZ")


def check_upstreams(path: Path, read: Sequence[str], file: ModelFile, tables: Tables) -> None:
    """The SQL reads, and the given rows fill, tables that there are."""
    given = {table for test in file.unit_tests for table in test.tables}
    for where, names in ((path, read), (path.with_suffix(".yml"), sorted(given))):
        for table in names:
            if table not in tables:
                nearest = did_you_mean(table, tables) or "; known are the models and the contract tables"
                raise ModelError(f"{where}: no table {table}{nearest}")


def check_data_tests(path: Path, file: ModelFile, tables: Tables) -> None:
    """The data tests stand where they belong and name columns that there are, of this table and of others."""
    yml = path.with_suffix(".yml")
    for test in file.model.data_tests:
        if not _is_of_table(test):
            raise ModelError(f"{yml}: data test {test.kind} belongs to a column")
    for column in file.model.columns:
        for test in column.data_tests:
            if _is_of_table(test):
                raise ModelError(f"{yml}: data test {test.kind} of {column.name} belongs to the table's data_tests")
    for test in _tests(file):
        _check_names(yml, file, test, tables)


def check_features(path: Path, file: ModelFile) -> None:
    """What the ranker reads says what it measures: unit, scope, missing-value rule, and which values it can have."""
    for column in (column for column in file.model.columns if column.meta.feature):
        kinds = {test.kind for test in column.data_tests}
        stated = {
            "unit": bool(column.meta.unit),
            "scope": column.meta.scope is not None,
            "missing": column.meta.missing is not None,
            "an accepted_range or accepted_values test": bool(kinds & {"accepted_range", "accepted_values"}),
            "a not_null test": column.meta.missing not in {"never", "constant"} or "not_null" in kinds,
        }
        lacking = [what for what, is_there in stated.items() if not is_there]
        if lacking:
            raise ModelError(f"{path.with_suffix('.yml')}: the feature {column.name} lacks {', '.join(lacking)}")


def _tests(file: ModelFile) -> Iterator[DataTest]:
    yield from file.model.data_tests
    for column in file.model.columns:
        yield from column.data_tests


def _is_of_table(test: DataTest) -> bool:
    return test.kind in _OF_TABLES or "column_name" in test.arguments


def _check_names(yml: Path, file: ModelFile, test: DataTest, tables: Tables) -> None:
    own = {column.name for column in file.model.columns}
    for name in (test.arguments.get("column_name"), *test.arguments.get("combination_of_columns", ())):
        if name is not None and name not in own:
            raise ModelError(f"{yml}: data test {test.kind} names {name!r}, no column of {file.model.name}")
    if test.kind == "relationships":
        target, field = str(test.arguments["to"]), test.arguments["field"]
        if field not in tables[target]:
            raise ModelError(f"{yml}: data test relationships: {target} has no column {field!r}")
    for condition in (test.arguments.get("expression"), test.where):
        if condition is not None:
            _check_expression(yml, file, str(condition), own)


def _check_expression(yml: Path, file: ModelFile, expression: str, own: Collection[str]) -> None:
    try:
        named = columns_of(expression)
    except ModelError as error:
        raise ModelError(f"{yml}: data test {expression!r}: {error}") from error
    unknown = [name for name in named if name not in own]
    if unknown:
        raise ModelError(f"{yml}: data test {expression!r} names {unknown}, no column of {file.model.name}")
