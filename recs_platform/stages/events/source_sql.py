"""Whether the SQL of a source can run at all: tried on no records, so that data has no part in it."""

import re

import duckdb

from recs_platform.contracts.errors import ModelError
from recs_platform.stages.events.macros import prepare_macros
from recs_platform.stages.events.records import show_no_records, types_of
from recs_platform.stages.events.sources import SOURCE_TABLES, DataSource
from recs_platform.stages.events.validation import yields_known

_LINE = re.compile(r"LINE (\d+):")


def source_fault(source: DataSource) -> str | None:
    """The first fault of a source's SQL, with file and line; None when all of it runs and gives contract columns."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        prepare_macros(con)
        for kind in source.files:
            try:
                show_no_records(con, kind.of_file(kind.match))
            except duckdb.Error as error:
                return f"{source.folder}: the columns of {kind.match} have a type that DuckDB has not: {_first(error)}"
            for table in kind.tables:
                if fault := _fault(con, source, table):
                    return fault
    return None


def _fault(con: duckdb.DuckDBPyConnection, source: DataSource, table: str) -> str | None:
    path = source.folder / f"{table}.sql"
    try:
        yields = types_of(con, f"({source.sql[table]}\n)")
        yields_known(SOURCE_TABLES[table], yields)
    except duckdb.Error as error:
        line = _LINE.search(str(error))
        return f"{path}{f':{line[1]}' if line else ''}: {_first(error)}"
    except ModelError as error:
        return f"{path} {error}"
    return None


def _first(error: Exception) -> str:
    return str(error).splitlines()[0]
