"""Writing tables into the published file: whole, or only what it lacks. Statements are in `published_statements`."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.warehouse import links
from recs_platform.warehouse.clauses import quoted, relation
from recs_platform.warehouse.database_files import count_rows
from recs_platform.warehouse.published_sources import TableSource, file_names
from recs_platform.warehouse.published_statements import (
    clear,
    create,
    create_from_rows,
    delete,
    delete_refused,
    insert,
    kinds,
    linked_scan,
    replace_lists,
    scan_table,
)
from recs_platform.warehouse.published_tables import Instead, PublishedTable

if TYPE_CHECKING:
    import duckdb

    from recs_platform.lake.tables import Lake

# Files by as_of or release; all under None where the table differs by neither.
_Partitions = Mapping[str | None, list[str]]


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
        there = kinds(con)
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
            clear(con, table, there)
            return create_from_rows(con, table)
        partitions = self._partitions(table)
        files = [file for each in partitions.values() for file in each]
        if not files:
            self._write_empty(con, table, there)
            return 0
        rows = sum(count_rows(con, scan_table(table, part, key)) for key, part in partitions.items() if part)
        if table.releases is None and table.refused is None and rows > self._rows_max:
            self._link(con, table, partitions, there)
            return rows
        self._bring_up_to_date(con, table, partitions, there)
        return rows if table.refused is None else delete_refused(con, table, table.refused)

    def _write_empty(self, con: "duckdb.DuckDBPyConnection", table: PublishedTable, there: Mapping[str, str]) -> None:
        now = self.sources[table.name] = TableSource(table.definition, {})
        if self._earlier.get(table.name) == now and there.get(table.name) == "table":
            self.untouched.append(table.name)
            return
        clear(con, table, there)
        create(con, "table", table, None)

    def _link(
        self, con: "duckdb.DuckDBPyConnection", table: PublishedTable, partitions: _Partitions, there: Mapping[str, str]
    ) -> None:
        clear(con, table, there)
        root, folder = self._lake.path(table.name), self._links / table.name
        linked = {key: links.link_files(files, root, folder) for key, files in partitions.items() if files}
        create(con, "view", table, linked_scan(table, linked))
        self.linked.append(table.name)

    def _write_view(self, con: "duckdb.DuckDBPyConnection", table: PublishedTable, there: Mapping[str, str]) -> int:
        earlier = self._earlier.get(table.name)
        self.sources[table.name] = TableSource(table.definition, {})
        con.execute("use a")  # names in a view are those of its own file
        if earlier is None or earlier.definition != table.definition or there.get(table.name) != "view":
            clear(con, table, there)
            create(con, "view", table, f"({table.view})")
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
        now = self.sources[table.name] = TableSource(table.definition, names, _refusing(table))
        earlier = self._earlier.get(table.name) if there.get(table.name) == "table" else None
        known = earlier.partitions if earlier is not None and _goes_on(earlier, now) else None
        if known is None or (table.key is None and not set(known.get(None, ())) <= set(names[None])):
            clear(con, table, there)
            whole = [file for files in partitions.values() for file in files]
            create(con, "table", table, scan_table(table, whole) if table.releases is None else None)
            for release, files in (table.releases or {}).items():
                insert(con, table, release, [str(file) for file in files])
        elif known == names:
            self.untouched.append(table.name)
        elif table.key is not None:
            for key in [key for key in {**known, **names} if known.get(key) != names.get(key)]:
                files = partitions.get(key, [])
                apart = self._apart(table, files, known.get(key, ()), names.get(key, ()))
                if apart is not None:
                    replace_lists(con, table, str(key), files, apart)
                    continue
                delete(con, table, [key] if key in known else [])
                insert(con, table, key, files)
        else:
            new = set(names[None]) - set(known.get(None, ()))
            insert(con, table, None, [file for file in partitions[None] if file_names([file], folder)[0] in new])

    def _apart(
        self, table: PublishedTable, files: Sequence[str], before: Sequence[str], now: Sequence[str]
    ) -> list[str] | None:
        """Files with rows in the place of others that came or went; None where more than that did, or one is gone."""
        folder = self._folder(table)
        if table.releases is None or not files or not set(file_names(files, folder)) <= set(before):
            return None
        named = {name: folder / name.rsplit(" ", 2)[0] for name in set(before) ^ set(now)}
        are_there = all(path.exists() and file_names([str(path)], folder) == (name,) for name, path in named.items())
        return sorted(map(str, named.values())) if are_there else None

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


def _files_of(instead: Instead) -> list[str]:
    return [str(file) for file in (instead.of, instead.rows) if file is not None]


def _refusing(table: PublishedTable) -> tuple[str, ...]:
    return () if table.refused is None else tuple(sorted(table.refused.keys))


def _goes_on(earlier: TableSource, now: TableSource) -> bool:
    """Whether rows of before may stay: columns are the same, and nobody's list was left out who refuses it no more."""
    return earlier.definition == now.definition and set(earlier.refused) <= set(now.refused)
