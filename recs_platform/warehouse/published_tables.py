"""Tables of the published file, and writing them into one: whole, or only what the file lacks.

The file is built and moved into place in `publish`.
"""
# ruff: noqa: S608  names and types come from contracts and model files and are quoted
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.manifests import content_key
from recs_platform.contracts.tables import TableContract
from recs_platform.warehouse import links
from recs_platform.warehouse.clauses import instant_literal, quoted, relation, scan, text_literal, typed_columns
from recs_platform.warehouse.database_files import count_rows
from recs_platform.warehouse.models import Model
from recs_platform.warehouse.published_sources import TableSource, file_names

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    import pyarrow as pa

    from recs_platform.lake.tables import Lake

# What tells a list from others.
_LIST_KEYS = (c.RELEASE_ID, c.SURFACE, c.USER_ID)
# Files by as_of or release; all under None where the table differs by neither.
_Partitions = Mapping[str | None, list[str]]


@dataclass(frozen=True)
class PublishedColumn:
    """A column of the published file; `dtype` is a DuckDB type."""

    name: str
    dtype: str
    description: str
    unit: str = ""

    @property
    def comment(self) -> str:
        return f"{self.description} [{self.unit}]" if self.unit else self.description


@dataclass(frozen=True)
class Instead:
    """In the place of rows of a release with a key in the file `of`: those of the file `rows`, none where None."""

    of: Path
    key: tuple[str, ...]
    rows: Path | None


@dataclass(frozen=True)
class Refused:
    """Users (user_id) of whom no list of any release stays that has an item of a source beside these.

    Of a table without sources no row of theirs stays.
    """

    users: "pl.DataFrame"
    impersonal: tuple[str, ...]


@dataclass(frozen=True)
class PublishedTable:
    """A table of the published file: `rows` as given, else those of the lake table of that name, none if absent.

    `releases`: Parquet files by release_id, a column that they lack, in the place of a lake table; `instead`: what is
    shown in the place of some of their rows; `refused`: whose lists are left out. `view`: SQL over
    tables of the file that are written before; then it is a view, whose rows are counted where `is_counted`: some take
    long to compute. `defaults`: SQL of columns that older files lack, null without.
    `as_ofs_max`: instants that it keeps, those that the
    file keeps where None.
    """

    name: str
    description: str
    columns: tuple[PublishedColumn, ...]
    partition_by: tuple[str, ...] = ()
    rows: "pl.DataFrame | pa.Table | None" = None
    releases: Mapping[str, Sequence[Path]] | None = None
    instead: Mapping[str, Instead] = field(default_factory=dict[str, Instead])
    refused: Refused | None = None
    view: str | None = None
    is_counted: bool = True
    defaults: Mapping[str, str] = field(default_factory=dict[str, str])
    as_ofs_max: int | None = None

    @property
    def is_as_of(self) -> bool:
        return self.releases is None and c.AS_OF in self.partition_by

    @property
    def key(self) -> str | None:
        """The column by which its parts are replaced, None where it has no parts."""
        return c.RELEASE_ID if self.releases is not None else c.AS_OF if self.is_as_of else None

    @property
    def types(self) -> dict[str, str]:
        return {column.name: column.dtype for column in self.columns}

    @property
    def definition(self) -> str:
        """Hash of all but the rows."""
        columns = [(column.name, column.dtype, column.comment) for column in self.columns]
        said = {"comment": self.description, "columns": columns, "partition_by": self.partition_by, "view": self.view}
        return content_key(said)


def published_contract(contract: TableContract, rows: "pl.DataFrame | pa.Table | None" = None) -> PublishedTable:
    """A contract table, from the lake or from `rows`."""
    columns = tuple(PublishedColumn(col.name, col.dtype, col.description, col.unit) for col in contract.columns)
    return PublishedTable(contract.name, contract.description, columns, contract.partition_by, rows)


def published_model(model: Model, *, is_as_of: bool) -> PublishedTable:
    """A stored model, from the lake."""
    columns = tuple(PublishedColumn(col.name, col.dtype, col.description, col.unit) for col in model.columns)
    return PublishedTable(model.name, model.description, columns, (c.AS_OF,) if is_as_of else ())


