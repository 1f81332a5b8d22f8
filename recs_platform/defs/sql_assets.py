"""One asset and its checks for each SQL model, read from the model's yml. Knows no model by name."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from recs_platform.defs import metadata
from recs_platform.defs.as_of_assets import Results, as_of_asset
from recs_platform.defs.partitions import as_of, known_at
from recs_platform.defs.platform import Platform
from recs_platform.defs.resources import platform_of
from recs_platform.warehouse.models import Model
from recs_platform.warehouse.sql_tests import SqlTest, TestResult, data_tests, run_tests


def sql_assets(platform: Platform, schema: str, group: str) -> list[dg.AssetsDefinition]:
    """Assets of the table models of one schema, in dependency order."""
    models = [model for model in platform.models.of(schema) if model.materialized == "table"]
    return [_sql_asset(platform, model, group) for model in models]


def upstream_keys(platform: Platform, names: Sequence[str]) -> list[dg.AssetKey]:
    """Assets behind the given tables, looking through views."""
    keys: dict[dg.AssetKey, None] = {}
    for name in names:
        if name in platform.models and platform.models.get(name).materialized != "table":
            keys |= dict.fromkeys(upstream_keys(platform, platform.models.get(name).upstreams))
        else:
            keys[metadata.asset_key(name)] = None
    return list(keys)


def _sql_asset(platform: Platform, model: Model, group: str) -> dg.AssetsDefinition:
    key = metadata.asset_key(model.name)

    @as_of_asset(
        key,
        group=group,
        deps=upstream_keys(platform, model.upstreams),
        kinds=("sql", "duckdb", "delta"),
        description=model.description,
        schema=metadata.model_schema(model),
        check_specs=_check_specs(key, data_tests(model)),
        code_version=model.hash,
    )
    def table(context: dg.AssetExecutionContext) -> Results:
        platform, at, known = platform_of(context), as_of(context), known_at(context)
        with platform.model_run(at, known) as run:
            written = run.materialize(model.name)
        with platform.model_run(at, known) as run:
            preview = run.head(model.name, metadata.PREVIEW_ROWS)
            results = run_tests(run, model)
        yield dg.MaterializeResult(
            metadata=metadata.table_metadata(written.rows, preview, delta_version=written.version)
            | {"dagster/column_lineage": metadata.lineage(platform.lineage, model.name)},
            check_results=list(_check_results(key, results)),
        )

    return table


def _check_specs(key: dg.AssetKey, tests: Sequence[SqlTest]) -> list[dg.AssetCheckSpec]:
    """One check a kind of test: as many events as tests would cost more time than the tests do."""
    kinds = dict.fromkeys(_kind(test.name) for test in tests)
    return [
        dg.AssetCheckSpec(
            kind,
            asset=key,
            blocking=True,
            description=", ".join(test.name for test in tests if _kind(test.name) == kind),
        )
        for kind in kinds
    ]


def _check_results(key: dg.AssetKey, results: Sequence[TestResult]) -> Iterator[dg.AssetCheckResult]:
    """One check a kind of test; its metadata names each failing test with its rows."""
    by_kind: dict[str, list[TestResult]] = {}
    for result in results:
        by_kind.setdefault(_kind(result.name), []).append(result)
    for kind, tests in by_kind.items():
        failing = [test for test in tests if test.failures]
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=kind,
            passed=not failing,
            metadata={"tests": len(tests)} | {test.name: dg.MetadataValue.json(_failure(test)) for test in failing},
        )


def _failure(test: TestResult) -> dict[str, Any]:
    return {
        "failing_rows": test.failures,
        "sample": [{name: str(value) for name, value in row.items()} for row in test.sample],
    }


def _kind(test: str) -> str:
    """What a test checks: `user_features.recency_days.range` → `range`, also where it is numbered."""
    return test.rsplit(".", 1)[-1].rstrip("0123456789").rstrip("_")
