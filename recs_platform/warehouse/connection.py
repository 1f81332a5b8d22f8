"""DuckDB connections with memory and thread limits, in UTC. What is asked of them is the runner's and stages' work."""

import os
import shutil
import threading
import uuid
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from recs_platform.lake.processes import is_abandoned, process_name
from recs_platform.warehouse.clauses import text_literal

if TYPE_CHECKING:
    import duckdb

_SPILL = "spill-"
# No schema may have the name: `name.table` would mean either.
_LENT = "_lent"
_IDLE_MAX = 2
_ATTACHED = 2  # the instance's own and the one that is lent
_HELD_BYTES_MAX = 2**25


def connect(*, memory_limit_gb: float, threads: int, temporary: Path | None = None) -> "duckdb.DuckDBPyConnection":
    """Open an in-memory database whose cursors share its tables, views and settings.

    Args:
        memory_limit_gb: DuckDB's own share, in GB (10**9 bytes).
        threads: cores it may use.
        temporary: folder under which it spills what does not fit, in a folder of its own that it removes again;
            None means it may not spill.
    """
    return _open(memory_limit_gb, threads, None if temporary is None else _spill_folder(temporary))


def _open(
    memory_limit_gb: float, threads: int, spill: Path | None, *, is_kept: bool = False
) -> "duckdb.DuckDBPyConnection":
    import duckdb

    con = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory_limit_gb}GB",
            "threads": threads,
            "temp_directory": "" if spill is None else str(spill),
            "autoinstall_known_extensions": False,
            "preserve_insertion_order": True,
            # Without them, what was freed stays with the process until the instance is closed.
            "allocator_background_threads": is_kept,
        },
    )
    # A plain SET stays in one session: cursors of this connection would fall back to the machine's time zone.
    con.execute("set global TimeZone = 'UTC'")
    con.execute("set TimeZone = 'UTC'")
    # DuckDB draws its own bar over ours wherever the main module has no file, as in a run that Dagster starts.
    con.execute("set enable_progress_bar = false")
    return con


@dataclass
class _Database:
    """An instance of DuckDB, which nobody else uses, and what it was told."""

    root: "duckdb.DuckDBPyConnection"
    memory_limit_gb: float
    threads: int
    temporary: Path
    spill: Path


class _Idle:
    """Databases that nobody uses now, the one that was given back last at the end."""

    def __init__(self) -> None:
        self._databases: list[_Database] = []
        self._of_parent: list[_Database] = []
        self._lock = threading.Lock()

    def take(self, threads: int) -> _Database | None:
        with self._lock:
            usable = [each for each in self._databases if each.threads == threads]
            if usable:
                self._databases.remove(usable[-1])
            return usable[-1] if usable else None

    def put(self, database: _Database) -> _Database | None:
        """Keep a database; returns the one that is too many now."""
        with self._lock:
            self._databases.append(database)
            return self._databases.pop(0) if len(self._databases) > _IDLE_MAX else None

    def leave_to_parent(self) -> None:
        """In a forked child: instances have lost their threads, and to close one would wait for them for ever."""
        self._of_parent += self._databases
        self._databases, self._lock = [], threading.Lock()


_idle = _Idle()
os.register_at_fork(after_in_child=_idle.leave_to_parent)
_lent: "weakref.WeakSet[duckdb.DuckDBPyConnection]" = weakref.WeakSet()


@contextmanager
def lend(
    *, memory_limit_gb: float, threads: int, temporary: Path
) -> "Generator[duckdb.DuckDBPyConnection, None, None]":
    """As `connect`, closed at the end, in a fraction of the time: a small build opens a hundred.

    To start DuckDB takes 12 ms, an empty database in one that runs takes 1 ms. Of those that are given back a process
    keeps two, without what they held; one that held much, that spilled, that attached another file or whose user failed
    is closed. Cursors: see `open_cursor`.
    """
    database = _take(memory_limit_gb, threads, temporary)
    con = database.root.cursor()
    try:
        con.execute(f"attach ':memory:' as {_LENT}; use {_LENT}")
        _lent.add(con)
        yield con
    except BaseException:
        con.close()
        database.root.close()
        raise
    con.close()
    _give_back(database)


def open_cursor(con: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyConnection":
    """Another connection to the tables of this one, which may stream while that one is asked."""
    opened = con.cursor()
    if con in _lent:
        opened.execute(f"use {_LENT}")
        _lent.add(opened)
    return opened


def _take(memory_limit_gb: float, threads: int, temporary: Path) -> _Database:
    """A database of these limits: an idle one where there is any, else a new one."""
    database = _idle.take(threads)
    if database is None:
        spill = _spill_folder(temporary)
        root = _open(memory_limit_gb, threads, spill, is_kept=True)
        return _Database(root, memory_limit_gb, threads, temporary, spill)
    if database.temporary != temporary:
        database.temporary, database.spill = temporary, _spill_folder(temporary)
        database.root.execute(f"set temp_directory = {text_literal(str(database.spill))}")
    if database.memory_limit_gb != memory_limit_gb:
        database.memory_limit_gb = memory_limit_gb
        database.root.execute(f"set memory_limit = '{memory_limit_gb}GB'")
    database.root.execute("set enable_external_file_cache = true")
    temporary.mkdir(parents=True, exist_ok=True)
    return database


def _give_back(database: _Database) -> None:
    held, attached = database.root.execute(
        "select sum(memory_usage_bytes), (select count(*) from duckdb_databases() where not internal) "
        "from duckdb_memory()"
    ).fetchall()[0]
    # Parquet that was read stays in memory until the cache of files is switched off.
    database.root.execute(f"detach {_LENT}; set enable_external_file_cache = false")
    if held > _HELD_BYTES_MAX or attached > _ATTACHED or database.spill.exists():
        database.root.close()
        return
    surplus = _idle.put(database)
    if surplus is not None:
        surplus.root.close()


def _spill_folder(temporary: Path) -> Path:
    """A name nobody else uses: two databases that spill into one folder overwrite each other's files.

    What killed processes spilled is removed: DuckDB removes its folder only when it is closed.
    """
    temporary.mkdir(parents=True, exist_ok=True)
    for folder in temporary.glob(f"{_SPILL}*"):
        if is_abandoned(folder.name.removeprefix(_SPILL)):
            shutil.rmtree(folder, ignore_errors=True)
    return temporary / f"{_SPILL}{process_name()}-{uuid.uuid4().int % 10**8}"
