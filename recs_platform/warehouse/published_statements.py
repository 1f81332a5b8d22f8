"""Statements that write a table into the attached file `a`: creating, filling, emptying, describing it.

What of a table is written when is decided in `published_writer`.
"""
# ruff: noqa: S608  names and types come from contracts and model files and are quoted
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.warehouse.clauses import instant_literal, quoted, relation, scan, text_literal, typed_columns
from recs_platform.warehouse.database_files import count_rows
from recs_platform.warehouse.published_tables import PublishedTable, Refused

if TYPE_CHECKING:
    import duckdb
    import polars as pl

# What tells a list from others.
_LIST_KEYS = (c.RELEASE_ID, c.SURFACE, c.USER_ID)


def kinds(con: "duckdb.DuckDBPyConnection") -> dict[str, str]:
    """Relations of the file, and which of them are views."""
    rows = con.execute(
        "select schema_name || '.' || table_name, 'table' from duckdb_tables() where database_name = 'a' "
        "union all select schema_name || '.' || view_name, 'view' from duckdb_views() "
        "where database_name = 'a' and not internal"
    ).fetchall()
    return {str(name): str(kind) for name, kind in rows}


def clear(con: "duckdb.DuckDBPyConnection", table: PublishedTable, there: Mapping[str, str]) -> None:
    """Make room for a table that is written whole."""
    if table.name in there:
        con.execute(f"drop {there[table.name]} a.{relation(table.name)}")
    con.execute(f"create schema if not exists a.{quoted(table.name.split('.')[0])}")


def scan_table(table: PublishedTable, files: Sequence[str], release: str | None = None) -> str:
    """The files as a relation; of a release's, with what is shown in the place of some rows."""
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


def linked_scan(table: PublishedTable, partitions: Mapping[str | None, list[str]]) -> str:
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


def _selection(con: "duckdb.DuckDBPyConnection", table: PublishedTable, source: str | None) -> str:
    """The declared columns over `source`; no row over none."""
    if source is None:
        return f"select {', '.join(typed_columns(table.types, ()))} where false"
    found = [row[0] for row in con.execute(f"describe select * from {source}").fetchall()]
    return f"select {', '.join(typed_columns(table.types, found, table.defaults))} from {source}"


def create(con: "duckdb.DuckDBPyConnection", kind: str, table: PublishedTable, source: str | None) -> None:
    """Create a table or view of the declared columns over `source`, an empty one over none, with its comments."""
    con.execute(f"create {kind} a.{relation(table.name)} as {_selection(con, table, source)}")
    describe(con, [(kind, table.name, table.description), *_column_comments(table)])


def _column_comments(table: PublishedTable) -> list[tuple[str, str, str]]:
    return [("column", f"{table.name}.{column.name}", column.comment) for column in table.columns]


def create_from_rows(con: "duckdb.DuckDBPyConnection", table: PublishedTable) -> int:
    """Create a table of the rows that it was given; returns how many. Raises ContractError where a column lacks."""
    import polars as pl

    rows = table.rows if isinstance(table.rows, pl.DataFrame) else pl.DataFrame(table.rows)
    missing = [name for name in table.types if name not in rows.columns]
    if missing:
        raise ContractError(f"the rows of {table.name} lack {missing}; nothing was published")
    with _as_file(con, rows) as file:
        create(con, "table", table, scan([file], {}))
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


def delete_refused(con: "duckdb.DuckDBPyConnection", table: PublishedTable, refused: Refused) -> int:
    """Delete lists of users who refused them; returns the rows that stay.

    A list that was deleted is not there for the next publish: it comes back when the lists of its release are read.
    """
    name, keys = f"a.{relation(table.name)}", [key for key in _LIST_KEYS if key in table.types]
    if refused.users.is_empty():
        return count_rows(con, name)
    chosen = ", ".join(keys)
    allowed = ", ".join(map(text_literal, refused.impersonal))
    personal = f"not list_has_all([{allowed}], {c.SOURCES})" if c.SOURCES in table.types else "true"
    with _as_file(con, refused.users) as file:
        # In two steps: DuckDB would compare the sources of everybody's rows first, a second a million.
        con.execute(
            f"create or replace temp table _rows_of_theirs as from {name} semi join {scan([file], {})} "
            f"using ({c.USER_ID})"
        )
    con.execute(
        f"create or replace temp table _theirs as select distinct {chosen} from _rows_of_theirs where {personal}"
    )
    same = " and ".join(f"{name}.{key} = _theirs.{key}" for key in keys)
    con.execute(f"delete from {name} using _theirs where {same}")
    return count_rows(con, name)


def delete(con: "duckdb.DuckDBPyConnection", table: PublishedTable, keys: Sequence[str | None]) -> None:
    """Delete the rows of these instants or releases."""
    literals = [_literal(table, key) for key in keys if key is not None]
    if literals and table.key is not None:
        con.execute(f"delete from a.{relation(table.name)} where {table.key} in ({', '.join(literals)})")


def _literal(table: PublishedTable, key: str) -> str:
    return instant_literal(datetime.fromisoformat(key)) if table.is_as_of else text_literal(key)


def insert(con: "duckdb.DuckDBPyConnection", table: PublishedTable, key: str | None, files: Sequence[str]) -> None:
    """Add the rows of files, which are those of one instant or release where there is a key."""
    if files:
        con.execute(f"insert into a.{relation(table.name)} {_selection(con, table, scan_table(table, files, key))}")


def replace_lists(
    con: "duckdb.DuckDBPyConnection", table: PublishedTable, release: str, files: Sequence[str], whose: Sequence[str]
) -> None:
    """Write anew the lists of a release that the files `whose` name, by surface and user; its other lists stay."""
    name, keys = f"a.{relation(table.name)}", [key for key in _LIST_KEYS[1:] if key in table.types]
    chosen = ", ".join(keys)
    con.execute(f"create or replace temp table _theirs as select distinct {chosen} from {scan(list(whose), {})}")
    same = " and ".join(f"{name}.{key} = _theirs.{key}" for key in keys)
    con.execute(f"delete from {name} using _theirs where {c.RELEASE_ID} = {text_literal(release)} and {same}")
    source = f"(select * from {scan_table(table, files, release)} as anew semi join _theirs using ({chosen}))"
    con.execute(f"insert into {name} {_selection(con, table, source)}")


def describe(con: "duckdb.DuckDBPyConnection", comments: Sequence[tuple[str, str, str]]) -> None:
    """Describe tables, views and columns of the attached file `a`: what each is, its name, the text.

    In one transaction: each comment alone would wait for the disk.
    """
    con.execute("; ".join(["begin", *(_comment(*each) for each in comments), "commit"]))


def _comment(kind: str, name: str, text: str) -> str:
    path = ".".join(quoted(part) for part in name.split("."))
    return f"comment on {kind} a.{path} is {text_literal(text)}"
