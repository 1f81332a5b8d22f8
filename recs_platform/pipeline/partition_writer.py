"""Frames into as-of partitions of the lake, counted and hashed on the way."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl
import pyarrow as pa

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import TableContract
from recs_platform.lake.column_types import arrow_schema
from recs_platform.lake.processes import is_abandoned, process_name
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.hashing import RunningHash
from recs_platform.warehouse.streaming import reader

_PARTS = "parts-"


@dataclass
class Written:
    """What went into a partition: rows, runs of users (exact where ordered by user), the first frame, a hash."""

    rows: int = 0
    users: int = 0
    version: int = 0
    content: str = ""
    preview: pl.DataFrame = field(default_factory=pl.DataFrame)


def write_frames(platform: Platform, contract: TableContract, frames: Iterable[pl.DataFrame], at: datetime) -> Written:
    """Replace the contract's partition `at` by the frames, streamed; `as_of` is added here."""
    return _write(platform, contract.name, arrow_schema(contract.columns), frames, at)


def write_together(
    platform: Platform,
    tables: Mapping[str, pa.Schema],
    parts: Iterable[Mapping[str, pl.DataFrame]],
    at: datetime,
) -> dict[str, Written]:
    """Replace the partition `at` of several tables by frames that come together, a frame of each in every part.

    `tables`: schemas by name. Parts are laid aside in files, and tables written one after another once the last has
    come: an error on the way replaces none. (Written side by side, three tables that wait for frames would hold all
    threads of the lake's writer on a machine of two cores, for ever.)
    """
    remove_leftovers(platform.home.temporary)
    prefix = f"{_PARTS}{process_name()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=platform.home.temporary) as folder:
        files: dict[str, list[Path]] = {name: [] for name in tables}
        for number, part in enumerate(parts):
            for name, laid in files.items():
                laid.append(Path(folder, f"{name}-{number}.parquet"))
                part[name].write_parquet(laid[-1], compression="lz4")
        return {
            name: _write(platform, name, tables[name], map(pl.read_parquet, laid), at) for name, laid in files.items()
        }


def remove_leftovers(temporary: Path) -> None:
    """Remove what killed processes laid aside; makes the folder where it is not there yet."""
    temporary.mkdir(parents=True, exist_ok=True)
    for folder in temporary.glob(f"{_PARTS}*"):
        if is_abandoned(folder.name.removeprefix(_PARTS)):
            shutil.rmtree(folder, ignore_errors=True)


def _write(platform: Platform, name: str, schema: pa.Schema, frames: Iterable[pl.DataFrame], at: datetime) -> Written:
    written, content = Written(), RunningHash()
    stamped = (frame.with_columns(pl.lit(at).dt.cast_time_unit("us").alias(c.AS_OF)) for frame in frames)
    counted = _counted(stamped, written, content)
    written.version = platform.lake.overwrite_as_of(name, reader(counted, schema), at)
    written.content = content.digest
    return written


def _counted(frames: Iterable[pl.DataFrame], written: Written, content: RunningHash) -> Iterator[pl.DataFrame]:
    for frame in frames:
        if written.rows == 0:
            written.preview = frame.head(10)
        written.rows += frame.height
        content.add(frame)
        if c.USER_ID in frame.columns:
            written.users += frame[c.USER_ID].n_unique()
        yield frame
