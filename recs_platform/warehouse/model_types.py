"""Whether a model's SQL gives the types its yml declares, asked of DuckDB over empty tables."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ModelError
from recs_platform.warehouse.clauses import quoted, relation, typed_columns
from recs_platform.warehouse.models import Model, Models
from recs_platform.warehouse.sql import bind

if TYPE_CHECKING:
    import duckdb

_ANY_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
_LINE = re.compile(r"LINE (\d+):")
_WHOLE = "whole number"
_KINDS = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), _WHOLE),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), _WHOLE),
    **dict.fromkeys(("FLOAT", "DOUBLE", "DECIMAL"), "number"),
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
}


def check_types(con: "duckdb.DuckDBPyConnection", models: Models, chosen: Iterable[Model]) -> None:
    """Hold the chosen models' SQL against their types.

    The runner casts what a model selects, so a sum of decimals may be declared DOUBLE and a count INTEGER; what would
    lose its fraction or change its kind may not. Raises ModelError naming both files, also where the SQL names a
    column that a table does not have. Fills `con` with empty tables: give it one of its own.
    """
    make_empty_tables(con, models, [*models.contracts, *(model.name for model in models)])
    for model in chosen:
        check_model(con, model)


def make_empty_tables(con: "duckdb.DuckDBPyConnection", models: Models, names: Iterable[str]) -> None:
    """Tables of the named models and contract tables, with their types and no rows."""
    for name in names:
        con.execute(f"create schema if not exists {quoted(name.split('.')[0])}")
        con.execute(f"create table {relation(name)} as select {', '.join(typed_columns(models.types(name), set()))}")


def check_model(con: "duckdb.DuckDBPyConnection", model: Model) -> None:
    """Hold one model's SQL against its types, where the tables that it reads are there. Raises ModelError."""
    found = _described(con, model)
    wrong = [
        f"{column.name} is {found[column.name]}, declared {column.dtype}"
        for column in model.columns
        if not _fits(found[column.name], column.dtype)
    ]
    if wrong:
        raise ModelError(f"{model.path.with_suffix('.yml')} and {model.path} disagree: {'; '.join(wrong)}")


def _described(con: "duckdb.DuckDBPyConnection", model: Model) -> dict[str, str]:
    import duckdb

    sql = bind(model.sql, model.placeholders, {c.AS_OF: _ANY_INSTANT, c.KNOWN_AT: _ANY_INSTANT})
    try:
        rows = con.execute(f"describe {sql}").fetchall()
    except duckdb.Error as error:
        line = _LINE.search(str(error))
        raise ModelError(f"{model.path}{f':{line[1]}' if line else ''}: {str(error).splitlines()[0]}") from error
    return {str(row[0]): str(row[1]) for row in rows}


def _fits(found: str, declared: str) -> bool:
    """Whether values of one type keep their meaning as the other.

    >>> _fits("DECIMAL(38,9)", "DOUBLE"), _fits("BIGINT", "INTEGER"), _fits("DOUBLE", "BIGINT")
    (True, True, False)
    """
    if found in {'"NULL"', '"NULL"[]'}:
        return True
    if found.endswith("[]") or declared.endswith("[]"):
        is_list = found.endswith("[]") and declared.endswith("[]")
        return is_list and _fits(found.removesuffix("[]"), declared.removesuffix("[]"))
    one, other = _kind(found), _kind(declared)
    return one == other or (one == _WHOLE and other == "number")


def _kind(dtype: str) -> str:
    name = dtype.split("(", maxsplit=1)[0]
    return _KINDS.get(name, name)
