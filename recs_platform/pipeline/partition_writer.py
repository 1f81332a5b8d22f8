"""Frames into as-of partitions of the lake, counted and hashed on the way."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import TableContract
from recs_platform.lake.column_types import arrow_schema
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.hashing import RunningHash
from recs_platform.warehouse.streaming import reader


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
    written, content = Written(), RunningHash()
    schema = arrow_schema(contract.columns)
    stamped = (frame.with_columns(pl.lit(at).dt.cast_time_unit("us").alias(c.AS_OF)) for frame in frames)
    written.version = platform.lake.overwrite_as_of(
        contract.name, reader(_counted(stamped, written, content), schema), at
    )
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
