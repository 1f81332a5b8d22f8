"""Frames into as-of partitions of the lake, counted and hashed on the way."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from queue import Empty, Full, Queue
from threading import Event

import polars as pl
import pyarrow as pa

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import TableContract
from recs_platform.lake.column_types import arrow_schema
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.hashing import RunningHash
from recs_platform.warehouse.streaming import reader

# Frames of one table that wait to be written.
_WAITING = 2
_POLL_SECONDS = 0.2


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
    """Replace the partition `at` of several tables by frames that come together, each table written as they come.

    `tables`: schemas by name; each part has a frame of each. No table is replaced before the last part has come; an
    error of a part, or of one table's writing, ends the writing of all.
    """
    queues = {name: Queue[pl.DataFrame | None](_WAITING) for name in tables}
    failed = Event()
    with ThreadPoolExecutor(len(tables)) as pool:
        writing = {
            name: pool.submit(_write, platform, name, schema, _taken(queues[name], failed), at)
            for name, schema in tables.items()
        }
        try:
            for part in parts:
                for name, queue in queues.items():
                    _put(queue, part[name], writing)
            for queue in queues.values():
                _put(queue, None, writing)
        except BaseException:
            failed.set()
            raise
        return {name: future.result() for name, future in writing.items()}


class _Abandoned(RuntimeError):
    """The frames of a table ended early: what was written so far must not replace anything."""


def _put(queue: Queue[pl.DataFrame | None], frame: pl.DataFrame | None, writing: Mapping[str, Future[Written]]) -> None:
    """Wait for room; raises the error of a table whose writing ended."""
    while True:
        for future in writing.values():
            if future.done():
                future.result()
        try:
            queue.put(frame, timeout=_POLL_SECONDS)
        except Full:
            continue
        return


def _taken(queue: Queue[pl.DataFrame | None], failed: Event) -> Iterator[pl.DataFrame]:
    while True:
        try:
            frame = queue.get(timeout=_POLL_SECONDS)
        except Empty:
            if failed.is_set():
                raise _Abandoned from None
            continue
        if frame is None:
            return
        yield frame


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
