"""Types of columns: what Arrow and Polars make of each is the same."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import polars as pl

from recs_platform.contracts import tables
from recs_platform.contracts.tables import TableContract
from recs_platform.lake.column_types import arrow_schema, polars_schema


def test_polars_reads_every_type_as_arrow_writes_it() -> None:
    contracts = [each for each in vars(tables).values() if isinstance(each, TableContract)]
    by_type = {column.dtype: column for contract in contracts for column in contract.columns}
    assert len(by_type) > 8
    for column in by_type.values():
        written = pl.DataFrame(pl.from_arrow(arrow_schema([column]).empty_table())).schema
        assert polars_schema([column]) == written, column.dtype
