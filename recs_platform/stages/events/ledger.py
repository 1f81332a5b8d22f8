"""The result of an ingestion: what became of each file's rows, in Python and as rows of the ledger."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import INGESTIONS
from recs_platform.stages.events.sources import SOURCE_TABLES
from recs_platform.warehouse.clauses import quoted

LEDGER_ROWS = "ledger_rows"


@dataclass(frozen=True)
class FileCounts:
    """What became of one file's rows in one table; rows_read = accepted + quarantined + duplicate."""

    source: str
    source_file: str
    file_hash: str
    contract_table: str
    raw_records: int = 0
    rows_read: int = 0
    rows_accepted: int = 0
    rows_quarantined: int = 0
    rows_duplicate: int = 0
    attributes_dropped: int = 0
    unreadable: str | None = None


@dataclass(frozen=True)
class IngestReport:
    """What one ingestion did, or would do.

    `batch` is None when nothing was new; `recovered` are batches finished for a dead run. Files left alone, by name
    below landing: `unknown_files` no source knows, `rejected` are no files to open (name, reason), `settling` were
    written to a moment ago or while they were read. A dry run also gives `event_spans`: by file hash the first and
    the last occurred_at of the events the file will bring; and `event_days`: how many all of them will bring, by
    number of the day since 1970 (UTC).
    """

    batch: int | None
    files: tuple[FileCounts, ...]
    recovered: tuple[int, ...]
    unknown_files: tuple[str, ...]
    rejected: tuple[tuple[str, str], ...] = ()
    settling: tuple[str, ...] = ()
    event_spans: Mapping[str, tuple[datetime, datetime]] = field(default_factory=dict[str, tuple[datetime, datetime]])
    event_days: Mapping[int, int] = field(default_factory=dict[int, int])

    @property
    def is_nothing_new(self) -> bool:
        return self.batch is None

    @property
    def totals(self) -> dict[str, FileCounts]:
        """Sums by contract table, in the order of SOURCE_TABLES."""
        return {
            table: _summed(table, counts)
            for table in SOURCE_TABLES
            if (counts := [file for file in self.files if file.contract_table == table])
        }


def make_ledger(con: duckdb.DuckDBPyConnection, counts: Iterable[FileCounts], arrived: dict[str, datetime]) -> str:
    """Make a table with the ledger's rows, `arrived` giving each file's instant by hash; returns its name."""
    columns = ", ".join(f"{quoted(column.name)} {column.dtype}" for column in INGESTIONS.columns)
    con.execute(f"create or replace temp table {LEDGER_ROWS} ({columns})")
    places = ", ".join(f"${place}" for place in range(1, len(INGESTIONS.columns) + 1))
    for file in counts:
        values = [
            arrived[file.file_hash] if name == c.INGESTED_AT else getattr(file, name)
            for name in INGESTIONS.column_names
        ]
        con.execute(f"insert into {LEDGER_ROWS} values ({places})", values)  # noqa: S608 - names of this module
    return LEDGER_ROWS


def _summed(table: str, counts: list[FileCounts]) -> FileCounts:
    numbers = {
        member.name: sum(getattr(file, member.name) for file in counts)
        for member in fields(FileCounts)
        if member.type is int
    }
    return replace(FileCounts("", "", "", table), **numbers)