class TableWriter:
    """Writes tables into the attached file `a`, a new one or a copy of the published one, which holds `earlier`.

    Tables of `earlier` whose files are the same are left as they are; of one that differs by as_of only the instants
    that changed are written, and of one that has more files than before the new ones. A table of the lake with more
    than `rows_max` rows is a view over links to its files, in `links_folder`.
    """

    def __init__(
        self, lake: "Lake", as_ofs_max: int, rows_max: int, links_folder: Path, earlier: Mapping[str, TableSource]
    ) -> None:
        self._lake = lake
        self._as_ofs_max = as_ofs_max
        self._rows_max = rows_max
        self._links = links_folder
        self._earlier = earlier
        self.sources: dict[str, TableSource] = {}
        self.untouched: list[str] = []
        self.linked: list[str] = []

    def write(
        self, con: "duckdb.DuckDBPyConnection", tables: Sequence[PublishedTable], *, others_stay: bool
    ) -> dict[str, int]:
        """Write the tables with their comments; returns the rows that each is to hold. Others go unless they stay."""
        there = _kinds(con)
        rows = {table.name: self._write(con, table, there) for table in tables}
        gone: set[str] = set() if others_stay else there.keys() - rows.keys()
        for name in gone:
            con.execute(f"drop {there[name]} a.{relation(name)}")
        for schema in {name.split(".")[0] for name in gone} - {name.split(".")[0] for name in rows}:
            con.execute(f"drop schema a.{quoted(schema)}")
        return {table.name: rows[table.name] for table in tables if table.is_counted}

    def _write(self, con: "duckdb.DuckDBPyConnection", table: PublishedTable, there: Mapping[str, str]) -> int:
        if table.view is not None:
            return self._write_view(con, table, there)
        if table.rows is not None:
            _clear(con, table, there)
            return _create_from_rows(con, table)
        partitions = self._partitions(table)
        files = [file for each in partitions.values() for file in each]
        if not files:
            _clear(con, table, there)
            _create(con, "table", table, None)
            return 0
        rows = sum(count_rows(con, _scan(table, part, key)) for key, part in partitions.items() if part)
        if table.releases is None and table.refused is None and rows > self._rows_max:
            self._link(con, table, partitions, there)
            return rows
        self._bring_up_to_date(con, table, partitions, there)
        return rows if table.refused is None else _without_refused(con, table, table.refused)

    def _link(
        self, con: "duckdb.DuckDBPyConnection", table: PublishedTable, partitions: _Partitions, there: Mapping[str, str]
    ) -> None:
        _clear(con, table, there)
        root, folder = self._lake.path(table.name), self._links / table.name
        linked = {key: links.link_files(files, root, folder) for key, files in partitions.items() if files}
        _create(con, "view", table, _linked_scan(table, linked))
        self.linked.append(table.name)

    def _write_view(self, con: "duckdb.DuckDBPyConnection", table: PublishedTable, there: Mapping[str, str]) -> int:
        earlier = self._earlier.get(table.name)
        self.sources[table.name] = TableSource(table.definition, {})
        con.execute("use a")  # names in a view are those of its own file
        if earlier is None or earlier.definition != table.definition or there.get(table.name) != "view":
            _clear(con, table, there)
            _create(con, "view", table, f"({table.view})")
        else:
            self.untouched.append(table.name)
        rows = count_rows(con, relation(table.name)) if table.is_counted else 0
        con.execute("use memory")
        return rows

    def _bring_up_to_date(
        self, con: "duckdb.DuckDBPyConnection", table: PublishedTable, partitions: _Partitions, there: Mapping[str, str]
    ) -> None:
        folder = self._folder(table)
        instead = {key: _files_of(each) for key, each in table.instead.items()}
        names = {key: file_names([*files, *instead.get(str(key), ())], folder) for key, files in partitions.items()}
        self.sources[table.name] = TableSource(table.definition, names)
        earlier = self._earlier.get(table.name)
        if earlier is None or earlier.definition != table.definition or there.get(table.name) != "table":
            known: Mapping[str | None, tuple[str, ...]] | None = None
        else:
            known = earlier.partitions
        if known is None or (table.key is None and not set(known.get(None, ())) <= set(names[None])):
            _clear(con, table, there)
            whole = [file for files in partitions.values() for file in files]
            _create(con, "table", table, _scan(table, whole) if table.releases is None else None)
            for release, files in (table.releases or {}).items():
                _insert(con, table, release, [str(file) for file in files])
        elif known == names:
            self.untouched.append(table.name)
        elif table.key is not None:
            changed = [key for key in {**known, **names} if known.get(key) != names.get(key)]
            _delete(con, table, [key for key in changed if key in known])
            for key in changed:
                _insert(con, table, key, partitions.get(key, []))
        else:
            new = set(names[None]) - set(known[None])
            _insert(con, table, None, [file for file in partitions[None] if file_names([file], folder)[0] in new])

    def _folder(self, table: PublishedTable) -> Path:
        """What the names of the table's files are relative to."""
        if table.releases is None:
            return self._lake.path(table.name)
        return next((file.parents[2] for files in table.releases.values() for file in files), Path("/"))

    def _partitions(self, table: PublishedTable) -> _Partitions:
        """Files of the table: of the newest instants only where it differs by as_of."""
        if table.releases is not None:
            return {key: [str(file) for file in files] for key, files in table.releases.items()}
        if not self._lake.exists(table.name):
            return {}
        version = self._lake.version(table.name)
        if not table.is_as_of:
            return {None: self._lake.files(table.name, version)}
        newest = self._lake.as_ofs(table.name)[-(table.as_ofs_max or self._as_ofs_max) :]
        return {as_of.isoformat(): self._lake.files(table.name, version, as_of) for as_of in newest}


