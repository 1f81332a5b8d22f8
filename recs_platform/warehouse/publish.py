"""Builds analytics.duckdb aside and moves it into place: its readers are never disturbed.

What is published, and when, is decided by the releases stage; asking the file is done in `query`.
"""
# ruff: noqa: S608  names and types come from contracts and model files and are quoted
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError, NotReady, UsageError
from recs_platform.contracts.tables import EVENTS, TableContract
from recs_platform.lake.locks import exclusive
from recs_platform.warehouse import links
from recs_platform.warehouse.clauses import quoted, relation, scan, text_literal, typed_columns
from recs_platform.warehouse.database_files import (
    count_rows,
    move_into_place,
    remove_half_written,
    written_aside,
)
from recs_platform.warehouse.models import Model
from recs_platform.warehouse.other_writers import opening, set_aside_logs

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    import pyarrow as pa

    from recs_platform.lake.tables import Lake

FILES_FOLDER = "files"
LINKED_PUBLISHES_KEPT = 2
READ_ONLY = 0o444


@dataclass(frozen=True)
class PublishedColumn:
    """A column of the published file; `dtype` is a DuckDB type."""

    name: str
    dtype: str
    description: str
    unit: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """A table of the published file: `rows` as given, else those of the lake table of that name, none if absent."""

    name: str
    description: str
    columns: tuple[PublishedColumn, ...]
    partition_by: tuple[str, ...] = ()
    rows: "pl.DataFrame | pa.Table | None" = None

    @property
    def is_as_of(self) -> bool:
        return c.AS_OF in self.partition_by

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.dtype for column in self.columns}


@dataclass(frozen=True)
class PublishReport:
    """What was published: rows by table, and whether raw.events is a view over linked files.

    `set_aside` has a sentence for each foreign log that lay beside the file.
    """

    path: Path
    publish_id: str
    table_rows: Mapping[str, int]
    events_linked: bool
    size_bytes: int
    set_aside: tuple[str, ...] = ()


def published_contract(contract: TableContract, rows: "pl.DataFrame | pa.Table | None" = None) -> PublishedTable:
    """A contract table, from the lake or from `rows`."""
    columns = tuple(PublishedColumn(col.name, col.dtype, col.description, col.unit) for col in contract.columns)
    return PublishedTable(contract.name, contract.description, columns, contract.partition_by, rows)


def published_model(model: Model, *, is_as_of: bool) -> PublishedTable:
    """A stored model, from the lake."""
    columns = tuple(PublishedColumn(col.name, col.dtype, col.description, col.unit) for col in model.columns)
    return PublishedTable(model.name, model.description, columns, (c.AS_OF,) if is_as_of else ())


def publish(
    lake: "Lake",
    target: Path,
    *,
    tables: Sequence[PublishedTable],
    threads: int,
    memory_limit_gb: float,
    temporary: Path,
    events_as_table_max_rows: int,
    as_ofs_max: int,
    publish_id: str,
    keep_older: bool = True,
) -> PublishReport:
    """Write `tables` into a new file and put it in the place of `target`; processes that read the old one keep it.

    Tables that differ by as_of keep their newest `as_ofs_max` instants. `raw.events` beyond `events_as_table_max_rows`
    becomes a view over links to its files in `files/<publish_id>` beside `target`, named absolutely: publishing again
    repairs a moved home. The links of the publish before stay for its readers, unless `keep_older` is False (after
    rows were deleted). One publish at a time; the next one removes what a killed one left. The new file is read-only
    and is held against what was to be written before it is moved. Raises ContractError when given rows lack a column or
    the new file has other rows; columns newer than a lake table's files are NULL.
    """
    target = target.absolute()
    with exclusive(target.parent / "publish.lock"):
        _remove_leftovers(target)
        folder = links.unused_folder(target.parent / FILES_FOLDER, publish_id)
        writer = _Writer(lake, as_ofs_max, events_as_table_max_rows, folder)
        with written_aside(
            target,
            lambda con: {table.name: writer.write(con, table) for table in tables},
            memory_limit_gb=memory_limit_gb,
            threads=threads,
            temporary=temporary,
        ) as (building, table_rows):
            building.chmod(READ_ONLY)
            links.seal(folder)
            set_aside = move_into_place(building, target)
        links.drop_older(folder, kept=LINKED_PUBLISHES_KEPT if keep_older else 1)
    return PublishReport(target, publish_id, table_rows, folder.is_dir(), target.stat().st_size, tuple(set_aside))


def export(
    source: Path, target: Path, *, threads: int, memory_limit_gb: float, temporary: Path, say: Callable[[str], None]
) -> dict[str, int]:
    """Copy a published file into one that needs no other file, views turned into tables; returns rows by table.

    The copy is its owner's to write to. `say` is called for foreign logs that were set aside. Raises NotReady when
    nothing was published, UsageError when `target` cannot be a file of its own, ContractError when the copy has
    other rows.
    """
    if not source.is_file():
        raise NotReady(f"nothing is published at {source}; run `recs run` or `recs publish` first")
    target = target.absolute()
    _require_own_file(source, target)
    for sentence in set_aside_logs(source):
        say(sentence)

    def fill(con: "duckdb.DuckDBPyConnection") -> dict[str, int]:
        with opening(source):
            con.execute(f"attach {text_literal(str(source.absolute()))} as source (read_only)")
        rows = {name: _copy(con, name) for name in _relations(con)}
        _copy_comments(con)
        con.execute("detach source")
        return rows

    with written_aside(target, fill, memory_limit_gb=memory_limit_gb, threads=threads, temporary=temporary) as (
        building,
        rows,
    ):
        for sentence in move_into_place(building, target):
            say(sentence)
    return dict(rows)


