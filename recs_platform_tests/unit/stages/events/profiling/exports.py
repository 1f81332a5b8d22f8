"""Small exports of strangers, written by the test that asks for them, and the source made of them."""

from datetime import UTC, datetime
from pathlib import Path

from recs_platform.contracts.home import Home
from recs_platform.lake.tables import Lake
from recs_platform.stages.events import ingest, land, load_sources, source_fault
from recs_platform.stages.events.profiling.proposal import propose, write_source
from recs_platform_tests.connections import shared_connection

NOW = datetime(2024, 12, 31, 23, tzinfo=UTC)


def write(folder: Path, **files: str | bytes) -> Path:
    """Files by name."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def run(con, reading, value):
    """What the SQL of a column makes of one value of the field `x`."""
    return con.execute(f"select ({reading.sql})::varchar from (select $1::varchar as x)", [value]).fetchone()[0]


class Taken:
    """A folder landed and ingested through the source that was written for it."""

    def __init__(self, home: Home, folder: Path, zone: str = "UTC"):
        self.proposal = propose("shop", folder, zone)
        write_source(self.proposal, home.sources / "shop", force=False)
        sources = load_sources(home.root / "none", home.sources, source_fault)
        assert not sources.broken
        self._lake = Lake(home.lake)
        land(home, sources["shop"], folder, dry_run=False)
        self.report = ingest(home, self._lake, sources, shared_connection(), now=NOW, progress=lambda _: None)

    def rows(self, table, *columns):
        import polars as pl

        found = pl.read_parquet(self._lake.files(f"raw.{table}"))
        return sorted(found.select(columns).rows(), key=str)

    @property
    def rejected(self):
        return sum(file.rows_quarantined for file in self.report.files)
