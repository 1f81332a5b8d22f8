"""The asset raw.removals: what retention removed from the raw tables. The removal is in `stages.events.retention`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from recs_platform.contracts.tables import EVENT_FLAGS, EVENTS, INGESTIONS, QUARANTINE, REMOVALS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results
from recs_platform.defs.resources import HomeResource
from recs_platform.defs.staleness import LOG_VERSION, report_inputs
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish
from recs_platform.stages.events.ingested_files import delete_ingested
from recs_platform.stages.events.removals import is_republish_due, republished
from recs_platform.stages.events.retention import RetentionReport, retain

GROUP = "events"


def build_assets(_platform: Platform) -> list[dg.AssetsDefinition]:
    """Removal comes last in the ingest job: the flags of new events must be there when old ones go."""
    key = metadata.asset_key(REMOVALS.name)

    @dg.asset(
        key=key,
        deps=[metadata.asset_key(table.name) for table in (EVENTS, QUARANTINE, INGESTIONS, EVENT_FLAGS)],
        group_name=GROUP,
        description=f"{REMOVALS.description}. Events older than privacy.retention_days leave every version of the "
        "tables, landing and the analysts' file; without that setting nothing is removed. "
        "With privacy.keep_landing off, ingested files leave landing.",
        kinds={"duckdb", "delta"},
        owners=metadata.OWNERS,
        metadata=metadata.contract_metadata(REMOVALS),
    )
    def removals(context: dg.AssetExecutionContext, home: HomeResource) -> Results:
        platform, now = home.platform, datetime.now(UTC)
        days = platform.settings.privacy.retention_days
        facts: Mapping[str, float | str] = {"retention": "off: privacy.retention_days is not set"}
        if days is not None:
            facts = _remove(context, platform, days, now)
        if not platform.settings.privacy.keep_landing:
            facts = {**facts, **_delete_ingested(context, platform)}
        with platform.model_run(now, now) as run:
            rows, preview = run.count(REMOVALS.name), run.head(REMOVALS.name, metadata.PREVIEW_ROWS)
        stale = report_inputs(platform, context.instance)
        yield dg.MaterializeResult(
            metadata=metadata.table_metadata(rows, preview, stale_as_ofs=", ".join(stale) or "none", **facts),
            data_version=LOG_VERSION,
        )

    return [removals]


def _remove(
    context: dg.AssetExecutionContext, platform: Platform, days: int, now: datetime
) -> Mapping[str, float | str]:
    """Remove, publish without what was removed, and say so."""
    with platform.connection() as con:
        report = retain(platform.home, platform.lake, con, retention_days=days, now=now, progress=context.log.warning)
    if is_republish_due(platform.home):
        publish(platform, keep_older=False, on_wait=context.log.warning)
        republished(platform.home)
    _warn_of(context, report.undeletable_files)
    return _numbers(report, days)


def _delete_ingested(context: dg.AssetExecutionContext, platform: Platform) -> Mapping[str, float | str]:
    """Delete what was ingested from landing; what retention deleted before was ingested too."""
    deleted, undeletable = delete_ingested(platform.home, platform.sources, platform.lake, context.log.warning)
    _warn_of(context, undeletable)
    return {"ingested_files_deleted": len(deleted), "ingested_files_undeletable": len(undeletable)}


def _warn_of(context: dg.AssetExecutionContext, undeletable: Sequence[str]) -> None:
    if undeletable:
        context.log.warning(f"not allowed to delete in landing: {', '.join(undeletable)}")


def _numbers(report: RetentionReport, days: int) -> dict[str, float | str]:
    return {
        "retention": report.postponed or f"{days} days: events before {report.removed_before:%Y-%m-%d} are removed",
        "events_removed": report.events_removed,
        "flags_removed": report.flags_removed,
        "quarantined_removed": report.quarantined_removed,
        "lake_files_deleted": report.lake_files_deleted,
        "landing_files_deleted": len(report.landing_files),
        "landing_files_undeletable": len(report.undeletable_files),
        "republished": str(report.is_republish_due).lower(),
    }
