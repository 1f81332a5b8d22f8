"""Delta tables under one folder: write, replace, delete, look up files and history. What rows mean lives upstairs."""

# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import json
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import Busy, ContractError, NotReady, UsageError
from recs_platform.lake.disk import flush
from recs_platform.lake.locks import exclusive
from recs_platform.lake.protocol import is_table, open_table, rebuilding
from recs_platform.lake.schemas import RowStream, require_fit, stored_schema
from recs_platform.lake.snapshots import SNAPSHOTS
from recs_platform.lake.whole_files import whole_parquet

if TYPE_CHECKING:
    from recs_platform.lake.schemas import Rows

_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.05
WEEK_HOURS = 168


@dataclass(frozen=True)
class Lake:
    """Delta tables named `schema.table`, each in `root/<schema>/<table>`.

    Every change is one atomic commit. Changes to one table wait for each other, in this process and in others, because
    rows that stream in once cannot be sent again after a lost race; readers never wait. Rows may be an Arrow table, a
    Polars frame, or an Arrow stream, which is never collected. All columns are stored nullable, instants as
    `timestamp[us, UTC]`, unsigned integers as the next wider signed type; timestamps without a zone are refused.

    Raises UsageError when `root` has a `%` in it: delta-rs cannot find its files there; any method, ContractError for
    a table that another program gave deletion vectors or column mapping.
    """

    root: Path

    def __post_init__(self) -> None:
        if "%" in str(self.root.absolute()):
            raise UsageError(
                f"the lake cannot lie in {self.root}: a folder in its path has a '%' in its name; rename it"
            )

    def path(self, name: str) -> Path:
        """Absolute folder of a table, whether it exists or not."""
        schema, table = name.split(".")
        return self.root.absolute() / schema / table

    def exists(self, name: str) -> bool:
        folder = self.path(name)
        return SNAPSHOTS.newest(folder) is not None or is_table(folder)

    def names(self) -> list[str]:
        """All tables present, sorted."""
        found = (
            f"{folder.parent.name}.{folder.name}" for folder in self.root.absolute().glob("*/*") if folder.is_dir()
        )
        return sorted(name for name in found if name.count(".") == 1 and self.exists(name))

    def version(self, name: str) -> int:
        """Newest Delta version. Raises NotReady if the table is absent."""
        return self._open(name).version()

    def files(
        self,
        name: str,
        version: int | None = None,
        as_of: datetime | None = None,
        *,
        before: datetime | None = None,
    ) -> list[str]:
        """Absolute paths of the table's Parquet files, sorted, from the log alone.

        `as_of` picks that partition's, `before` those of every earlier as_of. Raises NotReady if the table is absent,
        ContractError for a file that is cut off or gone.
        """
        table = self._open(name, version)
        predicate = _is_as_of(as_of) if as_of is not None else before and _is_as_of(before, "<")
        depth = len(PurePosixPath(urlsplit(table.table_uri).path).parts)
        # delta-rs percent-encodes the folders above the table, which names no file when they hold a space.
        inside = (PurePosixPath(uri).parts[depth:] for uri in table.file_uris(file_pruning_predicate=predicate))
        files = sorted(self.path(name).joinpath(*parts) for parts in inside)
        return [str(whole_parquet(file, f"or {rebuilding(name)}")) for file in files]

    def arrow_schema(self, name: str, version: int | None = None) -> pa.Schema:
        """Columns and stored types. Raises NotReady if the table is absent."""
        return _schema(self._open(name, version))

    def column_names(self, name: str) -> list[str]:
        """Columns in their order. Raises NotReady if the table is absent."""
        return [str(column) for column in self.arrow_schema(name).names]

    def append(
        self,
        name: str,
        data: "Rows",
        *,
        partition_by: Sequence[str] = (),
        transaction: tuple[str, int] | None = None,
    ) -> int:
        """Add rows, and columns the table lacks; returns the new version. Creates the table, also from no rows.

        `transaction` = (app id, number) is recorded with the commit, and enforced by nobody: see transaction_version.
        Raises ContractError where a stored column is missing or has another type.
        """
        return self._write(name, data, _Change("append", tuple(partition_by), transaction=transaction))

    def overwrite(
        self,
        name: str,
        data: "Rows",
        *,
        partition_by: Sequence[str] = (),
        transaction: tuple[str, int] | None = None,
    ) -> int:
        """Replace the whole table, its columns and partitioning included; returns the new version."""
        return self._write(name, data, _Change("overwrite", tuple(partition_by), transaction=transaction))

    def overwrite_as_of(self, name: str, data: "Rows", as_of: datetime) -> int:
        """Replace the partition `as_of` by `data`, whose `as_of` column holds that instant only; returns the version.

        No rows empty the partition. An absent table is created, partitioned by as_of. Columns the table lacks are
        added. Raises ContractError where a stored column is missing or has another type, or a row has another as_of.
        """
        return self._write(name, data, _Change("overwrite", (c.AS_OF,), as_of=as_of))

    def delete_as_of(self, name: str, as_of: datetime) -> int:
        """Empty the partition `as_of`; returns the version, unchanged when it held no rows or the table is absent."""
        return self.delete(name, _is_as_of(as_of)) if self.exists(name) else -1

    def adopt(
        self,
        name: str,
        files: Sequence[Path],
        *,
        prefix: str,
        replace: bool = False,
        transaction: tuple[str, int] | None = None,
    ) -> int:
        """Make Parquet files part of an unpartitioned table as they are, in place of its rows with `replace`.

        No row is read: the files are linked into the table's folder, under their names after `prefix`, and named in
        one commit. They must hold stored types, as DuckDB writes them. `prefix` must never have been used before but
        by a call that crashed: files of that name are replaced. Raises ContractError where columns are not the table's.
        """
        # Readers do without it, and without what it loads of Arrow.
        from recs_platform.lake.adoption import adopt_files

        with self._alone(name):
            return adopt_files(self.path(name), name, files, prefix=prefix, replace=replace, transaction=transaction)

    def delete(self, name: str, predicate: str) -> int:
        """Delete the rows that satisfy the SQL predicate; returns the version, unchanged when there were none."""
        with self._alone(name):
            _retry(name, lambda: self._open_to_change(name).delete(predicate))
            return self.version(name)

    def transaction_version(self, name: str, app_id: str) -> int:
        """Greatest number written under `app_id`; -1 when there is none or the table is absent."""
        if not self.exists(name):
            return -1
        number = self._open(name).transaction_version(app_id)
        return -1 if number is None else number

    def as_ofs(self, name: str) -> list[datetime]:
        """Instants (UTC) whose partition holds rows, ascending, from the log alone; none for an absent table."""
        if not self.exists(name):
            return []
        found = {datetime.fromisoformat(partition[c.AS_OF]) for partition in self._open(name).partitions()}
        return sorted(instant.replace(tzinfo=UTC) for instant in found)

    def history(self, name: str) -> list[dict[str, Any]]:
        """Commits, newest first, as Delta describes them. Raises NotReady if the table is absent."""
        return self._open(name).history()

    def vacuum(self, name: str, *, retention_hours: int = WEEK_HOURS) -> list[str]:
        """Delete files that no version younger than the retention names; returns their names inside the table.

        With 0 hours nothing deleted can be read again, and a reader of an older version loses its files.
        """
        with self._alone(name):
            return self._open_to_change(name).vacuum(retention_hours, dry_run=False, enforce_retention_duration=False)

    def flush(self, name: str, version: int) -> None:
        """Return once what `version` added (data files and log entry) would survive a power cut."""
        folder = self.path(name)
        entry = folder / "_delta_log" / f"{version:020d}.json"
        actions = [json.loads(line) for line in entry.read_text(encoding="utf-8").splitlines()]
        added = [folder / unquote(action["add"]["path"]) for action in actions if "add" in action]
        flush([*added, *sorted({file.parent for file in added}), entry, entry.parent, folder])

    def _open(self, name: str, version: int | None = None) -> DeltaTable:
        """The table to read from; it is shared."""
        self._require(name)
        return SNAPSHOTS.read(self.path(name), name, version)

    def _open_to_change(self, name: str) -> DeltaTable:
        self._require(name)
        return open_table(self.path(name), name)

    def _require(self, name: str) -> None:
        if not self.exists(name):
            first = "recs ingest" if name.startswith("raw.") else "recs run"
            raise NotReady(f"{name} has not been built in {self.root}; run `{first}` first")

    @contextmanager
    def _alone(self, name: str) -> Generator[None, None, None]:
        with exclusive(self.root.absolute() / "_locks" / f"{name}.lock"):
            yield

    def _write(self, name: str, data: "Rows", change: "_Change") -> int:
        with self._alone(name):
            table = self._open(name) if self.exists(name) else None
            if isinstance(data, pa.RecordBatchReader):
                stream = RowStream(name, data, change.as_of)
                try:
                    self._commit(name, table, stream, change)
                except CommitFailedError as error:
                    raise Busy(
                        f"another program changed {name} while it was written; nothing was; try again"
                    ) from error
            else:
                _retry(name, lambda: self._commit(name, table, RowStream(name, data, change.as_of), change))
            return self.version(name)

    def _commit(self, name: str, table: DeltaTable | None, stream: RowStream, change: "_Change") -> None:
        if table is not None and not change.is_whole:
            require_fit(name, _schema(table), stream.schema)
        try:
            write_deltalake(
                self.path(name),
                stream.reader(),
                mode=change.mode,  # pyright: ignore[reportArgumentType] - its overloads want the mode as a literal
                partition_by=list(change.partition_by) if table is None or change.is_whole else None,
                schema_mode="overwrite" if change.is_whole else "merge",
                predicate=None if change.as_of is None else _is_as_of(change.as_of),
                commit_properties=change.properties,
            )
        except DeltaError as error:
            if stream.error is not None:
                raise stream.error from error
            raise


