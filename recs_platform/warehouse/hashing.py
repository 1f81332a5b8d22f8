"""Content hashes of tables, the same whatever the order of rows or the number of threads."""
# ruff: noqa: S608  column names come from the relation itself and are quoted

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import ContractError
from recs_platform.warehouse.clauses import quoted
from recs_platform.warehouse.connection import open_cursor

if TYPE_CHECKING:
    import duckdb
    import polars as pl

_LOWER_HALF = 2**64 - 1


class RunningHash:
    """Hash of the rows that were seen, as a multiset: the same in whatever order and batches they come.

    For the versions of data that Dagster compares; a new version of Polars may give other hashes.
    """

    def __init__(self) -> None:
        self._rows, self._sum, self._columns = 0, 0, ()

    def add(self, rows: "pl.DataFrame") -> None:
        """Count more rows in."""
        if rows.height:
            self._columns = tuple(rows.columns)
            self._rows += rows.height
            # The sum of 64-bit hashes wraps: so does that of any other order.
            self._sum = (self._sum + int(rows.hash_rows(seed=0).sum() or 0)) & _LOWER_HALF

    @property
    def digest(self) -> str:
        """16 hex digits."""
        return hashlib.sha256(repr((self._columns, self._rows, self._sum)).encode()).hexdigest()[:16]


def content_hash(con: "duckdb.DuckDBPyConnection", relation_sql: str, exclude: Sequence[str] = ()) -> str:
    """Hash of the rows of a table or parenthesised query as a multiset, less the columns in `exclude`: 32 hex digits.

    Each row becomes text (doubles with every digit, NULL apart from any text) and then a 128-bit MD5, whose halves are
    summed exactly; names of columns count, their order does not. Raises ContractError when `exclude` names no column.
    """
    cursor = open_cursor(con)
    types = {row[0]: row[1] for row in cursor.execute(f"describe select * from {relation_sql}").fetchall()}
    unknown = [name for name in exclude if name not in types]
    if unknown:
        raise ContractError(f"{relation_sql} has no column {unknown} to leave out of its hash")
    names = sorted(name for name in types if name not in exclude)
    row_text = " || ".join(_unambiguous(name, types[name]) for name in names) or "''"
    # Sums of 128-bit numbers would be doubles; those of 64-bit halves are exact.
    totals = cursor.execute(
        f"select count(*), sum(cast(n & {_LOWER_HALF} as ubigint)), sum(cast(n >> 64 as ubigint)) "
        f"from (select md5_number({row_text}) as n from {relation_sql})"
    ).fetchall()[0]
    return hashlib.sha256(repr((names, totals)).encode()).hexdigest()[:32]


def _unambiguous(name: str, dtype: str) -> str:
    """Text of a value with its length before it; lists as JSON, since a plain cast does not always quote elements."""
    column = quoted(name)
    if dtype.endswith("]"):
        column = f"to_json({column})"
    elif dtype == "TIMESTAMP WITH TIME ZONE":
        column = f"epoch_us({column})"  # as text it would take three times as long and follow the time zone
    text = f"cast({column} as varchar)"
    return f"coalesce(length({text}) || ':' || {text}, '-')"
