"""Record batches on their way between DuckDB, models and the lake: regrouped, never collected."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa

from recs_platform.warehouse.hashing import RunningHash


class CountedReader:
    """A stream whose rows are counted and hashed as they pass."""

    def __init__(self, source: pa.RecordBatchReader) -> None:
        self.rows = 0
        self.content = RunningHash()
        self._source = source

    def reader(self) -> pa.RecordBatchReader:
        """The stream, to be read once."""
        return pa.RecordBatchReader.from_batches(self._source.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self._source:
            self.rows += batch.num_rows
            self.content.add(pl.DataFrame(pl.from_arrow(batch)))
            yield batch


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
