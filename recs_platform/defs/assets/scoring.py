"""The step that scores candidates: generated, given features and scored a block of users at a time, the best stored."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from recs_platform.contracts.tables import CANDIDATES, OFFER_COUNTS, RANKED
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, contract_spec
from recs_platform.defs.assets.champion import CHAMPION_KEY, CONTENDERS_KEY
from recs_platform.defs.assets.ranking import GROUP, KINDS, RANKER_KEY
from recs_platform.defs.assets.retrieval import EMBEDDINGS_KEY, HISTORY, INDEX_KEY
from recs_platform.defs.assets.retrieval import GROUP as RETRIEVAL_GROUP
from recs_platform.defs.partitions import AS_OF_PARTITIONS, run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.retrieval_metadata import offer_metadata
from recs_platform.defs.sql_assets import model_spec, scored_model_result, upstream_keys
from recs_platform.defs.sql_checks import model_check_specs
from recs_platform.pipeline.as_of_run import USER_SEGMENTS, AsOfRun
from recs_platform.pipeline.lists.scoring import Scored, score_as_of
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.facts import count_offers
from recs_platform.stages.features import FEATURES_SCHEMA, feature_tables, pair_models


def build_assets(platform: Platform) -> list[dg.AssetsDefinition]:
    """Candidates, their features and scores."""
    return [_scored_asset(platform)]


def _scored_asset(platform: Platform) -> dg.AssetsDefinition:
    """One step for candidates, their features and scores: they pass by a block of users at a time."""
    pairs = pair_models(platform.models)
    stored = [table for table in feature_tables(platform.feature_set) if table not in {model.name for model in pairs}]
    beside = [name for model in pairs for name in model.upstreams if name != CANDIDATES.name]
    read = (*HISTORY, USER_SEGMENTS, *stored, *beside)
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
