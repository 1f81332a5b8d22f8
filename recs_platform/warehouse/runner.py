"""Runs SQL models as of one instant in a DuckDB connection: upstream tables in, rows out to Polars, Arrow or the lake.

What models say is read in `models`; which model runs when is decided by the caller.
"""
# ruff: noqa: S608  names come from contracts and model files, values are instant literals
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError, NotReady, UsageError
from recs_platform.contracts.tables import TableContract
from recs_platform.warehouse.clauses import instant_literal, quoted, relation, scan, text_literal, typed_columns
from recs_platform.warehouse.connection import open_cursor
from recs_platform.warehouse.hashing import content_hash
from recs_platform.warehouse.models import Model, ModelColumn, Models
from recs_platform.warehouse.sql import bind

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    import polars as pl
    import pyarrow as pa

    from recs_platform.lake.tables import Lake

BATCH_ROWS = 100_000


@dataclass(frozen=True)
class Materialized:
    """What a model wrote: its rows, the table's new version in the lake, and a hash of the rows."""

    rows: int
    version: int
    content: str
    columns: tuple[ModelColumn, ...]


class ModelRun:
    """One as-of instant in one DuckDB connection; upstream tables become queryable there as `schema.table`.

    `scratch=False` reads upstream models from the lake's partition `as_of`; `scratch=True` computes them into tables
    of the connection, once each, and writes nothing: contract tables that differ by as_of must then be registered,
    but for histories, which hold what was written as of earlier instants, in the lake for either kind of run.
    Lake tables are read at the version found at first use, or at the one in `versions`. Runs that share a connection
    replace each other's tables: finish with one before starting the next. `kept`: models whose rows a Parquet file
    holds, see `save`, which is asked for when a model is first required and read instead of computing it.
    """

    def __init__(
        self,
        con: "duckdb.DuckDBPyConnection",
        lake: "Lake",
        models: Models,
        contracts: Sequence[TableContract],
        *,
        as_of: datetime,
        known_at: datetime,
        scratch: bool = False,
        versions: Mapping[str, int] | None = None,
        kept: "Mapping[str, Callable[[], Path]] | None" = None,
    ) -> None:
        self.as_of = as_of
        self.known_at = known_at
        self._con = con
        self._lake = lake
        self._models = models
        self._contracts = {**models.contracts, **{contract.name: contract for contract in contracts}}
        self._scratch = scratch
        self._versions = dict(versions or {})
        self._kept = dict(kept or {})
        self._ready: set[str] = set()
        self._schemas: set[str] = set()

    @property
    def versions(self) -> dict[str, int]:
        """Versions of the lake tables this run reads: what a manifest records."""
        return dict(self._versions)

    def bound(self, name: str) -> str:
        """The model's SQL as written, with instants in the place of its placeholders: runs in any DuckDB shell."""
        model = self._models.get(name)
        return bind(model.sql, model.placeholders, {c.AS_OF: self.as_of, c.KNOWN_AT: self.known_at})

    def register(self, name: str, data: "pa.Table | pl.DataFrame") -> None:
        """Let `data` stand in for a table.

        Declared columns are cast to their types; those that `data` lacks are NULL, `as_of` is this run's; others stay.
        Raises ContractError when a column of the grain is missing.
        """
        import pyarrow as pa

        table: pa.Table = data if isinstance(data, pa.Table) else data.to_arrow()  # pyright: ignore[reportAttributeAccessIssue]
        types = self._types(name)
        missing = [column for column in self._grain(name) if column not in table.column_names]
        if missing:
            raise ContractError(f"the stand-in for {name} lacks {missing}, which identify a row")
        self._con.register("_registered", table)
        defaults = {c.AS_OF: instant_literal(self.as_of)}
        selected = typed_columns(types, set(table.column_names), defaults)
        selected += [quoted(column) for column in table.column_names if column not in types]
        self._create(name, "table", f"select {', '.join(selected)} from _registered")
        self._con.unregister("_registered")

    def stand_in(self, name: str, sql: str, **given: "pl.DataFrame") -> None:
        """Let the rows of a query, with the columns and types they have, stand in for a table.

        The query may read required tables, this one as it was included, and `given` under their names.
        """
        for alias, rows in given.items():
            self._con.register(alias, rows)
        # What is ready may be read by the query that replaces it.
        made = f"{name}_aside" if name in self._ready else name
        self._create(made, "table", sql)
        for alias in given:
            self._con.unregister(alias)
        if made == name:
            return
        self._drop(name)
        self._con.execute(f"alter table {relation(made)} rename to {quoted(name.split('.')[1])}")
        self._ready.discard(made)

    def use_stored(self, *names: str) -> None:
        """Let the rows that the lake holds of the as-of stand for tables that a scratch run would compute."""
        for name in names:
            self._view(name, self._files(name, is_as_of=True))

    def enumerate(self, name: str, values: "pl.Series") -> None:
        """Make a type of distinct texts that are held as integers, in their order; elsewhere in SQL they are texts."""
        self._con.register("_values", values.alias("value").to_frame())
        self._con.execute(f"create type {quoted(name)} as enum (select value from _values)")
        self._con.unregister("_values")

    def require(self, name: str) -> str:
        """Make a model or contract table queryable in the connection, with what it reads; returns `name`.

        A contract table not yet in the lake is an empty one. Raises UsageError for an unknown name, NotReady when a
        model's table must be read and was never written, or a scratch run lacks the stand-in it needs.
        """
        if name in self._ready:
            return name
        if name in self._models and (self._scratch or self._models.get(name).materialized != "table"):
            self._compute(self._models.get(name))
        elif name in self._models or name in self._contracts:
            self._read(name)
        else:
            raise UsageError(f"no table {name!r}: neither a model nor a contract table")
        return name

    def frame(self, name: str, columns: Sequence[str] | None = None, *, ordered: bool = False) -> "pl.DataFrame":
        """Rows of a table; `ordered` sorts them by its grain, else their order means nothing."""
        self.require(name)
        selected = ", ".join(quoted(column) for column in columns or self._types(name))
        order = ", ".join(quoted(column) for column in self._grain(name)) if ordered else ""
        sql = f"select {selected} from {relation(name)}" + (f" order by {order}" if order else "")
        return self.query(sql)

    def arrow_schema(self, name: str) -> "pa.Schema":
        """Columns and types that rows of a model have when they are stored."""
        columns = ", ".join(f"cast(null as {dtype}) as {quoted(column)}" for column, dtype in self._types(name).items())
        return self.arrow(f"select {columns} where false").schema

    def content(self, name: str) -> str:
        """Content hash of a model's or table's rows, whatever their order."""
        return content_hash(self._con, self.require(name))

    def query(self, sql: str) -> "pl.DataFrame":
        """Collect a query over required tables."""
        return open_cursor(self._con).sql(sql).pl()

    def head(self, name: str, rows: int) -> "pl.DataFrame":
        """The first `rows` of a table in the order of its grain."""
        self.require(name)
        order = ", ".join(quoted(column) for column in self._grain(name))
        return self.query(f"select * from {relation(name)} order by {order} limit {int(rows)}")

    def count(self, name: str) -> int:
        """Rows of a table."""
        self.require(name)
        return int(self.query(f"select count(*) as row_count from {relation(name)}").item())

    def is_empty(self, name: str) -> bool:
        """Whether a table has no row; of a view the first one is enough."""
        return self.query(f"select 1 from {relation(self.require(name))} limit 1").is_empty()

    def arrow(self, sql: str) -> "pa.RecordBatchReader":
        """Stream a query over required tables; other statements may run while the reader is open."""
        return open_cursor(self._con).sql(sql).to_arrow_reader(BATCH_ROWS)

    def materialize(self, name: str) -> Materialized:
        """Stream a table model into the lake: its partition `as_of` where it differs by as_of, else the whole table.

        The table gets exactly the yml's columns and types. Memory does not grow with the rows.
        """
        from recs_platform.warehouse.streaming import CountedReader

        model = self._models.get(name)
        if self._scratch or model.materialized != "table":
            reason = "a scratch run writes nothing" if self._scratch else f"it is a {model.materialized} model"
            raise UsageError(f"{name} is not stored: {reason}")
        for upstream in model.upstreams:
            self.require(upstream)
        counted = CountedReader(self.arrow(self._typed_sql(model)))
        if self._models.is_as_of(name):
            version = self._lake.overwrite_as_of(name, counted.reader(), self.as_of)
        else:
            version = self._lake.overwrite(name, counted.reader())
        self._versions[name] = version
        self._ready.discard(name)
        return Materialized(counted.rows, version, counted.content.digest, model.columns)

    def save(self, name: str, file: "Path") -> None:
        """Write the rows of a table as a Parquet file, in the order in which they come; memory does not grow."""
        source = relation(self.require(name))
        target = text_literal(str(file))
        self._con.execute(f"copy (from {source}) to {target} (format parquet, compression lz4)")

    def _compute(self, model: Model) -> None:
        if model.name in self._kept:
            self._create(model.name, "view", f"from {scan([str(self._kept[model.name]())], {})}")
            return
        for upstream in model.upstreams:
            self.require(upstream)
        self._create(model.name, "view" if model.materialized == "view" else "table", self._typed_sql(model))

    def _typed_sql(self, model: Model) -> str:
        types = self._types(model.name)
        return f"select {', '.join(typed_columns(types, set(types)))} from ({self.bound(model.name)}\n)"

    def _read(self, name: str) -> None:
        is_as_of = self._is_as_of(name)
        stored = self._history_of(name)
        if self._scratch and is_as_of and stored is None:
            raise NotReady(f"a scratch run needs {name} registered; it is not computed by SQL")
        self._view(name, self._files_before(stored) if stored is not None else self._files(name, is_as_of=is_as_of))

    def _view(self, name: str, files: Sequence[str]) -> None:
        """Let rows of the lake be the table; columns that its files lack are NULL."""
        types = self._types(name)
        if not files:
            self._create(name, "view", f"select {', '.join(typed_columns(types, set()))} where false")
            return
        partitions = (c.AS_OF,) if name in self._models and self._is_as_of(name) else self._partitions(name)
        source = scan(files, {column: types[column] for column in partitions})
        found = _stored_columns(tuple(files)) | set(partitions)
        self._create(name, "view", f"select {', '.join(typed_columns(types, found))} from {source}")

    def _files(self, name: str, *, is_as_of: bool) -> list[str]:
        if not self._lake.exists(name):
            if name in self._models:
                raise NotReady(f"{name} was never written; materialize it as of {self.as_of.isoformat()} first")
            return []
        return self._lake.files(name, self._version(name), self.as_of if is_as_of else None)

    def _files_before(self, name: str) -> list[str]:
        """Of every as_of before this run's: later builds of this instant, and of later ones, change nothing."""
        if not self._lake.exists(name):
            return []
        return self._lake.files(name, self._version(name), before=self.as_of)

    def _version(self, name: str) -> int:
        if name not in self._versions:
            self._versions[name] = self._lake.version(name)
        return self._versions[name]

    def _create(self, name: str, kind: str, sql: str) -> None:
        # Not TEMP: cursors, which stream, see only what the database holds.
        import duckdb

        schema, _ = name.split(".")
        if schema not in self._schemas:
            self._con.execute(f"create schema if not exists {quoted(schema)}")
            self._schemas.add(schema)
        create = f"create or replace {kind} {relation(name)} as {sql}"
        try:
            self._con.execute(create)
        except duckdb.CatalogException:
            # An earlier run may have left a view where a table is to be, or the other way round.
            self._con.execute(f"drop {'table' if kind == 'view' else 'view'} if exists {relation(name)}")
            self._con.execute(create)
        self._ready.add(name)

    def _drop(self, name: str) -> None:
        import duckdb

        try:
            self._con.execute(f"drop view if exists {relation(name)}")
        except duckdb.CatalogException:
            self._con.execute(f"drop table if exists {relation(name)}")

    def _types(self, name: str) -> dict[str, str]:
        if name in self._contracts:
            return {column.name: column.dtype for column in self._contracts[name].columns}
        return self._models.types(name)

    def _grain(self, name: str) -> tuple[str, ...]:
        return self._contracts[name].grain if name in self._contracts else self._models.grain(name)

    def _is_as_of(self, name: str) -> bool:
        return self._contracts[name].is_as_of if name in self._contracts else self._models.is_as_of(name)

    def _history_of(self, name: str) -> str | None:
        return self._contracts[name].history_of if name in self._contracts else None

    def _partitions(self, name: str) -> tuple[str, ...]:
        return self._contracts[name].partition_by if name in self._contracts else ()


@lru_cache(maxsize=1024)
def _stored_columns(files: tuple[str, ...]) -> frozenset[str]:
    """Columns that any of the Parquet files holds; a file of the lake never changes."""
    # pyarrow's reader takes longer to import than all of a rollback's tables to read.
    import polars as pl

    return frozenset(name for file in files for name in pl.read_parquet_schema(file))
