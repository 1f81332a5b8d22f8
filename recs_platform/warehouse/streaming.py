"""Record batches on their way between DuckDB, models and the lake: regrouped, never collected."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa


def whole_groups(batches: Iterable[pl.DataFrame], key: str, *, rows: int) -> Iterator[pl.DataFrame]:
    """Regroup frames ordered by `key` into frames of about `rows` rows that never split a key's rows."""
    held: list[pl.DataFrame] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.height
        if count >= rows:
            frame = pl.concat(held)
            is_last = frame[key] == frame[key][-1]
            whole, rest = frame.filter(~is_last), frame.filter(is_last)
            held, count = [rest], rest.height
            if whole.height:
                yield whole
    if count:
        yield pl.concat(held)


def frames(reader: pa.RecordBatchReader) -> Iterator[pl.DataFrame]:
    """Each record batch as a Polars frame, without copying."""
    for batch in reader:
        frame = pl.from_arrow(batch)
        if isinstance(frame, pl.DataFrame) and frame.height:
            yield frame


def reader(frames: Iterable[pl.DataFrame], schema: pa.Schema) -> pa.RecordBatchReader:
    """Polars frames as one stream with exactly `schema` (columns picked and cast by name)."""

    def batches() -> Iterator[pa.RecordBatch]:
        for frame in frames:
            yield from frame.select(schema.names).to_arrow().cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())
