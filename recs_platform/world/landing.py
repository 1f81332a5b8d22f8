"""A world's files for landing, whole or not at all, named by the world's key. The truth stays in `truth`."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from recs_platform.world.config import DAY_MS, WorldConfig
from recs_platform.world.simulation import World

_ROW_GROUP = 131_072


def write_landing(world: World, folder: Path) -> list[Path]:
    """Write events (Parquet, a file a span of time), items and users (JSON lines) into `folder`; return sorted paths.

    Each file is written aside under a name that starts with a dot, then renamed. The same world gives the same names
    and bytes; another world adds files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = world.config.key
    written = [
        write_whole(folder / f"items-{key}.jsonl", world.items.write_ndjson),
        write_whole(folder / f"users-{key}.jsonl", world.users.write_ndjson),
    ]
    start = 0
    for number, rows in enumerate(world.file_rows):
        part = world.events.slice(start, rows)
        written.append(
            write_whole(folder / f"events-{key}-{_first_day(world.config, number)}.parquet", parquet_writer(part))
        )
        start += rows
    return sorted(written)


def _first_day(config: WorldConfig, number: int) -> str:
    first_ms = config.start_ms + number * config.days * DAY_MS // config.event_files
    return f"{datetime.fromtimestamp(first_ms / 1000, UTC):%Y%m%d}"


def parquet_writer(part: pl.DataFrame) -> Callable[[Path], None]:
    """A function that writes the rows to a path, the same bytes each time."""

    def write(path: Path) -> None:
        part.write_parquet(path, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP)

    return write


def write_whole(path: Path, write: Callable[[Path], None]) -> Path:
    """Write aside under a name that starts with a dot, then rename; returns the path."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path
