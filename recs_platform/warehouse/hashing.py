"""Content hashes of tables, the same whatever the order of rows or the number of threads."""
# ruff: noqa: S608  column names come from the relation itself and are quoted

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import ContractError
from recs_platform.warehouse.clauses import quoted

if TYPE_CHECKING:
    import duckdb

_LOWER_HALF = 2**64 - 1


def content_hash(con: "duckdb.DuckDBPyConnection", relation_sql: str, exclude: Sequence[str] = ()) -> str:
    """Hash of the rows of a table or parenthesised query as a multiset, less the columns in `exclude`: 32 hex digits.

    Each row becomes text (doubles with every digit, NULL apart from any text) and then a 128-bit MD5, whose halves are
    summed exactly; names of columns count, their order does not. Raises ContractError when `exclude` names no column.
    """
    cursor = con.cursor()
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
