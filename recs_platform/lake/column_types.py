"""The one map between the DuckDB types of contract columns and those of Arrow and Polars.

Which types a table is stored in, whoever made its rows, is said in `schemas`.
"""

# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import Column

if TYPE_CHECKING:
    import polars as pl

INSTANT = pa.timestamp("us", "UTC")
_TYPES: dict[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BOOLEAN": pa.bool_(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "FLOAT[]": pa.list_(pa.float32()),
    "DOUBLE": pa.float64(),
    "DOUBLE[]": pa.list_(pa.float64()),
    "DATE": pa.date32(),
    "TIMESTAMPTZ": INSTANT,
}


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Arrow schema of contract columns, in order. Raises ContractError for a type that no contract uses yet."""
    listed = list(columns)
    unknown = [column.dtype for column in listed if column.dtype not in _TYPES]
    if unknown:
        raise ContractError(f"no Arrow type is named for {unknown}; add it to the table of types")
    return pa.schema([(column.name, _TYPES[column.dtype]) for column in listed])


def polars_schema(columns: Iterable[Column]) -> "pl.Schema":
    """The same as Polars has it."""
    import polars as pl

    # Read off an empty Arrow table they would be the same, after a third of a second in which pandas is imported.
    types: dict[str, pl.DataType] = {
        "VARCHAR": pl.String(),
        "VARCHAR[]": pl.List(pl.String()),
        "BOOLEAN": pl.Boolean(),
        "INTEGER": pl.Int32(),
        "BIGINT": pl.Int64(),
        "FLOAT": pl.Float32(),
        "FLOAT[]": pl.List(pl.Float32()),
        "DOUBLE": pl.Float64(),
        "DOUBLE[]": pl.List(pl.Float64()),
        "DATE": pl.Date(),
        "TIMESTAMPTZ": pl.Datetime("us", "UTC"),
    }
    return pl.Schema({column.name: types[column.dtype] for column in columns})
