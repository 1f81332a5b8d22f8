"""Assets of the features stage: one a SQL model in `models/features`, and item vectors."""

import dagster as dg

from recs_platform.contracts.tables import ITEM_VECTORS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset
from recs_platform.defs.partitions import run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.sql_assets import sql_assets, upstream_keys
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.features import VectorConfig, faulty_vectors, vectorize_items

GROUP = "features"
ITEM_TEXTS = "staging.stg_item_texts"
UNIT_LENGTH = "unit_length"
VECTORS_KEY = metadata.asset_key(ITEM_VECTORS.name)
FAULTY_SHOWN = 20


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """The stage's models, in dependency order, and item vectors."""
    return [*sql_assets(platform, schema="features", group=GROUP), _item_vectors_asset(platform)]


def _item_vectors_asset(platform: Platform) -> dg.AssetsDefinition:
    @as_of_asset(
        VECTORS_KEY,
        group=GROUP,
        deps=upstream_keys(platform, [ITEM_TEXTS]),
        kinds=("python", "scikitlearn", "delta"),
        description=ITEM_VECTORS.description,
        schema=metadata.contract_schema(ITEM_VECTORS),
        check_specs=[
            dg.AssetCheckSpec(
                UNIT_LENGTH,
                asset=VECTORS_KEY,
                blocking=True,
                description="Every vector is finite, of the same dimension and of norm 1 (inner products are cosines)",
            )
        ],
    )
    def item_vectors(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        with run.models() as models:
            items = models.frame(ITEM_TEXTS, ordered=True)
        found = vectorize_items(items, VectorConfig(), seed=run.platform.settings.seed)
        written = write_frames(run.platform, ITEM_VECTORS, [found.frame], run.as_of)
        yield dg.MaterializeResult(
            metadata=metadata.table_metadata(
                written.rows,
                written.preview,
                delta_version=written.version,
                items_without_a_vector=items.height - written.rows,
                dimensions=found.dimensions,
                terms=found.terms,
                explained_variance=found.explained_variance,
            ),
            check_results=[_unit_length(run)],
            data_version=dg.DataVersion(written.content),
        )

    return item_vectors


def _unit_length(run: AsOfRun) -> dg.AssetCheckResult:
    """Judges what was written, as its readers find it."""
    with run.models() as models:
        stored = models.frame(ITEM_VECTORS.name)
    faulty = faulty_vectors(stored)
    return dg.AssetCheckResult(
        asset_key=VECTORS_KEY,
        check_name=UNIT_LENGTH,
        passed=not faulty,
        description=f"{len(faulty)} of {stored.height} vectors are faulty"
        + (f", such as that of {faulty[0]}" if faulty else ""),
        metadata={"vectors": stored.height, "faulty": len(faulty), "sample": ", ".join(faulty[:FAULTY_SHOWN])},
    )
