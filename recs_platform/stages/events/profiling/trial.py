"""A trial of a source: its files are ingested into a scratch home that is removed afterwards, and counted."""
# ruff: noqa: S608 - relations and columns are named by this package

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import QUARANTINE
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.arrivals import land
from recs_platform.stages.events.ingestion import ingest
from recs_platform.stages.events.ledger import FileCounts
from recs_platform.stages.events.profiling.hints import hint_of
from recs_platform.stages.events.sources import DataSource


@dataclass(frozen=True)
class Rejection:
    """Rows rejected for one reason: how many, where the first of them stands, and what might have been meant."""

    contract_table: str
    reason_code: str
    reason: str
    rows: int
    place: str
    payload: str | None
    hint: str

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        hint = f"; {self.hint}" if self.hint else ""
        count = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        return f"{count} of {self.contract_table} rejected, {self.reason_code}: {self.reason} ({self.place}){hint}"


@dataclass(frozen=True)
class Trial:
    """Counts by file and table, rejections by reason, and files that would not be landed (name, reason)."""

    files: tuple[FileCounts, ...]
    rejections: tuple[Rejection, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def accepted(self) -> int:
        return sum(file.rows_accepted for file in self.files)

    @property
    def rejected(self) -> int:
        return sum(file.rows_quarantined for file in self.files)


def try_source(
    source: DataSource, path: Path, con: duckdb.DuckDBPyConnection, *, now: datetime, temporary: Path
) -> Trial:
    """Ingest a folder's files as `source`, and keep nothing. Raises UsageError when it reads none of them."""
    temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="source-", dir=temporary) as scratch:
        home = Home(Path(scratch))
        lake = Lake(home.lake)
        landed = land(home, source, path, dry_run=False)
        report = ingest(home, lake, {source.name: source}, con, now=now, progress=_ignore)
        files = lake.files(QUARANTINE.name)
        found = rejections(con, f"read_parquet({files}, hive_partitioning => true)") if files else ()
    return Trial(report.files, found, (*landed.ignored, *report.rejected))


def rejections(con: duckdb.DuckDBPyConnection, rows: str) -> tuple[Rejection, ...]:
    """Rows of the quarantine by table and reason, most rows first, each with its first row."""
    first = f"order by {c.SOURCE_FILE}, {c.LINE_NUMBER}"
    found = con.execute(
        f"select {c.CONTRACT_TABLE}, {c.REASON_CODE}, first({c.REASON} {first}), count(*), "
        f"first(concat_ws(':', {c.SOURCE_FILE}, {c.LINE_NUMBER}) {first}), first({c.PAYLOAD} {first}) "
        f"from {rows} group by 1, 2 order by 4 desc, 1, 2"
    ).fetchall()
    return tuple(Rejection(*row, hint=hint_of(row[1], row[5])) for row in found)


def _ignore(_text: str) -> None:
    """A trial says nothing on its way."""
