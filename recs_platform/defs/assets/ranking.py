"""Assets of the ranking stage: labelled windows and the ranker.

What serves is chosen in `champion`, candidates are scored in `scoring`.
"""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.regions import REGION_EXCLUSIONS, USER_REGIONS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset
from recs_platform.defs.leakage_check import NO_LABEL_LEAKAGE, NO_LABEL_LEAKAGE_DESCRIPTION, label_leakage_check
from recs_platform.defs.overfitting_check import (
    NOT_OVERFITTED,
    NOT_OVERFITTED_DESCRIPTION,
    learning_metadata,
    overfitting_check,
)
from recs_platform.defs.partitions import run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.sql_assets import raw_upstreams, upstream_keys
from recs_platform.lake.artifacts import artifact
from recs_platform.pipeline.as_of_run import CATALOGUE, CONSUMED, INTERACTIONS, ITEMS, USERS
from recs_platform.pipeline.data_versions import FILES, OMISSIONS
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.diagnosing import diagnose_ranker, seal_serving_ranker
from recs_platform.pipeline.training.label_leakage import measure_window_leakage
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.windows import prune_windows
from recs_platform.stages import ranking
from recs_platform.stages.features import feature_tables

GROUP = "ranking"
TRAINING_SET_KEY = dg.AssetKey([GROUP, "training_set"])
RANKER_KEY = dg.AssetKey([GROUP, ranking.RANKER])
# What schedules, choices by the data and keys of artifacts are made from, and what windows read as of past cutoffs.
SCHEDULE = (INTERACTIONS, USERS, CATALOGUE, FILES, OMISSIONS)
PAST = (*SCHEDULE, ITEMS, CONSUMED, USER_REGIONS, REGION_EXCLUSIONS)
IMPORTANCE_ROWS = 15
KINDS = ("python", "lightgbm", "delta")


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Training set → ranker."""
    return [_training_set_asset(platform), _ranker_asset(platform)]


def past_upstreams(platform: Platform) -> list[dg.AssetKey]:
    """What is read wherever windows may be built."""
    recomputed = raw_upstreams(platform, feature_tables(platform.feature_set))
    return upstream_keys(platform, (*PAST, *recomputed))


def _training_set_asset(platform: Platform) -> dg.AssetsDefinition:
    @as_of_asset(
        TRAINING_SET_KEY,
        group=GROUP,
        deps=past_upstreams(platform),
        kinds=("python", "polars"),
        description="Labelled windows: candidates and features rebuilt at past cutoffs, with what users chose next. "
        "Each is a sealed artifact, shared by every as-of that needs it.",
        check_specs=[
            dg.AssetCheckSpec(
                NO_LABEL_LEAKAGE, asset=TRAINING_SET_KEY, blocking=True, description=NO_LABEL_LEAKAGE_DESCRIPTION
            )
        ],
    )
    def training_set(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        schedule, windows = training_schedule(run), WindowCache(run, context.log.info)
        windows.prefetch(schedule.surely_needed())
        to_serve = windows.to_learn_from(schedule.training_for(None))
        for split in schedule.first_tests():
            windows.to_learn_from(schedule.training_for(split))
        for split in schedule.first_trials():
            windows.to_learn_from(schedule.trial_training(split))
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": int(sum(each.metrics["rows"] for each in windows.taken)),
                "protocol": schedule.protocol,
                "grid_days": schedule.plan.step_days,
                "windows": len(windows.taken),
                "windows_built": windows.built,
                "windows_dropped": prune_windows(run.platform, windows.taken),
                "windows_to_serve": len(to_serve),
                "preview": dg.MetadataValue.md(metadata.markdown_table(_window_table(windows.taken))),
            },
            data_version=dg.DataVersion(content_key({"windows": [each.version for each in windows.taken]})),
        )
        yield label_leakage_check(TRAINING_SET_KEY, measure_window_leakage(run, windows.taken))

    return training_set


def _ranker_asset(platform: Platform) -> dg.AssetsDefinition:
    @as_of_asset(
        RANKER_KEY,
        group=GROUP,
        deps=[TRAINING_SET_KEY, *upstream_keys(platform, SCHEDULE)],
        kinds=("python", "lightgbm"),
        description="LambdaRank over the labelled windows whose labels end by the as-of: a sealed artifact.",
        check_specs=[dg.AssetCheckSpec(NOT_OVERFITTED, asset=RANKER_KEY, description=NOT_OVERFITTED_DESCRIPTION)],
    )
    def ranker_asset(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        cache, schedule = WindowCache(run, context.log.info), training_schedule(run)
        windows = cache.to_learn_from(schedule.training_for(None))
        manifest, reused = seal_serving_ranker(cache, schedule, context.log.info)
        diagnosis = diagnose_ranker(cache, schedule)
        trained = ranking.load_ranker(artifact(run.platform.home.artifacts, ranking.RANKER, manifest.version))
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
                **learning_metadata(diagnosis),
            },
            data_version=dg.DataVersion(manifest.version),
        )
        yield overfitting_check(RANKER_KEY, diagnosis)

    return ranker_asset


def _window_table(windows: Sequence[Manifest]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"cutoff": f"{each.as_of:%Y-%m-%d}", "version": each.version[:8], **each.metrics} for each in windows]
    )
