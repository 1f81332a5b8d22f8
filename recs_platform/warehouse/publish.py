"""Builds analytics.duckdb aside and moves it into place: its readers are never disturbed.

What is published, and when, is decided by the releases stage; its tables are written in `published_writer`; asking the
file is done in `query`.
"""
# ruff: noqa: S608  names and types come from contracts and model files and are quoted

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import ContractError, NotReady, UsageError
from recs_platform.lake.locks import exclusive
from recs_platform.warehouse import links
from recs_platform.warehouse.clauses import quoted, relation
from recs_platform.warehouse.database_files import count_rows, move_into_place, remove_half_written, written_aside
from recs_platform.warehouse.database_options import DatabaseOptions
from recs_platform.warehouse.encryption import attach_read_only
from recs_platform.warehouse.other_writers import opening, set_aside_logs
from recs_platform.warehouse.published_macros import write_macros
from recs_platform.warehouse.published_sources import TableSource, read_sources, write_sources
from recs_platform.warehouse.published_statements import describe
from recs_platform.warehouse.published_tables import PublishedTable
from recs_platform.warehouse.published_writer import TableWriter

if TYPE_CHECKING:
    import duckdb

    from recs_platform.lake.tables import Lake

FILES_FOLDER = "files"
LINKED_PUBLISHES_KEPT = 2
READ_ONLY = 0o444


@dataclass(frozen=True)
class PublishReport:
    """What was published: rows by table, and which tables are views over linked files.

    `set_aside` has a sentence for each foreign log that lay beside the file, and for each damaged release that is not
    in it. `untouched`: tables of the lake that had
    not changed since the publish before, and were not read.
    """

    path: Path
    publish_id: str
    table_rows: Mapping[str, int]
    linked: tuple[str, ...]
    size_bytes: int
    set_aside: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()


def publish(
    lake: "Lake",
    target: Path,
    *,
    tables: Sequence[PublishedTable],
    options: DatabaseOptions,
    rows_max: int,
    as_ofs_max: int,
    publish_id: str,
    keep_older: bool = True,
    others_stay: bool = False,
) -> PublishReport:
    """Write `tables` into a new file and put it in the place of `target`; processes that read the old one keep it.

    Tables that differ by as_of keep their newest `as_ofs_max` instants. A table of the lake beyond `rows_max` rows
    becomes a view over links to its files in `files/<publish_id>` beside `target`, named absolutely: publishing again
    repairs a moved home. The links of the publish before stay for its readers.

    What has not changed since the publish before is copied with its file, and not read again; a file that anybody wrote
    to meanwhile is not built upon. Without `keep_older` (after rows were deleted) all is read, and older links go too.
    With `others_stay`, tables of the file that are not among `tables` stay as they are; NotReady where there is no file
    to build upon.

    One publish at a time; the next one removes what a killed one left. The new file is read-only and is held against
    what was to be written before it is moved. Raises ContractError when given rows lack a column or the new file has
    other rows; columns newer than a lake table's files are NULL.
    """
    new_file = _NewFile(
        lake,
        target.absolute(),
        tables,
        options,
        rows_max=rows_max,
        as_ofs_max=as_ofs_max,
        publish_id=publish_id,
        links_kept=LINKED_PUBLISHES_KEPT if keep_older else 1,
        others_stay=others_stay,
    )
    with exclusive(new_file.target.parent / "publish.lock"):
        return new_file.write_on_top_of(read_sources(new_file.target) if keep_older else None)


@dataclass(frozen=True)
class _NewFile:
    """The file that a publish writes, and what it is told of it; see `publish`."""

    lake: "Lake"
    target: Path
    tables: Sequence[PublishedTable]
    options: DatabaseOptions
    rows_max: int
    as_ofs_max: int
    publish_id: str
    links_kept: int
    others_stay: bool

    def write_on_top_of(self, earlier: Mapping[str, TableSource] | None) -> PublishReport:
        """Go on with the published file, whose tables come from `earlier`; from nothing where it cannot be built upon.

        Whatever is wrong with it, the lake has all its rows.
        """
        import duckdb

        try:
            return self._write(earlier)
        except (duckdb.Error, ContractError):
            if earlier is None:
                raise
        return self._write(None)

    def _write(self, earlier: Mapping[str, TableSource] | None) -> PublishReport:
        target = self.target
        _remove_leftovers(target)
        if self.others_stay and earlier is None:
            raise NotReady(f"{target} cannot be built upon; publish all of it")
        folder = links.unused_folder(target.parent / FILES_FOLDER, self.publish_id)
        writer = TableWriter(self.lake, self.as_ofs_max, self.rows_max, folder, earlier or {})
        with written_aside(
            target,
            lambda con: self._fill(con, writer, is_copy=earlier is not None),
            self.options,
            base=None if earlier is None else target,
        ) as (building, table_rows):
            building.chmod(READ_ONLY)
            links.seal(folder)
            set_aside = move_into_place(building, target)
        write_sources(target, {**(earlier or {}), **writer.sources} if self.others_stay else writer.sources)
        if not self.others_stay:
            links.drop_older(folder, kept=self.links_kept)
        linked, untouched = tuple(writer.linked), tuple(writer.untouched)
        size = target.stat().st_size
        return PublishReport(target, self.publish_id, table_rows, linked, size, tuple(set_aside), untouched)

    def _fill(self, con: "duckdb.DuckDBPyConnection", writer: TableWriter, *, is_copy: bool) -> dict[str, int]:
        if is_copy and read_sources(self.target) is None:
            raise ContractError(f"another program wrote to {self.target} while it was copied")
        rows = writer.write(con, self.tables, others_stay=self.others_stay)
        write_macros(con)
        return rows


def export(
    source: Path,
    target: Path,
    options: DatabaseOptions,
    *,
    say: Callable[[str], None],
) -> dict[str, int]:
    """Copy a published file into one that needs no other file, views turned into tables; returns rows by table.

    The copy has the key of the published file, where that has one, and is its owner's to write to. `say` is called for
    foreign logs that were set aside. Raises NotReady when nothing was published, UsageError when `target` cannot be a
    file of its own, ContractError when the copy has other rows.
    """
    if not source.is_file():
        raise NotReady(f"nothing is published at {source}; run `recs run` or `recs publish` first")
    target = target.absolute()
    _require_own_file(source, target)
    for sentence in set_aside_logs(source):
        say(sentence)

    def fill(con: "duckdb.DuckDBPyConnection") -> dict[str, int]:
        with opening(source):
            attach_read_only(con, source, "source", options.cipher)
        rows = {name: _copy(con, name) for name in _relations(con)}
        _copy_comments(con)
        con.execute("detach source")
        write_macros(con)
        return rows

    with written_aside(target, fill, options) as (building, rows):
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
    of_tables = [("table", str(name), str(text)) for name, text in tables]
    describe(con, [*of_tables, *(("column", str(name), str(text)) for name, text in columns)])


def _remove_leftovers(target: Path) -> None:
    """What a killed publish left: half-built files, and links that no published file names."""
    remove_half_written(target)
    links.remove_unsealed(target.parent / FILES_FOLDER)