def _kinds(con: "duckdb.DuckDBPyConnection") -> dict[str, str]:
    """Relations of the file, and which of them are views."""
    rows = con.execute(
        "select schema_name || '.' || table_name, 'table' from duckdb_tables() where database_name = 'a' "
        "union all select schema_name || '.' || view_name, 'view' from duckdb_views() "
        "where database_name = 'a' and not internal"
    ).fetchall()
    return {str(name): str(kind) for name, kind in rows}


def _clear(con: "duckdb.DuckDBPyConnection", table: PublishedTable, there: Mapping[str, str]) -> None:
    """Make room for a table that is written whole."""
    if table.name in there:
        con.execute(f"drop {there[table.name]} a.{relation(table.name)}")
    con.execute(f"create schema if not exists a.{quoted(table.name.split('.')[0])}")


def _scan(table: PublishedTable, files: Sequence[str], release: str | None = None) -> str:
    if release is None or table.releases is None:
        return scan(files, {name: table.types[name] for name in table.partition_by})
    rows = f"select * from {scan(files, {})} as own"
    instead = table.instead.get(release)
    if instead is not None:
        same = " and ".join(f"own.{key} = gone.{key}" for key in instead.key)
        rows += f" where not exists (select 1 from {scan([str(instead.of)], {})} as gone where {same})"
    if instead is not None and instead.rows is not None:
        rows = f"{rows} union all by name select * from {scan([str(instead.rows)], {})}"
    return f"(select *, {text_literal(release)} as {c.RELEASE_ID} from ({rows}))"


def _linked_scan(table: PublishedTable, partitions: _Partitions) -> str:
    """The files as they can be read from a stored view: there older DuckDBs cannot read types of partition columns.

    Dates are cast from text; an instant is written out, since its text names no zone.
    """
    if not table.is_as_of:
        return scan([file for files in partitions.values() for file in files], {})
    parts = (
        f"select * replace ({_literal(table, str(key))} as {c.AS_OF}) from {scan(files, {})}"
        for key, files in partitions.items()
    )
    return f"({' union all by name '.join(parts)})"


def _files_of(instead: Instead) -> list[str]:
    return [str(file) for file in (instead.of, instead.rows) if file is not None]


