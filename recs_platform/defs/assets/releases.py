"""Assets of the releases stage: the sealed release, and the file that analysts query."""

from datetime import UTC, datetime

import dagster as dg

from recs_platform.contracts.tables import LISTS, SHORT_LISTS, VERDICTS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset
from recs_platform.defs.partitions import run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.sql_assets import upstream_keys
from recs_platform.pipeline.build_records import record_build
from recs_platform.pipeline.data_versions import FILES, OMISSIONS
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish, published_contracts
from recs_platform.pipeline.releases import release_lists

GROUP = "releases"
RELEASE_KEY = dg.AssetKey([GROUP, "release"])


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Release → analytics.duckdb."""
    stored = [model.name for model in platform.models if model.materialized == "table"]
    published = [contract.name for contract in published_contracts(platform)]
    tables = [metadata.asset_key(name) for name in (*published, *stored)]
    return [_release_asset(platform), _analytics_asset(tables)]


def _release_asset(platform: Platform) -> dg.AssetsDefinition:
    @as_of_asset(
        RELEASE_KEY,
        group=GROUP,
        deps=upstream_keys(platform, (LISTS.name, SHORT_LISTS.name, VERDICTS.name, FILES, OMISSIONS)),
        kinds=("python", "parquet"),
        description="The lists of an as-of, sealed with a manifest once no check blocks. The same lists give the same "
        "release.",
    )
    def release(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        manifest = release_lists(run_of(context, as_of_run), sealed_at=datetime.now(UTC))
        yield dg.MaterializeResult(
            metadata={
                "release_id": manifest.version,
                "sealed_at": manifest.sealed_at.isoformat(),
                "data_version": manifest.data_version,
                **manifest.inputs,
                **manifest.metrics,
            }
        )

    return release


def _analytics_asset(tables: list[dg.AssetKey]) -> dg.AssetsDefinition:
    @as_of_asset(
        dg.AssetKey([GROUP, "analytics"]),
        group=GROUP,
        deps=[RELEASE_KEY, *tables],
        kinds=("duckdb",),
        description="analytics.duckdb: every table in one file, built aside and moved into place; readers never wait.",
    )
    def analytics(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        report = publish(run.platform)
        for sentence in report.set_aside:
            context.log.warning(sentence)
        release = _release_of(context)
        if release is not None:
            now = datetime.now(UTC)
            record_build(run, release=release, sealed_at=now)
        yield dg.MaterializeResult(
            metadata={
                "recorded_release": release or "none: this run built a part of the graph",
                "path": str(run.platform.home.analytics.relative_to(run.platform.home.root)),
                "tables": len(report.table_rows),
                "dagster/row_count": sum(report.table_rows.values()),
                "rows": dg.MetadataValue.json(dict(report.table_rows)),
            }
        )

    return analytics


def _release_of(context: dg.AssetExecutionContext) -> str | None:
    """The release that this run sealed; None when only some assets were chosen, which says nothing of the others."""
    if context.run.asset_selection:
        return None
    event = context.instance.get_latest_materialization_event(RELEASE_KEY)
    if event is None or event.run_id != context.run.run_id or event.asset_materialization is None:
        return None
    return str(event.asset_materialization.metadata["release_id"].value)
