"""Assets of the retrieval stage: embeddings, the index over them, candidates and item neighbours."""

from collections.abc import Mapping
from datetime import datetime

import dagster as dg
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import CANDIDATES, ITEM_NEIGHBOURS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset, as_of_tables
from recs_platform.defs.partitions import as_of, known_at
from recs_platform.defs.platform import Platform
from recs_platform.defs.resources import platform_of
from recs_platform.defs.retrieving import (
    EMBEDDINGS,
    ITEM_INDEX,
    index_reports,
    open_fit,
    seal_embeddings,
    seal_index,
    sealed_embeddings,
)
from recs_platform.defs.writing import write_frames
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
        yield dg.MaterializeResult(
            metadata={
                "version": version,
                "reused": reused,
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
                "indexes": dg.MetadataValue.md(metadata.markdown_table(_indexes(reports))),
            },
            check_results=[_audit_result(reports)],
        )

    return item_index


def _indexes(reports: Mapping[str, IndexReport]) -> pl.DataFrame:
    """One row a vector space: kind and size of its index, and what the audit found."""
    return pl.DataFrame(
        {
            "source": name,
            "kind": report.kind,
            "items": report.items,
            "dimensions": report.dimensions,
            "megabytes": round(report.items * report.dimensions * 4 / 1e6, 2),
            **{f"recall at {part.share:.1%}": round(part.recall, 4) for part in report.recall},
        }
        for name, report in reports.items()
    )


def _audit_result(reports: Mapping[str, IndexReport]) -> dg.AssetCheckResult:
    failures = [f"{name}: {failure}" for name, report in reports.items() for failure in audit_failures(report.recall)]
    return dg.AssetCheckResult(
        check_name=AUDIT,
        asset_key=INDEX_KEY,
        passed=not failures,
        metadata={"failures": failures, "indexes": dg.MetadataValue.md(metadata.markdown_table(_indexes(reports)))},
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
        sources = metadata.markdown_table(_by_source(platform, at, known))
        yield dg.MaterializeResult(
            asset_key=metadata.asset_key(contract.name),
            metadata=metadata.table_metadata(
                found.rows, found.preview, users=found.users, per_user=found.rows / max(1, found.users)
            )
            | {"rows_by_source": dg.MetadataValue.md(sources)},
        )
        near = write_frames(platform, ITEM_NEIGHBOURS, [item_neighbours(fit)], at)
        yield dg.MaterializeResult(
            asset_key=metadata.asset_key(ITEM_NEIGHBOURS.name),
            metadata=metadata.table_metadata(near.rows, near.preview),
        )

    return candidates


def _by_source(platform: Platform, at: datetime, known: datetime) -> pl.DataFrame:
    """How many candidates each source offered, and how many only it offered."""
    with platform.model_run(at, known) as run:
        offered = run.frame(CANDIDATES.name, [c.SOURCES])
    exploded = offered.with_columns((pl.col(c.SOURCES).list.len() == 1).alias("alone")).explode(c.SOURCES)
    counted = exploded.group_by(c.SOURCES).agg(pl.len().alias("rows"), pl.col("alone").sum().alias("only_here"))
    return counted.sort(c.SOURCES)
