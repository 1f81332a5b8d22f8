"""What this machine can do at best, measured in the same run: a copy of memory, a product of matrices, a Parquet scan.

A floor is one plain pass over what the step works on: a yardstick that says how far from the machine a step is, and how
that changes with size. A step that keeps partial results can be faster than it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from recs_platform.contracts.tables import EVENTS

if TYPE_CHECKING:
    from recs_platform.pipeline.platform import Platform

FloorKind = Literal["scan", "product", "copy"]
FACTORS = 64
ROW_BYTES = 256
MEANING: dict[FloorKind, str] = {
    "scan": "user, item, type and time of every event read once from Parquet",
    "product": f"one product of all users x {FACTORS} factors x all items",
    "copy": f"the rows of the step copied once in memory, {ROW_BYTES} bytes a row",
}
_COPY_BYTES = 256 * 2**20
_SIDE = 2048
_TRIALS = 3
# Beside a smaller one every step is thousands of times as slow.
_SECONDS_MIN = 0.001


@dataclass(frozen=True)
class Floors:
    """Rates of the machine: bytes copied, multiplications and additions, and events scanned, a second each."""

    copied_bytes: float
    flops: float
    scanned_rows: float

    def seconds(self, kind: FloorKind, *, events: int, users: int, items: int, rows: int | None) -> float | None:
        """Seconds of one pass of the kind; None where that is below a millisecond, or the rows are not known."""
        least = {
            "scan": events / self.scanned_rows,
            "product": 2.0 * users * items * FACTORS / self.flops,
            "copy": (rows or 0) * ROW_BYTES / self.copied_bytes,
        }[kind]
        return least if least >= _SECONDS_MIN else None


def measure_floors(platform: "Platform") -> Floors:
    """Measure the rates; the scan is of the home's events, with the threads and memory of the settings."""
    files = platform.lake.files(EVENTS.name)
    query = "select count(*), max(user_id), max(item_id), max(event_type), max(occurred_at) from read_parquet(?)"
    with platform.connection() as con:
        row = con.execute(query, [files]).fetchone()
        seconds = _best(lambda: con.execute(query, [files]).fetchall())
    scanned = 0 if row is None else int(row[0])
    return Floors(_COPY_BYTES / _best(_copying()), 2.0 * _SIDE**3 / _best(_multiplying()), scanned / seconds)


def _copying() -> Callable[[], object]:
    import numpy as np

    source, target = np.ones(_COPY_BYTES // 8), np.zeros(_COPY_BYTES // 8)
    return lambda: np.copyto(target, source)


def _multiplying() -> Callable[[], object]:
    import numpy as np

    left = np.ones((_SIDE, _SIDE), dtype=np.float32)
    return lambda: left @ left


def _best(action: Callable[[], object]) -> float:
    def once() -> float:
        started = time.perf_counter()
        action()
        return time.perf_counter() - started

    return min(once() for _ in range(_TRIALS))
