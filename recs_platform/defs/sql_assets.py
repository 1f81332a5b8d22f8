"""One asset and its checks for each SQL model, read from the model's yml."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg
import polars as pl

from recs_platform.contracts.tables import RAW_TABLES
from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset, table_spec
from recs_platform.defs.partitions import AS_OF_PARTITIONS, run_of
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.sql_checks import model_check_results, model_check_specs
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.partition_writer import Written
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.features import pair_models
from recs_platform.stages.reports import WEEKLY_OUTCOMES
from recs_platform.warehouse.lineage import ColumnEdge, stored_lineage
from recs_platform.warehouse.models import Model
from recs_platform.warehouse.runner import Materialized, ModelRun

# Views of all events, read by reports and marts, whose rows are few beside the work of making them.
SHARED_VIEWS = frozenset({WEEKLY_OUTCOMES})
KINDS = ("sql", "duckdb", "delta")


def sql_assets(platform: Platform, schema: str, group: str) -> list[dg.AssetsDefinition]:
    """Assets of the table models of one schema, in dependency order; those of the events alone are one step.

    Those of candidates are made where candidates are scored, see `assets.scoring`.
    """
    elsewhere = {model.name for model in pair_models(platform.models)}
    models = [
        model for model in platform.models.of(schema) if model.materialized == "table" and model.name not in elsewhere
    ]
    shared = _of_events(platform, models)
    alone = [_sql_asset(platform, model, group) for model in models if model not in shared]
    return [_shared_step(platform, shared, schema, group), *alone] if shared else alone


def upstream_keys(platform: Platform, names: Sequence[str]) -> list[dg.AssetKey]:
    """Assets behind the given tables, looking through views and histories."""
    histories = _histories(platform)
    keys: dict[dg.AssetKey, None] = {}
    for name in names:
        if name in platform.models and platform.models.get(name).materialized != "table":
            keys |= dict.fromkeys(upstream_keys(platform, platform.models.get(name).upstreams))
        else:
            keys[metadata.asset_key(histories.get(name, name))] = None
    return list(keys)


def raw_upstreams(platform: Platform, names: Sequence[str]) -> list[str]:
    """Raw tables below the given ones: what computing them again reads."""
    raw = {table.name for table in RAW_TABLES}
    histories = _histories(platform)
    below = (histories.get(table, table) for name in names for table in platform.models.upstreams(name))
    return [table for table in dict.fromkeys(below) if table in raw]


def _of_events(platform: Platform, models: Sequence[Model]) -> list[Model]:
    """Models that read nothing, views looked through, but raw tables and one another."""
    chosen: list[Model] = []
    read = {metadata.asset_key(table.name) for table in RAW_TABLES}
    for model in models:
        if read.issuperset(upstream_keys(platform, model.upstreams)):
            chosen.append(model)
            read.add(metadata.asset_key(model.name))
    return chosen


def _stored_lineage(platform: Platform, model: Model) -> list[ColumnEdge]:
    """Upstream columns that assets hold."""
    histories = _histories(platform)
    edges = stored_lineage(platform.models, platform.lineage, model.name)
    held = (replace(edge, upstream_table=histories.get(edge.upstream_table, edge.upstream_table)) for edge in edges)
    return list(dict.fromkeys(held))


def _histories(platform: Platform) -> dict[str, str]:
    return {contract.name: contract.history_of for contract in platform.contracts if contract.history_of}


def _sql_asset(platform: Platform, model: Model, group: str) -> dg.AssetsDefinition:
    key = metadata.asset_key(model.name)

    @as_of_asset(
        key,
        group=group,
        deps=upstream_keys(platform, model.upstreams),
        kinds=KINDS,
        description=model.description,
        schema=metadata.model_schema(model),
        check_specs=model_check_specs(platform, model),
        code_version=model.hash,
    )
    def table(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        with run.models() as models:
            share_views(run, model, models)
            yield _materialize(run.platform, model, models)

    return table


def share_views(run: AsOfRun, model: Model, models: ModelRun) -> None:
    """Let views that reports read of the same run stand for themselves: each is computed once in a build."""
    for name in SHARED_VIEWS.intersection(model.upstreams):
        models.register(name, run.frame(name))


def _shared_step(platform: Platform, models: Sequence[Model], schema: str, group: str) -> dg.AssetsDefinition:
    """One step for several models; what they all need of the events is computed once."""

    @dg.multi_asset(
        name=f"{schema}_of_events",
        specs=[model_spec(platform, model, group) for model in models],
        check_specs=[spec for model in models for spec in model_check_specs(platform, model)],
        partitions_def=AS_OF_PARTITIONS,
        can_subset=True,
    )
    def tables(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> Results:
        run = run_of(context, as_of_run)
        chosen = [model for model in models if metadata.asset_key(model.name) in context.selected_asset_keys]
        with run.models() as models_run:
            for model in chosen:
                yield _materialize(run.platform, model, models_run)

    return tables


def model_spec(
    platform: Platform, model: Model, group: str, *, deps: Sequence[dg.AssetKey] | None = None
) -> dg.AssetSpec:
    """The asset of a model that a step writes with others; it depends on what it reads, unless `deps` are given."""
    return table_spec(
        model.name,
        model.description,
        metadata.definition_metadata(metadata.asset_key(model.name), metadata.model_schema(model)),
        group=group,
        deps=upstream_keys(platform, model.upstreams) if deps is None else deps,
        kinds=KINDS,
        code_version=model.hash,
    )


def _materialize(platform: Platform, model: Model, run: ModelRun) -> dg.MaterializeResult[Any]:
    """Write the table and return its metadata and checks."""
    started = time.monotonic()
    written = run.materialize(model.name)
    seconds = round(time.monotonic() - started, 2)
    preview = run.head(model.name, metadata.PREVIEW_ROWS)
    return _result(platform, model, run, written, preview, {"compute_seconds": seconds})


def scored_model_result(platform: Platform, model: Model, run: ModelRun, written: Written) -> dg.MaterializeResult[Any]:
    """The same of a model whose rows were written with the candidates."""
    return _result(platform, model, run, written, written.preview, {})


def _result(
    platform: Platform,
    model: Model,
    run: ModelRun,
    written: Materialized | Written,
    preview: pl.DataFrame,
    details: Mapping[str, float],
) -> dg.MaterializeResult[Any]:
    return dg.MaterializeResult(
        asset_key=metadata.asset_key(model.name),
        metadata=metadata.table_metadata(written.rows, preview, delta_version=written.version, **details)
        | {"dagster/column_lineage": metadata.lineage(_stored_lineage(platform, model), model.name)},
        check_results=model_check_results(platform, run, model),
        data_version=dg.DataVersion(written.content),
    )