def _require_own_file(source: Path, target: Path) -> None:
    if not target.parent.is_dir():
        raise UsageError(f"folder {target.parent} does not exist; create it first")
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name a file in it, such as {target / source.name}")
    if target.exists() and target.samefile(source):
        raise UsageError(f"{target} is the published file itself; name another one")


class _Writer:
    """Writes tables into the attached file `a`."""

    def __init__(self, lake: "Lake", as_ofs_max: int, events_max: int, links_folder: Path) -> None:
        self._lake = lake
        self._as_ofs_max = as_ofs_max
        self._events_max = events_max
        self._links = links_folder

    def write(self, con: "duckdb.DuckDBPyConnection", table: PublishedTable) -> int:
        """Create the table with its comments; returns the rows that it is to hold."""
        schema = table.name.split(".")[0]
        con.execute(f"create schema if not exists a.{quoted(schema)}")
        kind, rows = self._create(con, table)
        _comment(con, kind, table.name, table.description)
        for column in table.columns:
            text = f"{column.description} [{column.unit}]" if column.unit else column.description
            _comment(con, "column", f"{table.name}.{column.name}", text)
        return rows

    def _create(self, con: "duckdb.DuckDBPyConnection", table: PublishedTable) -> tuple[str, int]:
        """What was created, and the rows that its source has."""
        if table.rows is not None:
            return _create_from_rows(con, table)
        files = self._files(table)
        if not files:
            return _create(con, "table", table, None), 0
        source = scan(files, {name: table.types[name] for name in table.partition_by})
        rows = count_rows(con, source)
        if table.name == EVENTS.name and rows > self._events_max:
            # Older DuckDBs cannot read the types of partition columns from a stored view; they are cast instead.
            linked = links.link_files(files, self._lake.path(EVENTS.name), self._links)
            return _create(con, "view", table, scan(linked, {})), rows
        return _create(con, "table", table, source), rows

    def _files(self, table: PublishedTable) -> list[str]:
        if not self._lake.exists(table.name):
            return []
        version = self._lake.version(table.name)
        if not table.is_as_of:
            return self._lake.files(table.name, version)
        newest = self._lake.as_ofs(table.name)[-self._as_ofs_max :]
        return [file for as_of in newest for file in self._lake.files(table.name, version, as_of)]


def _create(con: "duckdb.DuckDBPyConnection", kind: str, table: PublishedTable, source: str | None) -> str:
    """Create a table or view of the declared columns over `source`, an empty one over none; returns its kind."""
    if source is None:
        selection, rest = typed_columns(table.types, ()), "where false"
    else:
        found = [row[0] for row in con.execute(f"describe select * from {source}").fetchall()]
        selection, rest = typed_columns(table.types, found), f"from {source}"
    con.execute(f"create {kind} a.{relation(table.name)} as select {', '.join(selection)} {rest}")
    return kind


def _create_from_rows(con: "duckdb.DuckDBPyConnection", table: PublishedTable) -> tuple[str, int]:
    import pyarrow as pa

    rows: pa.Table = table.rows if isinstance(table.rows, pa.Table) else table.rows.to_arrow()  # pyright: ignore[reportOptionalMemberAccess]
    missing = [name for name in table.types if name not in rows.column_names]
    if missing:
        raise ContractError(f"the rows of {table.name} lack {missing}; nothing was published")
    con.register("_rows", rows)
    _create(con, "table", table, "_rows")
    con.unregister("_rows")
    return "table", rows.num_rows


def _comment(con: "duckdb.DuckDBPyConnection", kind: str, name: str, text: str) -> None:
    path = ".".join(quoted(part) for part in name.split("."))
    con.execute(f"comment on {kind} a.{path} is {text_literal(text)}")


def _relations(con: "duckdb.DuckDBPyConnection") -> list[str]:
    """Tables and views of the attached `source`, as `schema.table`."""
    rows = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = 'source' "
        "union all select schema_name || '.' || view_name from duckdb_views() "
        "where database_name = 'source' and not internal order by 1"
    ).fetchall()
    return [str(name) for (name,) in rows]


def _copy(con: "duckdb.DuckDBPyConnection", name: str) -> int:
    con.execute(f"create schema if not exists a.{quoted(name.split('.', maxsplit=1)[0])}")
    con.execute(f"create table a.{relation(name)} as select * from source.{relation(name)}")
    return count_rows(con, f"source.{relation(name)}")


def _copy_comments(con: "duckdb.DuckDBPyConnection") -> None:
    tables = con.execute(
        "select schema_name || '.' || table_name, comment from duckdb_tables() "
        "where database_name = 'source' and comment is not null "
        "union all select schema_name || '.' || view_name, comment from duckdb_views() "
        "where database_name = 'source' and comment is not null"
    ).fetchall()
    columns = con.execute(
        "select schema_name || '.' || table_name || '.' || column_name, comment from duckdb_columns() "
        "where database_name = 'source' and comment is not null"
    ).fetchall()
    for kind, commented in (("table", tables), ("column", columns)):
        for name, text in commented:
            _comment(con, kind, name, text)


def _remove_leftovers(target: Path) -> None:
    """What a killed publish left: half-built files, and links that no published file names."""
    remove_half_written(target)
    links.remove_unsealed(target.parent / FILES_FOLDER)
