"""Assets that choose what serves: the champion among rankers with its gate, and what orders each group's lists."""

from typing import Any

import dagster as dg
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import CHAMPION, CONTENDERS, PROMOTIONS
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset, contract_spec
from recs_platform.defs.assets.ranking import GROUP, KINDS, RANKER_KEY, SCHEDULE, TRAINING_SET_KEY
from recs_platform.defs.partitions import AS_OF_PARTITIONS, run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.sql_assets import upstream_keys
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.partition_writer import write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.champion import Promotion, champion_row, decide_champion
from recs_platform.pipeline.training.compiled import compile_champion
from recs_platform.pipeline.training.promotion import SEGMENTS
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.trials import choose_as_of
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.stages import ranking

CHAMPION_KEY = metadata.asset_key(CHAMPION.name)
CONTENDERS_KEY = metadata.asset_key(CONTENDERS.name)
CHOICE = (c.HISTORY_GROUP, c.CONTENDER, c.NDCG, c.REASON)
GATE = "gate"
GATE_DESCRIPTION = "The newest ranker serves: it passed the gate, or there was nothing to hold it against"
GATE_COLUMNS = (c.LINE, c.SEGMENT, c.METRIC, c.CHALLENGER_VALUE, c.OPPONENT_VALUE, c.IS_PASSED, c.MESSAGE)


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Champion → contenders."""
    return [_champion_asset(platform), _contenders_asset(platform)]


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
