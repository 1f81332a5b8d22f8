"""Raw files of one source ingested for real, and the rows that came of them."""

from datetime import UTC, datetime
from pathlib import Path

from recs_platform.contracts.home import Home
from recs_platform.lake.tables import Lake
from recs_platform.stages.events import ingest, land, load_sources
from recs_platform_tests.connections import shared_connection

FIXTURES = Path(__file__).parent
SOURCES = load_sources(FIXTURES.parents[2] / "dbt_like_sql" / "sources")
NOW = datetime(2024, 3, 1, tzinfo=UTC)


class Landed:
    """A home into which raw files of one source are landed and ingested."""

    def __init__(self, root: Path, source: str):
        self.source = SOURCES[source]
        self.home = Home(root)
        self.lake = Lake(self.home.lake)

    def land(self, path: Path):
        return land(self.home, self.source, path, dry_run=False)

    def ingest(self):
        return ingest(self.home, self.lake, SOURCES, shared_connection(), now=NOW, progress=lambda _: None)

    def rows(self, table, columns, order="all"):
        """Rows of a raw table, instants as UTC."""
        files = self.lake.files(f"raw.{table}")
        if not files:
            return []
        source = f"read_parquet({files}, hive_partitioning = true, union_by_name = true)"
        return shared_connection().execute(f"select {columns} from {source} order by {order}").fetchall()

    def ledger(self):
        """(raw records, read, accepted, quarantined, duplicate) by table, after checking that every file balances."""
        sums = {}
        for table, raw, read, accepted, quarantined, duplicate in self.rows(
            "ingestions",
            "contract_table, raw_records, rows_read, rows_accepted, rows_quarantined, rows_duplicate",
        ):
            assert read == accepted + quarantined + duplicate
            counted = (raw, read, accepted, quarantined, duplicate)
            sums[table] = tuple(a + b for a, b in zip(sums.get(table, (0,) * 5), counted, strict=True))
        return sums

    def rejected(self):
        """(line number, table, reason code) of each rejected row."""
        return self.rows("quarantine", "line_number, contract_table, reason_code")
