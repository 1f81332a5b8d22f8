"""Assets of the ranking stage: labelled windows, the ranker, its champion, and ranked candidates."""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import CANDIDATES, RANKED
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset
from recs_platform.defs.leakage_check import NO_LEAK, NO_LEAK_DESCRIPTION, leak_check
from recs_platform.defs.partitions import as_of, known_at
from recs_platform.defs.resources import platform_of
from recs_platform.defs.sql_assets import upstream_keys
from recs_platform.lake.artifacts import artifact
from recs_platform.pipeline.lists.scoring import score_as_of
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.label_leakage import tell_windows
from recs_platform.pipeline.training.rankers import RANKER, Shelf, champion, plan_curriculum, ranker
from recs_platform.pipeline.training.windows import prune_windows
from recs_platform.stages import ranking
from recs_platform.stages.features import feature_tables

GROUP = "ranking"
TRAINING_SET_KEY = dg.AssetKey([GROUP, "training_set"])
RANKER_KEY = dg.AssetKey([GROUP, RANKER])
CHAMPION_KEY = dg.AssetKey([GROUP, "champion"])
STAGING = ("staging.stg_interactions", "staging.stg_items", "staging.stg_users")
IMPORTANCE_ROWS = 15


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Training set → ranker → champion → ranked."""
    return [_training_set_asset(platform), _ranker_asset(), _champion_asset(), _ranked_asset(platform)]


def _training_set_asset(platform: Platform) -> dg.AssetsDefinition:
    @as_of_asset(
        TRAINING_SET_KEY,
        group=GROUP,
        deps=upstream_keys(platform, STAGING),
        kinds=("python", "polars"),
        description="Labelled windows: candidates and features rebuilt at past cutoffs, with what users chose next. "
        "Each is a sealed artifact, shared by every as-of that needs it.",
        check_specs=[
            dg.AssetCheckSpec(NO_LEAK, asset=TRAINING_SET_KEY, blocking=True, description=NO_LEAK_DESCRIPTION)
        ],
    )
    def training_set(context: dg.AssetExecutionContext) -> Results:
        platform, at, known = platform_of(context), as_of(context), known_at(context)
        curriculum = plan_curriculum(platform, at, known)
        shelf = Shelf(platform, known, context.log.info)
        shelf.prefetch(curriculum.surely_needed())
        to_serve = shelf.to_learn_from(curriculum.training_for(None))
        for split in curriculum.tests():
            shelf.to_learn_from(curriculum.training_for(split))
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": int(sum(each.metrics["rows"] for each in shelf.taken)),
                "protocol": curriculum.protocol,
                "grid_days": curriculum.plan.step_days,
                "windows": len(shelf.taken),
                "windows_built": shelf.built,
                "windows_dropped": prune_windows(platform, shelf.taken),
                "windows_to_serve": len(to_serve),
                "preview": dg.MetadataValue.md(metadata.markdown_table(_window_table(shelf.taken))),
            }
        )
        yield leak_check(TRAINING_SET_KEY, tell_windows(platform, shelf.taken))

    return training_set


def _ranker_asset() -> dg.AssetsDefinition:
    @as_of_asset(
        RANKER_KEY,
        group=GROUP,
        deps=[TRAINING_SET_KEY],
        kinds=("python", "lightgbm"),
        description="LambdaRank over the labelled windows whose labels end by the as-of: a sealed artifact.",
    )
    def ranker_asset(context: dg.AssetExecutionContext) -> Results:
        platform, at, known = platform_of(context), as_of(context), known_at(context)
        curriculum = plan_curriculum(platform, at, known)
        windows = Shelf(platform, known, context.log.info).to_learn_from(curriculum.training_for(None))
        manifest, reused = ranker(platform, at, known, windows)
        trained = ranking.load_ranker(artifact(platform.home.artifacts, RANKER, manifest.version))
        importance = metadata.markdown_table(ranking.feature_importance(trained).head(IMPORTANCE_ROWS))
        yield dg.MaterializeResult(
            metadata={
                "version": manifest.version,
                "reused": reused,
                "kind": trained.kind,
                "windows": len(windows),
                "labels_end": str(manifest.parameters["labels_end"]),
                **manifest.metrics,
                "importance": dg.MetadataValue.md(importance),
            }
        )

    return ranker_asset


def _champion_asset() -> dg.AssetsDefinition:
    @as_of_asset(
        CHAMPION_KEY,
        group=GROUP,
        deps=[RANKER_KEY],
        kinds=("python",),
        description="The ranker that scores this as-of: of those whose labels end by it, the one that knows most.",
    )
    def champion_asset(context: dg.AssetExecutionContext) -> Results:
        choice = champion(platform_of(context), as_of(context), known_at(context))
        yield dg.MaterializeResult(
            metadata={
                "version": choice.manifest.version,
                "reason": choice.reason,
                "labels_end": str(choice.manifest.parameters["labels_end"]),
                "trained_as_of": choice.manifest.as_of.isoformat(),
            }
        )

    return champion_asset


def _ranked_asset(platform: Platform) -> dg.AssetsDefinition:
    features = [metadata.asset_key(table) for table in feature_tables(platform.feature_set)]

    @as_of_asset(
        metadata.asset_key(RANKED.name),
        group=GROUP,
        deps=[CHAMPION_KEY, metadata.asset_key(CANDIDATES.name), *features],
        kinds=("python", "lightgbm", "delta"),
        description=RANKED.description,
        schema=metadata.contract_schema(RANKED),
    )
    def ranked(context: dg.AssetExecutionContext) -> Results:
        written, version = score_as_of(platform_of(context), as_of(context), known_at(context))
        yield dg.MaterializeResult(
            metadata=metadata.table_metadata(written.rows, written.preview, users=written.users, ranker=version)
        )

    return ranked


def _window_table(windows: Sequence[Manifest]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"cutoff": f"{each.as_of:%Y-%m-%d}", "version": each.version[:8], **each.metrics} for each in windows]
    )