def _selection(con: "duckdb.DuckDBPyConnection", table: PublishedTable, source: str | None) -> str:
    """The declared columns over `source`; no row over none."""
    if source is None:
        return f"select {', '.join(typed_columns(table.types, ()))} where false"
    found = [row[0] for row in con.execute(f"describe select * from {source}").fetchall()]
    return f"select {', '.join(typed_columns(table.types, found, table.defaults))} from {source}"


def _create(con: "duckdb.DuckDBPyConnection", kind: str, table: PublishedTable, source: str | None) -> None:
    """Create a table or view of the declared columns over `source`, an empty one over none, with its comments."""
    con.execute(f"create {kind} a.{relation(table.name)} as {_selection(con, table, source)}")
    # One transaction: each comment alone would wait for the disk.
    con.execute("begin")
    comment(con, kind, table.name, table.description)
    for column in table.columns:
        comment(con, "column", f"{table.name}.{column.name}", column.comment)
    con.execute("commit")


def _without_refused(con: "duckdb.DuckDBPyConnection", table: PublishedTable, refused: Refused) -> int:
    """Delete lists of users who refused them; returns the rows that stay.

    A list that was deleted is not there for the next publish: it comes back when the lists of its release are read.
    """
    name, keys = f"a.{relation(table.name)}", [key for key in _LIST_KEYS if key in table.types]
    chosen = ", ".join(keys)
    allowed = ", ".join(map(text_literal, refused.impersonal))
    personal = f"not list_has_all([{allowed}], {c.SOURCES})" if c.SOURCES in table.types else "true"
    with _as_file(con, refused.users) as file:
        con.execute(
            f"create or replace temp table _theirs as select distinct {chosen} from {name} where {c.USER_ID} in "
            f"(select {c.USER_ID} from {scan([file], {})}) and {personal}"
        )
    same = " and ".join(f"{name}.{key} = _theirs.{key}" for key in keys)
    con.execute(f"delete from {name} using _theirs where {same}")
    return count_rows(con, name)


def _create_from_rows(con: "duckdb.DuckDBPyConnection", table: PublishedTable) -> int:
    import polars as pl

    rows = table.rows if isinstance(table.rows, pl.DataFrame) else pl.DataFrame(table.rows)
    missing = [name for name in table.types if name not in rows.columns]
    if missing:
        raise ContractError(f"the rows of {table.name} lack {missing}; nothing was published")
    with _as_file(con, rows) as file:
        _create(con, "table", table, scan([file], {}))
    return rows.height


@contextmanager
def _as_file(con: "duckdb.DuckDBPyConnection", rows: "pl.DataFrame") -> Generator[str, None, None]:
    """Rows as a Parquet file for a while, where the connection spills: of rows in memory it would import pandas first.

    That takes a third of a second. They may name people, who are kept under the home alone.
    """
    spills = Path(str(con.sql("select current_setting('temp_directory')").fetchall()[0][0]))
    spills.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=spills) as folder:
        file = Path(folder, "rows.parquet")
        rows.write_parquet(file, compression="lz4")
        yield str(file)


def _delete(con: "duckdb.DuckDBPyConnection", table: PublishedTable, keys: Sequence[str | None]) -> None:
    literals = [_literal(table, key) for key in keys if key is not None]
    if literals and table.key is not None:
        con.execute(f"delete from a.{relation(table.name)} where {table.key} in ({', '.join(literals)})")


def _literal(table: PublishedTable, key: str) -> str:
    return instant_literal(datetime.fromisoformat(key)) if table.is_as_of else text_literal(key)


def _insert(con: "duckdb.DuckDBPyConnection", table: PublishedTable, key: str | None, files: Sequence[str]) -> None:
    if files:
        con.execute(f"insert into a.{relation(table.name)} {_selection(con, table, _scan(table, files, key))}")


def comment(con: "duckdb.DuckDBPyConnection", kind: str, name: str, text: str) -> None:
    """Describe a table, view or column of the attached file `a`."""
    path = ".".join(quoted(part) for part in name.split("."))
    con.execute(f"comment on {kind} a.{path} is {text_literal(text)}")
