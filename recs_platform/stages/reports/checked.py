"""What the checks of ingestion say, as reports are given it. Facts are made of it in `data_quality`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl


@dataclass(frozen=True)
class Checked:
    """What the checks of ingestion say as of the instant; their rules and columns are in `stages.events`.

    `volumes`: source, event_date, row_count, usual_rows, weeks, low, high, verdict. `rejected`, `duplicate`: source,
    rows_read, rate, history_rate, history_files, limit, verdict, of each source's newest ingestion. `gone`: table_name,
    segment, source, column_name, row_count, filled, expected, n_periods, limit, verdict. `silent`: source, days_ago of
    its last event, longest_gap_days before that (null of a single day), of sources without an event in the days of the
    daily quality. A verdict is pass, warn, block or "no history". `known_at`: when all of it was known.
    """

    known_at: datetime
    volumes: pl.DataFrame
    rejected: pl.DataFrame
    duplicate: pl.DataFrame
    gone: pl.DataFrame
    silent: pl.DataFrame
