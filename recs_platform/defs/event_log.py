"""Where a home's instance keeps its events: Dagster's SQLite files, with connections that stay open.

Dagster opens and closes a connection for each statement, and every close writes the whole log ahead into the file and
waits for the disk: 10 ms an event. See `docs/decisions/0003-one-check-a-test.md`.
"""
# Dagster and SQLAlchemy leave parts of this untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUntypedFunctionDecorator=false

import os
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.types.pagination import PaginatedResults
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.time import parse_instant

BUSY_SECONDS = 30
SETTING = "event_log_storage"


class EventLog(SqliteEventLogStorage):
    """The files and tables of Dagster's own storage, so that either can read what the other wrote.

    A commit is written, not waited for: a killed process loses nothing, a power cut may lose the last events of a run
    but leaves the files whole. The index and one run stay open at a time.
    """

    def __init__(self, home: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._tables: set[str] = set()
        # The folder that Dagster would choose itself.
        super().__init__(str(Path(home) / "history" / "runs"), inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {"home": dg.StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> "EventLog":
        return cls(str(config_value["home"]), inst_data)

    def has_table(self, table_name: str) -> bool:
        """Dagster opens the file for it hundreds of times a run; a table that was there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def get_dynamic_partitions(self, partitions_def_name: str) -> Sequence[str]:
        """In order of time; Dagster's own order is that in which they were added."""
        return sorted(super().get_dynamic_partitions(partitions_def_name), key=in_time)

    def get_paginated_dynamic_partitions(
        self, partitions_def_name: str, limit: int, ascending: bool, cursor: str | None = None
    ) -> PaginatedResults[str]:
        """Pages of the same order."""
        keys = self.get_dynamic_partitions(partitions_def_name)
        return PaginatedResults.create_from_sequence(keys, limit=limit, ascending=ascending, cursor=cursor)

    def wipe(self) -> None:
        self._close()
        super().wipe()

    def dispose(self) -> None:
        super().dispose()
        self._close()

    @contextmanager
    def _connect(self, shard: str) -> Generator[Connection, None, None]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            for other in [name for name in self._engines if "index" not in {name, shard}]:
                self._engines.pop(other).dispose()
            self._engines[shard] = _open(self.conn_string_for_shard(shard))
        return self._engines[shard]

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


def in_time(key: str) -> tuple[bool, float, str]:
    """Where a partition's key stands: by its instant, behind all others where it is none.

    >>> sorted(["2017-02-20T15", "2017-02-30", "2017-02-20", "2017-02-19"], key=in_time)
    ['2017-02-19', '2017-02-20', '2017-02-20T15', '2017-02-30']
    """
    try:
        return False, parse_instant(key).timestamp(), key
    except UsageError:
        return True, 0.0, key


def open_with_event_log(folder: Path) -> dg.DagsterInstance:
    """The instance of a Dagster folder, its events in an EventLog unless its dagster.yaml names another storage."""
    settings: dict[str, Any] = yaml.safe_load((folder / "dagster.yaml").read_text()) or {}
    if "storage" in settings or settings.get(SETTING, {}).get("class", EventLog.__name__) != EventLog.__name__:
        return dg.DagsterInstance.from_config(str(folder))
    ours = {"module": __name__, "class": EventLog.__name__, "config": {"home": os.fspath(folder)}}
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides={SETTING: ours}))


def _open(address: str) -> Engine:
    engine = create_engine(address, pool_size=1, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _without_waiting(connection: Any, _record: object) -> None:  # noqa: ANN401  a connection of sqlite3
        connection.execute("pragma synchronous = normal")

    return engine
