"""Assets of the retrieval stage: embeddings, the index over them, item neighbours."""

from collections.abc import Mapping

import dagster as dg
import polars as pl

from recs_platform.contracts.regions import REGION_EXCLUSIONS, USER_REGIONS
from recs_platform.contracts.tables import ITEM_NEIGHBOURS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset
from recs_platform.defs.partitions import run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.retrieval_metadata import index_metadata
from recs_platform.defs.sql_assets import upstream_keys
from recs_platform.lake.artifacts import artifact, read_manifest
from recs_platform.pipeline.as_of_run import INTERACTIONS, ITEMS, USERS
from recs_platform.pipeline.data_versions import FILES, OMISSIONS
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.embeddings import EMBEDDINGS, FOLDED_FROM, seal_embeddings, sealed_embeddings
from recs_platform.pipeline.retrieval.item_index import ITEM_INDEX, index_reports, neighbours_as_of, seal_index
from recs_platform.stages.retrieval import IndexReport, audit_failures

GROUP = "retrieval"
AUDIT = "recall_audit"
AUDIT_DESCRIPTION = (
    "Searches find at least 95 % of the true best items, none that is not eligible and none too few, with all, 5 % and "
    "0.5 % of the items eligible."
)
EMBEDDINGS_KEY = dg.AssetKey([GROUP, EMBEDDINGS])
INDEX_KEY = dg.AssetKey([GROUP, ITEM_INDEX])
# Views and tables of SQL models that the steps read.
HISTORY = (INTERACTIONS, USERS, ITEMS, USER_REGIONS, REGION_EXCLUSIONS, FILES, OMISSIONS)


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Embeddings → index, and the neighbours of items; candidates are made where they are scored, in `ranking`."""
    return [_embeddings_asset(platform), _index_asset(platform), _neighbours_asset(platform)]


def _embeddings_asset(platform: Platform) -> dg.AssetsDefinition:
    @as_of_asset(
        EMBEDDINGS_KEY,
        group=GROUP,
        deps=upstream_keys(platform, HISTORY),
        kinds=("python", "numpy"),
        description="Users and items as vectors, for each source that has any, as of an instant: a sealed artifact.",
    )
    def embeddings(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        platform, (version, reused) = run.platform, seal_embeddings(run)
        spaces = [
            (name, len(found.user_ids), len(found.item_ids), found.item_factors.shape[1])
            for name, found in sealed_embeddings(platform, version).items()
        ]
        shown = pl.DataFrame(spaces, ["source", "users", "items", "dimensions"], orient="row")
        manifest = read_manifest(artifact(platform.home.artifacts, EMBEDDINGS, version))
        folded = manifest.parameters.get(FOLDED_FROM)
        yield dg.MaterializeResult(
            metadata={
                "version": version,
                "reused": reused,
                **({} if folded is None else {FOLDED_FROM: dg.MetadataValue.json(folded)}),
                "spaces": dg.MetadataValue.md(metadata.markdown_table(shown)),
            },
            data_version=dg.DataVersion(version),
        )

    return embeddings


def _index_asset(platform: Platform) -> dg.AssetsDefinition:
    @as_of_asset(
        INDEX_KEY,
        group=GROUP,
        deps=[EMBEDDINGS_KEY, *upstream_keys(platform, HISTORY)],
        kinds=("python", "faiss"),
        description="FAISS index of each vector space over the items eligible as of an instant: a sealed artifact.",
        check_specs=[dg.AssetCheckSpec(AUDIT, asset=INDEX_KEY, blocking=True, description=AUDIT_DESCRIPTION)],
    )
    def item_index(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        version, reused = seal_index(run)
        reports = index_reports(run.platform, version)
        yield dg.MaterializeResult(
            metadata={
                "version": version,
                "reused": reused,
                **index_metadata(reports),
            },
            check_results=[_audit_result(reports)],
            data_version=dg.DataVersion(version),
        )

    return item_index


def _audit_result(reports: Mapping[str, IndexReport]) -> dg.AssetCheckResult:
    failures = [f"{name}: {failure}" for name, report in reports.items() for failure in audit_failures(report.recall)]
    return dg.AssetCheckResult(
        check_name=AUDIT,
        asset_key=INDEX_KEY,
        passed=not failures,
        description="; ".join(failures) or "every index returns what exact search returns",
        metadata={"failures": failures, **index_metadata(reports)},
    )


def _neighbours_asset(platform: Platform) -> dg.AssetsDefinition:
    @as_of_asset(
        metadata.asset_key(ITEM_NEIGHBOURS.name),
        group=GROUP,
        deps=upstream_keys(platform, HISTORY),
        kinds=("python", "delta"),
        description=ITEM_NEIGHBOURS.description,
        schema=metadata.contract_schema(ITEM_NEIGHBOURS),
    )
    def item_neighbours(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        near = write_frames(run.platform, ITEM_NEIGHBOURS, [neighbours_as_of(run)], run.as_of)
        yield dg.MaterializeResult(
            metadata=metadata.table_metadata(near.rows, near.preview), data_version=dg.DataVersion(near.content)
        )

    return item_neighbours
