"""Assets of the releases stage: the sealed release, and the file that analysts query."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from recs_platform.contracts.manifests import content_key
from recs_platform.contracts.tables import VERDICTS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset
from recs_platform.defs.assets.retrieval import EMBEDDINGS_KEY
from recs_platform.defs.in_force import report_in_force
from recs_platform.defs.made_assets import LAST_KEY, RELEASE_ID, RELEASE_KEY
from recs_platform.defs.partitions import run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.retries import ON_TRANSIENT, transient_only
from recs_platform.defs.sql_assets import upstream_keys
from recs_platform.defs.staleness import report_inputs
from recs_platform.pipeline.data_versions import FILES, OMISSIONS
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish, published_contracts
from recs_platform.pipeline.release_page import PAGE_READS, write_release_page
from recs_platform.pipeline.releases import RELEASED_TABLES, release_lists
from recs_platform.pipeline.served import replaced_in_force
from recs_platform.pipeline.serving_bundle import BUNDLE_READS

GROUP = "releases"


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Release → analytics.duckdb."""
    stored = [model.name for model in platform.models if model.materialized == "table"]
    published = [contract.name for contract in published_contracts(platform)]
    tables = [metadata.asset_key(name) for name in (*published, *stored)]
    return [_release_asset(platform), _analytics_asset(tables)]


def _release_asset(platform: Platform) -> dg.AssetsDefinition:
    days = platform.settings.release_max_age_days

    @as_of_asset(
        RELEASE_KEY,
        group=GROUP,
        freshness=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(days=days), warn_window=timedelta(days=days / 2)
        ),
        deps=[
            *upstream_keys(platform, (*RELEASED_TABLES, VERDICTS.name, FILES, OMISSIONS, *BUNDLE_READS, *PAGE_READS)),
            EMBEDDINGS_KEY,
        ],
        kinds=("python", "parquet"),
        description="The lists of an as-of, sealed with a manifest once no check blocks, with the bundle that serves "
        "them online. Identical lists give the same release.",
    )
    def release(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        manifest = release_lists(run, sealed_at=datetime.now(UTC))
        page = write_release_page(run, manifest)
        report_inputs(run.platform, context.instance)  # the as-ofs after it follow another release now
        yield dg.MaterializeResult(
            metadata={
                RELEASE_ID: manifest.version,
                "sealed_at": manifest.sealed_at.isoformat(),
                "data_version": manifest.data_version,
                "page": page.relative_to(run.platform.home.root).as_posix(),
                **manifest.inputs,
                **manifest.metrics,
            },
            data_version=dg.DataVersion(manifest.version),
        )

    return release


def _analytics_asset(tables: list[dg.AssetKey]) -> dg.AssetsDefinition:
    @as_of_asset(
        LAST_KEY,
        group=GROUP,
        retry_policy=ON_TRANSIENT,
        deps=[RELEASE_KEY, *tables],
        kinds=("duckdb",),
        description="analytics.duckdb: every table in one file, replaced atomically; readers never wait.",
    )
    def analytics(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        with transient_only():
            made = as_of_run.made_in(context, run)
            report = publish(run.platform, present=(context.run.run_id, made), on_wait=context.log.info)
            release = as_of_run.record_whole(context, run, made)
        report_in_force(run.platform, context.instance)
        for sentence in report.set_aside:
            context.log.warning(sentence)
        yield dg.MaterializeResult(
            metadata={
                "recorded_release": release or "none: this run builds a part of the graph",
                "path": str(run.platform.home.analytics.relative_to(run.platform.home.root)),
                "replaced_rows": replaced_in_force(run.platform) or "none",
                "tables": len(report.table_rows),
                "dagster/row_count": sum(report.table_rows.values()),
                "rows": dg.MetadataValue.json(dict(report.table_rows)),
            },
            data_version=dg.DataVersion(content_key({"release": release, "rows": dict(report.table_rows)})),
        )

    return analytics
