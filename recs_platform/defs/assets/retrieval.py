"""Assets of the retrieval stage: embeddings, the index over them, candidates and item neighbours."""

from collections.abc import Mapping

import dagster as dg
import polars as pl

from recs_platform.contracts.regions import REGION_EXCLUSIONS, USER_REGIONS
from recs_platform.contracts.tables import CANDIDATES, ITEM_NEIGHBOURS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset, as_of_tables
from recs_platform.defs.partitions import run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.retrieval_metadata import index_metadata, offer_metadata
from recs_platform.defs.sql_assets import upstream_keys
from recs_platform.lake.artifacts import artifact, read_manifest
from recs_platform.pipeline.as_of_run import INTERACTIONS, ITEMS, USERS
from recs_platform.pipeline.data_versions import FILES, OMISSIONS
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.embeddings import EMBEDDINGS, FOLDED_FROM, seal_embeddings, sealed_embeddings
from recs_platform.pipeline.retrieval.facts import count_offers
from recs_platform.pipeline.retrieval.inputs import PROFILES
from recs_platform.pipeline.retrieval.item_index import ITEM_INDEX, index_reports, open_fit, seal_index
from recs_platform.stages.retrieval import IndexReport, audit_failures, generate_candidates, item_neighbours

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
    """Embeddings → index → candidates and neighbours."""
    return [_embeddings_asset(platform), _index_asset(platform), _candidates_asset(platform)]


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


def _candidates_asset(platform: Platform) -> dg.AssetsDefinition:
    contract = platform.contract(CANDIDATES.name)

    @as_of_tables(
        "candidates",
        (contract, ITEM_NEIGHBOURS),
        group=GROUP,
        deps=[EMBEDDINGS_KEY, INDEX_KEY, *upstream_keys(platform, (*HISTORY, *PROFILES))],
        kinds=("python", "delta"),
    )
    def candidates(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        """Every source's best for every known user, merged, and the item neighbours that reasons name."""
        run = run_of(context, as_of_run)
        fit = open_fit(run)
        found = write_frames(run.platform, contract, generate_candidates(fit), run.as_of)
        yield dg.MaterializeResult(
            asset_key=metadata.asset_key(contract.name),
            metadata=metadata.table_metadata(
                found.rows, found.preview, users=found.users, per_user=found.rows / max(1, found.users)
            )
            | offer_metadata(count_offers(run)),
            data_version=dg.DataVersion(found.content),
        )
        near = write_frames(run.platform, ITEM_NEIGHBOURS, [item_neighbours(fit)], run.as_of)
        yield dg.MaterializeResult(
            asset_key=metadata.asset_key(ITEM_NEIGHBOURS.name),
            metadata=metadata.table_metadata(near.rows, near.preview),
            data_version=dg.DataVersion(near.content),
        )

    return candidates