@dataclass(frozen=True)
class _Change:
    """How rows enter a table: added, in place of everything, or in place of one as_of."""

    mode: Literal["append", "overwrite"]
    partition_by: tuple[str, ...]
    as_of: datetime | None = None
    transaction: tuple[str, int] | None = None

    @property
    def is_whole(self) -> bool:
        return self.mode == "overwrite" and self.as_of is None

    @property
    def properties(self) -> CommitProperties | None:
        return self.transaction and CommitProperties(app_transactions=[Transaction(*self.transaction)])


def _schema(table: DeltaTable) -> pa.Schema:
    return stored_schema(pa.schema(table.schema().to_arrow()))


def _is_as_of(instant: datetime, compared: str = "=") -> str:
    if instant.tzinfo is None:
        raise ContractError(f"as_of {instant} has no time zone; give it in UTC")
    return f"{c.AS_OF} {compared} '{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z'"


def _retry(name: str, commit: Callable[[], object]) -> None:
    """Commit again after losing to another program (ours wait for each other). Raises Busy after six attempts."""
    for attempt in range(_ATTEMPTS):
        try:
            commit()
        except CommitFailedError as error:
            if attempt == _ATTEMPTS - 1:
                raise Busy(f"another program keeps changing {name}; nothing was written; try again") from error
            time.sleep(_FIRST_PAUSE_SECONDS * 2**attempt)
        else:
            return
