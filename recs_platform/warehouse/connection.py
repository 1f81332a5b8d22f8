"""DuckDB connections with memory and thread limits, in UTC. What is asked of them is the runner's and stages' work."""

import shutil
import uuid
from pathlib import Path

import duckdb

from recs_platform.lake.processes import is_abandoned, process_name

_SPILL = "spill-"


def connect(*, memory_limit_gb: float, threads: int, temporary: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database whose cursors share its tables, views and settings.

    Args:
        memory_limit_gb: DuckDB's own share, in GB (10**9 bytes).
        threads: cores it may use.
        temporary: folder under which it spills what does not fit, in a folder of its own that it removes again;
            None means it may not spill.
    """
    con = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory_limit_gb}GB",
            "threads": threads,
            "temp_directory": "" if temporary is None else str(_spill_folder(temporary)),
            "autoinstall_known_extensions": False,
            "preserve_insertion_order": True,
        },
    )
    # A plain SET stays in one session: cursors of this connection would fall back to the machine's time zone.
    con.execute("set global TimeZone = 'UTC'")
    con.execute("set TimeZone = 'UTC'")
    # DuckDB draws its own bar over ours wherever the main module has no file, as in a run that Dagster starts.
    con.execute("set enable_progress_bar = false")
    return con


def _spill_folder(temporary: Path) -> Path:
    """A name nobody else uses: two databases that spill into one folder overwrite each other's files.

    What killed processes spilled is removed: DuckDB removes its folder only when it is closed.
    """
    temporary.mkdir(parents=True, exist_ok=True)
    for folder in temporary.glob(f"{_SPILL}*"):
        if is_abandoned(folder.name.removeprefix(_SPILL)):
            shutil.rmtree(folder, ignore_errors=True)
    return temporary / f"{_SPILL}{process_name()}-{uuid.uuid4().int % 10**8}"
