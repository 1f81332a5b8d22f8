"""Assets of the events stage: the raw tables, taken in from landing by one unpartitioned step."""

from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import BATCH_TABLES, INGESTIONS, QUARANTINE, TableContract
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results
from recs_platform.defs.platform import Platform
from recs_platform.defs.resources import PLATFORM, platform_of
from recs_platform.stages.events import FileCounts, IngestReport, ingest

GROUP = "events"
BALANCE = "ledger_balances"
QUARANTINE_RATE = "quarantine_rate"
QUARANTINE_RATE_WARN = 0.05


def build_assets(_platform: Platform) -> list[dg.AssetsDefinition]:
    """The raw tables as one multi-asset: a batch is sealed for all of them or for none."""

    @dg.multi_asset(
        name="raw",
        required_resource_keys={PLATFORM},
        specs=[_spec(table) for table in BATCH_TABLES],
        check_specs=[
            dg.AssetCheckSpec(
                BALANCE,
                asset=metadata.asset_key(INGESTIONS.name),
                blocking=True,
                description="rows_read = rows_accepted + rows_quarantined + rows_duplicate, for every file",
            ),
            dg.AssetCheckSpec(
                QUARANTINE_RATE,
                asset=metadata.asset_key(QUARANTINE.name),
                description=f"At most {QUARANTINE_RATE_WARN:.0%} of the rows of this run were refused",
            ),
        ],
    )
    def raw(context: dg.AssetExecutionContext) -> Results:
        """Take in every file in landing that was not yet taken in, exactly once."""
        platform = platform_of(context)
        with platform.connection() as con:
            report = ingest(
                platform.home, platform.lake, platform.sources, con, now=datetime.now(UTC), progress=context.log.info
            )
        moment = datetime.now(UTC)
        with platform.model_run(moment, moment) as run:
            for table in BATCH_TABLES:
                preview = run.head(table.name, metadata.PREVIEW_ROWS)
                rows = run.count(table.name)
                yield dg.MaterializeResult(
                    asset_key=metadata.asset_key(table.name),
                    metadata=metadata.table_metadata(rows, preview, **_numbers(report, table)),
                )
            yield _balance(run.frame(INGESTIONS.name))
        yield _quarantine_rate(report)

    return [raw]


def _spec(table: TableContract) -> dg.AssetSpec:
    return dg.AssetSpec(
        metadata.asset_key(table.name),
        group_name=GROUP,
        description=table.description,
        kinds={"duckdb", "delta"},
        owners=metadata.OWNERS,
        metadata=metadata.contract_metadata(table),
    )


def _numbers(report: IngestReport, table: TableContract) -> dict[str, float]:
    """Counts of this run: of the table, or of all tables on the ledger's own asset."""
    if table.name == INGESTIONS.name:
        return {"files_taken_in": len({file.file_hash for file in report.files}), **_counts(report.totals.values())}
    counts = report.totals.get(table.table)
    return {} if counts is None else _counts([counts])


def _counts(counts: Iterable[FileCounts]) -> dict[str, float]:
    rows = list(counts)
    return {
        c.ROWS_READ: sum(count.rows_read for count in rows),
        c.ROWS_ACCEPTED: sum(count.rows_accepted for count in rows),
        c.ROWS_QUARANTINED: sum(count.rows_quarantined for count in rows),
        c.ROWS_DUPLICATE: sum(count.rows_duplicate for count in rows),
    }


def _balance(ledger: pl.DataFrame) -> dg.AssetCheckResult:
    parts = pl.col(c.ROWS_ACCEPTED) + pl.col(c.ROWS_QUARANTINED) + pl.col(c.ROWS_DUPLICATE)
    unbalanced = ledger.filter(pl.col(c.ROWS_READ) != parts)
    return dg.AssetCheckResult(
        asset_key=metadata.asset_key(INGESTIONS.name),
        check_name=BALANCE,
        passed=unbalanced.is_empty(),
        metadata={"unbalanced_files": unbalanced.height, "files": ledger.height},
    )


def _quarantine_rate(report: IngestReport) -> dg.AssetCheckResult:
    counts = _counts(report.totals.values())
    rate = counts[c.ROWS_QUARANTINED] / counts[c.ROWS_READ] if counts[c.ROWS_READ] else 0.0
    return dg.AssetCheckResult(
        asset_key=metadata.asset_key(QUARANTINE.name),
        check_name=QUARANTINE_RATE,
        passed=rate <= QUARANTINE_RATE_WARN,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rate": rate, **counts},
    )
