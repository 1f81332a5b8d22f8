"""Assets of the ranking stage: labelled windows, the ranker, its champion, and ranked candidates."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest, content_key
from recs_platform.contracts.regions import REGION_EXCLUSIONS, USER_REGIONS
from recs_platform.contracts.tables import CANDIDATES, CHAMPION, CONTENDERS, OFFER_COUNTS, PROMOTIONS, RANKED
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset, contract_spec
from recs_platform.defs.assets.retrieval import EMBEDDINGS_KEY, HISTORY, INDEX_KEY
from recs_platform.defs.assets.retrieval import GROUP as RETRIEVAL_GROUP
from recs_platform.defs.leakage_check import NO_LABEL_LEAKAGE, NO_LABEL_LEAKAGE_DESCRIPTION, label_leakage_check
from recs_platform.defs.overfitting_check import (
    NOT_OVERFITTED,
    NOT_OVERFITTED_DESCRIPTION,
    learning_metadata,
    overfitting_check,
)
from recs_platform.defs.partitions import AS_OF_PARTITIONS, run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.retrieval_metadata import offer_metadata
from recs_platform.defs.sql_assets import model_spec, raw_upstreams, scored_model_result, upstream_keys
from recs_platform.defs.sql_checks import model_check_specs
from recs_platform.lake.artifacts import artifact
from recs_platform.pipeline.as_of_run import CONSUMED, INTERACTIONS, ITEMS, USERS, AsOfRun
from recs_platform.pipeline.data_versions import FILES, OMISSIONS
from recs_platform.pipeline.lists.scoring import Scored, score_as_of
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.facts import count_offers
from recs_platform.pipeline.retrieval.inputs import PROFILES
from recs_platform.pipeline.training.champion import Promotion, champion_row, decide_champion
from recs_platform.pipeline.training.compiled import compile_champion
from recs_platform.pipeline.training.diagnosing import diagnose_ranker
from recs_platform.pipeline.training.label_leakage import measure_window_leakage
from recs_platform.pipeline.training.promotion import SEGMENTS
from recs_platform.pipeline.training.rankers import seal_ranker
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.trials import choose_as_of
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.windows import prune_windows
from recs_platform.stages import ranking
from recs_platform.stages.features import FEATURES_SCHEMA, feature_tables, pair_models

GROUP = "ranking"
TRAINING_SET_KEY = dg.AssetKey([GROUP, "training_set"])
RANKER_KEY = dg.AssetKey([GROUP, ranking.RANKER])
CHAMPION_KEY = metadata.asset_key(CHAMPION.name)
CONTENDERS_KEY = metadata.asset_key(CONTENDERS.name)
CHOICE = (c.HISTORY_GROUP, c.CONTENDER, c.NDCG, c.REASON)
# What a schedule and the keys of artifacts are made from, and what windows read as of past cutoffs.
SCHEDULE = (INTERACTIONS, FILES, OMISSIONS)
PAST = (*SCHEDULE, ITEMS, USERS, CONSUMED, USER_REGIONS, REGION_EXCLUSIONS)
GATE = "gate"
GATE_DESCRIPTION = "The newest ranker serves: it passed the gate, or there was nothing to hold it against"
GATE_COLUMNS = (c.LINE, c.SEGMENT, c.METRIC, c.CHALLENGER_VALUE, c.OPPONENT_VALUE, c.IS_PASSED, c.MESSAGE)
IMPORTANCE_ROWS = 15
KINDS = ("python", "lightgbm", "delta")


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Training set → ranker → champion → scored candidates."""
    return [
        _training_set_asset(platform),
        _ranker_asset(platform),
        _champion_asset(platform),
        _contenders_asset(platform),
        _scored_asset(platform),
    ]


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
        manifest, reused = seal_ranker(run, run.as_of, windows)
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


def _champion_asset(platform: Platform) -> dg.AssetsDefinition:
    """One step for the champion and what the gate said of its challenger."""
    deps = [RANKER_KEY, TRAINING_SET_KEY, *upstream_keys(platform, (*SCHEDULE, SEGMENTS))]
    contracts = ((CHAMPION, GROUP), (PROMOTIONS, "reports"))

    @dg.multi_asset(
        name="champion",
        specs=[contract_spec(contract, group=group, deps=deps, kinds=KINDS) for contract, group in contracts],
        check_specs=[dg.AssetCheckSpec(GATE, asset=CHAMPION_KEY, description=GATE_DESCRIPTION)],
        partitions_def=AS_OF_PARTITIONS,
    )
    def champion(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        promotion = decide_champion(WindowCache(run, context.log.info), training_schedule(run), context.log.info)
        yield _champion_result(run, promotion)
        yield _promotions_result(run, promotion)
        yield _gate_check(promotion)

    return champion


def _champion_result(run: AsOfRun, promotion: Promotion) -> dg.MaterializeResult[Any]:
    row, manifest = champion_row(promotion), promotion.champion
    written = write_frames(run.platform, CHAMPION, [row], run.as_of)
    about = metadata.table_metadata(
        row.height,
        row,
        version=manifest.version,
        decision=promotion.decision,
        reason=promotion.reason,
        labels_end=str(manifest.parameters[ranking.LABELS_END]),
        trained_as_of=manifest.as_of.isoformat(),
        compiled=compile_champion(run.platform, manifest),
    )
    return dg.MaterializeResult(asset_key=CHAMPION_KEY, metadata=about, data_version=dg.DataVersion(written.content))


def _promotions_result(run: AsOfRun, promotion: Promotion) -> dg.MaterializeResult[Any]:
    written = write_frames(run.platform, PROMOTIONS, [promotion.lines], run.as_of)
    return dg.MaterializeResult(
        asset_key=metadata.asset_key(PROMOTIONS.name),
        metadata=metadata.table_metadata(written.rows, promotion.lines) | {"gate": _gate_table(promotion)},
        data_version=dg.DataVersion(written.content),
    )


def _gate_check(promotion: Promotion) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=CHAMPION_KEY,
        check_name=GATE,
        passed=promotion.is_passed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"decision": promotion.decision, "reason": promotion.reason, "gate": _gate_table(promotion)},
    )


