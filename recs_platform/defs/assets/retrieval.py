"""Assets of the retrieval stage: embeddings, the index over them, candidates and item neighbours."""

from collections.abc import Mapping

import dagster as dg
import polars as pl

from recs_platform.contracts.tables import CANDIDATES, ITEM_NEIGHBOURS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset, as_of_tables
from recs_platform.defs.partitions import as_of, known_at
from recs_platform.defs.resources import platform_of
from recs_platform.defs.retrieval_metadata import index_metadata, offer_metadata
from recs_platform.lake.artifacts import artifact, read_manifest
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.embeddings import EMBEDDINGS, FOLDED_FROM, seal_embeddings, sealed_embeddings
from recs_platform.pipeline.retrieval.facts import count_offers
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
RAW_INPUTS = [
    dg.AssetKey(["raw", name])
    for name in ("events", "ingestions", "item_history", "user_history", "identities", "consents", "event_flags")
]
PROFILE_INPUTS = [dg.AssetKey(["features", "user_features"]), dg.AssetKey(["segments", "user_segments"])]


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Embeddings → index → candidates and neighbours."""
    return [_embeddings_asset(), _index_asset(), _candidates_asset(platform)]


def _embeddings_asset() -> dg.AssetsDefinition:
    @as_of_asset(
        EMBEDDINGS_KEY,
        group=GROUP,
        deps=[*RAW_INPUTS, *PROFILE_INPUTS],
        kinds=("python", "numpy"),
        description="Users and items as vectors, for each source that has any, as of an instant: a sealed artifact.",
    )
    def embeddings(context: dg.AssetExecutionContext) -> Results:
        platform, at, known = platform_of(context), as_of(context), known_at(context)
        version, reused = seal_embeddings(platform, at, known)
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
            }
        )

    return embeddings


def _index_asset() -> dg.AssetsDefinition:
    @as_of_asset(
        INDEX_KEY,
        group=GROUP,
        deps=[EMBEDDINGS_KEY],
        kinds=("python", "faiss"),
        description="FAISS index of each vector space over the items eligible as of an instant: a sealed artifact.",
        check_specs=[dg.AssetCheckSpec(AUDIT, asset=INDEX_KEY, blocking=True, description=AUDIT_DESCRIPTION)],
    )
    def item_index(context: dg.AssetExecutionContext) -> Results:
        platform, at, known = platform_of(context), as_of(context), known_at(context)
        version, reused = seal_index(platform, at, known)
        reports = index_reports(platform, version)
        yield dg.MaterializeResult(
            metadata={
                "version": version,
                "reused": reused,
                **index_metadata(reports),
            },
            check_results=[_audit_result(reports)],
        )

    return item_index


def _audit_result(reports: Mapping[str, IndexReport]) -> dg.AssetCheckResult:
    failures = [f"{name}: {failure}" for name, report in reports.items() for failure in audit_failures(report.recall)]
    return dg.AssetCheckResult(
        check_name=AUDIT,
        asset_key=INDEX_KEY,
        passed=not failures,
        description="; ".join(failures) or "every index finds what exact search finds",
        metadata={"failures": failures, **index_metadata(reports)},
    )


def _candidates_asset(platform: Platform) -> dg.AssetsDefinition:
    contract = platform.contract(CANDIDATES.name)

    @as_of_tables(
        "candidates",
        (contract, ITEM_NEIGHBOURS),
        group=GROUP,
        deps=[INDEX_KEY],
        kinds=("python", "delta"),
    )
    def candidates(context: dg.AssetExecutionContext) -> Results:
        """Every source's best for every known user, merged, and the item neighbours that reasons name."""
        platform, at, known = platform_of(context), as_of(context), known_at(context)
        fit = open_fit(platform, at, known)
        found = write_frames(platform, contract, generate_candidates(fit), at)
        eligible = int(fit.problem.eligible.sum())
        with platform.model_run(at, known) as run:
            offers = count_offers(platform, run, known_users=fit.problem.n_users, eligible_items=eligible)
        yield dg.MaterializeResult(
            asset_key=metadata.asset_key(contract.name),
            metadata=metadata.table_metadata(
                found.rows, found.preview, users=found.users, per_user=found.rows / max(1, found.users)
            )
            | offer_metadata(offers),
        )
        near = write_frames(platform, ITEM_NEIGHBOURS, [item_neighbours(fit)], at)
        yield dg.MaterializeResult(
            asset_key=metadata.asset_key(ITEM_NEIGHBOURS.name),
            metadata=metadata.table_metadata(near.rows, near.preview),
        )

    return candidates
