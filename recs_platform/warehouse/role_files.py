"""A copy of the published file for people who may see less: tables and columns left out, ids of users as pseudonyms.

Which roles there are is in the settings; the whole file is built in `publish`.
"""
# ruff: noqa: S608  names come from the published file and are quoted

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.spelling import did_you_mean
from recs_platform.warehouse.clauses import quoted, relation
from recs_platform.warehouse.database_files import count_rows, move_into_place, written_aside
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.encryption import Cipher, attach_read_only
from recs_platform.warehouse.published_statements import describe

if TYPE_CHECKING:
    import duckdb

IDS = (c.USER_ID, c.ANONYMOUS_ID)
# They hold ids of users in columns that say nothing of it: rejected records as text, and who opted out.
_HOLD_IDS = {"raw.quarantine": "payload", "events.inputs": c.FILE_HASH, "latest.inputs": c.FILE_HASH}
# Ids that a source may make out of the user's.
_MADE_OF_IDS = ("request_id", "session_id", "referrer")
_READ_ONLY = 0o444


@dataclass(frozen=True)
class Role:
    """`hide`: tables (`raw.users`) and columns (`gender`). A column of ids in it is shown as pseudonyms instead."""

    name: str
    hide: tuple[str, ...]


def write_role_file(
    source: Path,
    target: Path,
    role: Role,
    options: DatabaseOptions,
    *,
    prepare: "Callable[[duckdb.DuckDBPyConnection], None]",
    pseudonym: Callable[[str], str],
    source_cipher: Cipher | None = None,
) -> dict[str, int]:
    """Write what the role may see of a published file; returns rows by table.

    `source_cipher`: the key of the published file; the role's is in the options. `prepare` readies a connection for
    the SQL that `pseudonym` gives of an expression. Raises UsageError for a table or column that is not in the file.
    """

    def fill(con: "duckdb.DuckDBPyConnection") -> dict[str, int]:
        prepare(con)
        attach_read_only(con, source, "source", source_cipher)
        columns = _columns(con)
        require_known(role, {*columns, *(name for names in columns.values() for name in names)})
        shown = [name for name in columns if name not in role.hide]
        rows = {name: _copy(con, name, _shown(name, columns[name], role.hide, pseudonym)) for name in shown}
        _copy_comments(con)
        con.execute("detach source")
        return rows

    target.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(target, fill, options) as (building, rows):
        building.chmod(_READ_ONLY)
        move_into_place(building, target)
    return dict(rows)


def _columns(con: "duckdb.DuckDBPyConnection") -> dict[str, list[str]]:
    """Columns of every table and view of the source, in their order."""
    found: dict[str, list[str]] = {}
    for table, column in con.execute(
        "select schema_name || '.' || table_name, column_name from duckdb_columns() "
        "where database_name = 'source' and not internal order by 1, column_index"
    ).fetchall():
        found.setdefault(str(table), []).append(str(column))
    return found


def require_known(role: Role, known: Collection[str]) -> None:
    """Raise UsageError where a role hides what is no table or column of those."""
    for name in role.hide:
        if name not in known:
            raise UsageError(
                f"roles.{role.name}.hide names {name!r}, which is no table and no column of the published file"
                f"{did_you_mean(name, sorted(known))}"
            )


def _shown(table: str, columns: Collection[str], hide: Collection[str], pseudonym: Callable[[str], str]) -> list[str]:
    """What is selected of a table. Hidden ids become pseudonyms, and what else may hold them is emptied."""
    hides_ids = any(name in hide for name in IDS)
    emptied = {*_MADE_OF_IDS, _HOLD_IDS.get(table)} if hides_ids else set[str | None]()
    chosen: list[str] = []
    for name in columns:
        if name in IDS and hides_ids:
            chosen.append(f"{pseudonym(quoted(name))} as {quoted(name)}")
        elif name in emptied:
            chosen.append(f"cast(null as varchar) as {quoted(name)}")
        elif name not in hide:
            chosen.append(quoted(name))
    return chosen


def _copy(con: "duckdb.DuckDBPyConnection", name: str, chosen: Collection[str]) -> int:
    con.execute(f"create schema if not exists a.{quoted(name.split('.', maxsplit=1)[0])}")
    con.execute(f"create table a.{relation(name)} as select {', '.join(chosen)} from source.{relation(name)}")
    return count_rows(con, f"source.{relation(name)}")


def _copy_comments(con: "duckdb.DuckDBPyConnection") -> None:
    described = con.execute(
        "select there.schema_name || '.' || there.table_name, coalesce(t.comment, v.comment) from "
        "(select * from duckdb_tables() where database_name = 'a') as there "
        "left join (select * from duckdb_tables() where database_name = 'source') as t using (schema_name, table_name) "
        "left join (select * from duckdb_views() where database_name = 'source') as v "
        "on v.schema_name = there.schema_name and v.view_name = there.table_name"
    ).fetchall()
    describe(con, [("table", str(name), str(text)) for name, text in described if text is not None])