def _gate_table(promotion: Promotion) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(metadata.markdown_table(promotion.lines.select(*GATE_COLUMNS)))


def _contenders_asset(platform: Platform) -> dg.AssetsDefinition:
    @as_of_asset(
        CONTENDERS_KEY,
        group=GROUP,
        deps=[TRAINING_SET_KEY, RANKER_KEY, CHAMPION_KEY, *upstream_keys(platform, SCHEDULE)],
        kinds=("python", "polars", "delta"),
        description="Tuned popularity, every source, the merge, the ranker and blends, tried at past cutoffs through "
        "re-ranking: what orders the lists of each group of users, never less than the best simple list.",
        schema=metadata.contract_schema(CONTENDERS),
    )
    def contenders(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        windows = WindowCache(run, context.log.info)
        rows = choose_as_of(windows, training_schedule(run), run.as_of, context.log.info)
        written = write_frames(run.platform, CONTENDERS, [rows], run.as_of)
        chosen = rows.filter(c.IS_CHOSEN)
        yield dg.MaterializeResult(
            metadata=metadata.table_metadata(
                written.rows,
                rows.filter(pl.col(c.HISTORY_GROUP) == ranking.EVERYBODY),
            )
            | {"chosen": dg.MetadataValue.md(metadata.markdown_table(chosen.select(*CHOICE)))},
            data_version=dg.DataVersion(written.content),
        )

    return contenders


def _scored_asset(platform: Platform) -> dg.AssetsDefinition:
    """One step for candidates, their features and scores: they pass by a block of users at a time."""
    pairs = pair_models(platform.models)
    stored = [table for table in feature_tables(platform.feature_set) if table not in {model.name for model in pairs}]
    beside = [name for model in pairs for name in model.upstreams if name != CANDIDATES.name]
    read = (*HISTORY, *PROFILES, *stored, *beside)
    deps = [EMBEDDINGS_KEY, INDEX_KEY, RANKER_KEY, CHAMPION_KEY, CONTENDERS_KEY, *upstream_keys(platform, read)]
    contracts = (
        (platform.contract(CANDIDATES.name), RETRIEVAL_GROUP),
        (OFFER_COUNTS, RETRIEVAL_GROUP),
        (RANKED, GROUP),
    )

    @dg.multi_asset(
        name="scored_candidates",
        specs=[
            *(contract_spec(contract, group=group, deps=deps, kinds=KINDS) for contract, group in contracts),
            *(model_spec(platform, model, FEATURES_SCHEMA, deps=deps) for model in pairs),
        ],
        check_specs=[spec for model in pairs for spec in model_check_specs(platform, model)],
        partitions_def=AS_OF_PARTITIONS,
    )
    def scored_candidates(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        scored = score_as_of(run)
        for contract, _ in contracts:
            yield _scored_result(contract.name, scored, _details(run, contract.name, scored))
        with run.models() as models:
            for model in pairs:
                yield scored_model_result(run.platform, model, models, scored.written[model.name])

    return scored_candidates


def _scored_result(name: str, scored: Scored, details: Mapping[str, Any]) -> dg.MaterializeResult[Any]:
    written = scored.written[name]
    return dg.MaterializeResult(
        asset_key=metadata.asset_key(name),
        metadata=metadata.table_metadata(written.rows, written.preview, **details),
        data_version=dg.DataVersion(written.content),
    )


def _details(run: AsOfRun, name: str, scored: Scored) -> dict[str, Any]:
    """What a reader of the table's run wants beside its rows."""
    users = scored.written[name].users
    if name == RANKED.name:
        return {"users": users, "ranker": scored.version, "scored_by": scored.scored_by}
    if name == OFFER_COUNTS.name:
        return {}
    seconds = {"part": list(scored.seconds), "seconds": [round(each, 2) for each in scored.seconds.values()]}
    parts = metadata.markdown_table(pl.DataFrame(seconds))
    return {"users": users, "seconds": dg.MetadataValue.md(parts), **offer_metadata(count_offers(run))}


def _window_table(windows: Sequence[Manifest]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"cutoff": f"{each.as_of:%Y-%m-%d}", "version": each.version[:8], **each.metrics} for each in windows]
    )
