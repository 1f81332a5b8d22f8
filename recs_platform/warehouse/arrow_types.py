"""Arrow types of the DuckDB types that contracts use. Nothing is read or cast here."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Sequence

import pyarrow as pa

from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import Column

_TYPES: dict[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BOOLEAN": pa.bool_(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "FLOAT[]": pa.list_(pa.float32()),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
}


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """Arrow schema of contract columns, in order. Raises ContractError for a type that no contract uses yet."""
    unknown = [column.dtype for column in columns if column.dtype not in _TYPES]
    if unknown:
        raise ContractError(f"no Arrow type is named for {unknown}; add it to the table of types")
    return pa.schema([(column.name, _TYPES[column.dtype]) for column in columns])
