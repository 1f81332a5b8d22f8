"""Arrow types as the lake stores them, and streams of batches in those types. Tables are opened in `protocol`."""

# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.lake.column_types import INSTANT

if TYPE_CHECKING:
    import polars as pl

    Rows = pa.Table | pa.RecordBatchReader | pl.DataFrame

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class RowStream:
    """One pass over rows of table `name`, batch by batch, in stored types; with `as_of`, rows of that instant only.

    `error` is what broke the pass: delta-rs would pass on its text alone.
    """

    def __init__(self, name: str, rows: "Rows", as_of: datetime | None = None) -> None:
        source = rows if isinstance(rows, pa.RecordBatchReader) else _arrow(rows).to_reader()
        self.name = name
        require_storable(name, source.schema)
        self.schema = stored_schema(source.schema)
        self.error: BaseException | None = None
        self._source = source
        self._as_of = as_of
        if as_of is not None and (c.AS_OF not in self.schema.names or self.schema.field(c.AS_OF).type != INSTANT):
            raise ContractError(f"{name}: the rows to write need a column '{c.AS_OF}' of instants in UTC")

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._source:
                stored = batch if batch.schema.equals(self.schema, check_metadata=True) else self._cast(batch)
                self._require_as_of(stored)
                yield stored
        except BaseException as error:
            self.error = error
            raise

    def _require_as_of(self, batch: pa.RecordBatch) -> None:
        if self._as_of is None or batch.num_rows == 0:
            return
        # As integers: pyarrow imports pandas, for over a second, to make a scalar or a Python instant.
        found = batch.column(c.AS_OF).cast(pa.int64())
        import pyarrow.compute as pc  # a twentieth of a rollback, which needs none of it

        ends = set(pc.min_max(found).as_py().values())
        if found.null_count or ends != {(self._as_of - _EPOCH) // _MICROSECOND}:
            span = (
                "empty ones"
                if found.null_count
                else " to ".join(str(_EPOCH + us * _MICROSECOND) for us in sorted(ends))
            )
            raise ContractError(f"{self.name}: every row needs as_of {self._as_of}, rows to write have {span}")

    def _cast(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        try:
            return batch.cast(self.schema)
        except pa.ArrowInvalid as error:
            raise ContractError(f"{self.name}: a value does not fit the type it is stored in: {error}") from error


def require_storable(name: str, schema: pa.Schema) -> None:
    """Raise ContractError for columns that no table may get: of nulls alone, or timestamps without a time zone.

    The first have no type. The second raise the table's protocol, and what reads version 1 is shut out.
    """
    untyped = [field.name for field in schema if pa.types.is_null(field.type)]
    if untyped:
        raise ContractError(f"{name}: columns {untyped} hold only nulls and have no type; cast them before writing")
    zoneless = [field.name for field in schema if _is_zoneless(field.type)]
    if zoneless:
        raise ContractError(f"{name}: timestamps in columns {zoneless} have no time zone; cast them to TIMESTAMPTZ")


def stored_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` as Delta keeps it: nullable, plain strings and lists, signed integers, instants in microseconds UTC."""
    return pa.schema([pa.field(field.name, _stored_type(field.type)) for field in schema])


def require_fit(name: str, table: pa.Schema, rows: pa.Schema) -> None:
    """Raise ContractError where `rows` lack a column of the table or bring another type; new columns are fine."""
    for field in table:
        if field.name not in rows.names:
            raise ContractError(f"{name}: the rows to write lack column '{field.name}', which the table holds; {_CURE}")
        incoming = rows.field(field.name).type
        if incoming != field.type:
            change = f"column '{field.name}' is {incoming} in the rows to write and {field.type} in the table"
            raise ContractError(f"{name}: {change}; {_CURE}")


_CURE = "restore the column, or remove the table's folder from the lake and build every as_of of it again"


def _arrow(rows: "pa.Table | pl.DataFrame") -> pa.Table:
    return rows if isinstance(rows, pa.Table) else rows.to_arrow()


def _is_zoneless(dtype: pa.DataType) -> bool:
    """Whether values of the type, or parts of them, are timestamps without a time zone."""
    if isinstance(dtype, pa.DictionaryType):
        return _is_zoneless(dtype.value_type)
    if isinstance(dtype, pa.TimestampType):
        return dtype.tz is None
    return any(_is_zoneless(dtype.field(index).type) for index in range(dtype.num_fields))


def _stored_type(dtype: pa.DataType) -> pa.DataType:
    if isinstance(dtype, pa.TimestampType):
        return pa.timestamp("us") if dtype.tz is None else INSTANT
    if isinstance(dtype, pa.DictionaryType):
        return _stored_type(dtype.value_type)
    if isinstance(dtype, pa.ListType | pa.LargeListType):
        return pa.list_(_stored_type(dtype.value_type))
    if isinstance(dtype, pa.StructType):
        return pa.struct([pa.field(field.name, _stored_type(field.type)) for field in dtype])
    return _PLAIN.get(dtype, dtype)


_PLAIN: dict[pa.DataType, pa.DataType] = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.int64(),
}
