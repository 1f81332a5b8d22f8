"""SQL tests as asset checks: one a data test, one of a model's given/expect tests, one a singular test.

The tests are read and run in `warehouse.sql_tests` and `warehouse.unit_tests`; `recs sql-test` uses
`pipeline.questions.sql_tests`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from recs_platform.contracts.tables import RAW_TABLES
from recs_platform.defs import metadata
from recs_platform.defs.resources import HomeResource
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.unit_test_proofs import prove
from recs_platform.warehouse.data_test_files import Severity
from recs_platform.warehouse.models import Model, Models
from recs_platform.warehouse.runner import ModelRun
from recs_platform.warehouse.sql_tests import (
    SqlTest,
    TestResult,
    data_tests,
    run_test,
    run_tests,
    singular_tests,
)
from recs_platform.warehouse.unit_tests import UnitTestResult

if TYPE_CHECKING:
    from dagster._core.definitions.asset_checks.asset_check_evaluation import (
        AssetCheckEvaluationTargetMaterializationData,
    )
    from dagster._core.execution.context.system import StepExecutionContext

UNIT_TESTS = "unit_tests"
# Of one attempt of a step, for one asset: its checks follow its materialization.
_targets: "dict[object, AssetCheckEvaluationTargetMaterializationData | None]" = {}


class _CheckResult(dg.AssetCheckResult):
    """A result that looks the judged materialization up once for all checks of an asset, and not twice for each."""

    def _get_partitioned_target_materialization_data(
        self, step_context: "StepExecutionContext", asset_key: dg.AssetKey, partition_key: str
    ) -> "AssetCheckEvaluationTargetMaterializationData | None":
        attempt = (step_context.run_id, step_context.previous_attempt_count, asset_key, partition_key)
        if attempt not in _targets:
            _targets.clear()
            _targets[attempt] = super()._get_partitioned_target_materialization_data(
                step_context, asset_key, partition_key
            )
        return _targets[attempt]


def singular_tests_of(platform: Platform, model: Model) -> list[SqlTest]:
    """The singular tests that are checks of a model: it is the last stored one, in dependency order, that they read."""
    return [test for test in _singular_tests(platform.sql) if _last_read(platform.models, test) == model.name]


def model_check_specs(platform: Platform, model: Model) -> list[dg.AssetCheckSpec]:
    """A model's checks, named like `recency_days__not_null`; a warning stops nothing. None with `data_tests` off."""
    if not platform.settings.data_tests:
        return []
    key = metadata.asset_key(model.name)
    tests = [*data_tests(model), *singular_tests_of(platform, model)]
    specs = [_spec(key, check_name(test), test.description, test.severity) for test in tests]
    if model.unit_tests:
        specs.append(_spec(key, UNIT_TESTS, ", ".join(test.name for test in model.unit_tests)))
    return specs


def model_check_results(platform: Platform, run: ModelRun, model: Model) -> list[dg.AssetCheckResult]:
    """Run all of a model's tests on what is stored as of the run's instant."""
    if not platform.settings.data_tests:
        return []
    key, singular = metadata.asset_key(model.name), singular_tests_of(platform, model)
    tests = [*data_tests(model), *singular]
    results = [*run_tests(run, model), *(run_test(run, test) for test in singular)]
    found = [_result(key, test, result) for test, result in zip(tests, results, strict=True)]
    return [*found, _unit_tests_result(key, prove(platform, model))] if model.unit_tests else found


def raw_checks(platform: Platform) -> list[dg.AssetChecksDefinition]:
    """The singular tests that read raw tables only, as one step after these are written."""
    raw = {table.name for table in RAW_TABLES if platform.settings.data_tests}
    tests = {test.name: test for test in _singular_tests(platform.sql) if raw.issuperset(test.tables)}
    keys = {name: metadata.asset_key(test.tables[0]) for name, test in tests.items()}
    if not tests:
        return []

    @dg.multi_asset_check(
        name="raw_tests",
        specs=[_spec(keys[name], name, test.description) for name, test in tests.items()],
    )
    def raw_tests(home: HomeResource) -> Iterator[dg.AssetCheckResult]:
        now = datetime.now(UTC)
        with home.platform.model_run(now, now) as run:
            for name, test in tests.items():
                yield _result(keys[name], test, run_test(run, test))

    return [raw_tests]


def check_name(test: SqlTest) -> str:
    """`user_features.recency_days.accepted_range` → `recency_days__accepted_range`; a singular test keeps its name."""
    _, _, rest = test.name.partition(".")
    return (rest or test.name).replace(".", "__")


@cache
def _singular_tests(folder: Path) -> tuple[SqlTest, ...]:
    return tuple(singular_tests(folder / "tests"))


def _last_read(models: Models, test: SqlTest) -> str | None:
    """The stored model that a test waits for; None where it reads tables that may be written after that model."""
    read = [model.name for model in models if model.materialized == "table" and model.name in test.tables]
    if not read:
        return None
    before = {*models.upstreams(read[-1]), read[-1]}
    needed = {above for table in test.tables for above in (table, *models.upstreams(table)) if models.is_as_of(above)}
    return read[-1] if needed <= before else None


def _spec(key: dg.AssetKey, name: str, description: str, severity: Severity = "error") -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=key, blocking=severity == "error", description=description)


def _result(key: dg.AssetKey, test: SqlTest, result: TestResult) -> dg.AssetCheckResult:
    """A check result with the number of failing rows and a sample of them."""
    shown: Mapping[str, Any] = {}
    if result.failures:
        shown = {"failing_rows": result.failures, "rows": dg.MetadataValue.md(_rows(result.sample))}
    sentence = f"{result.failures:,} rows fail: {test.description or test.name}" if result.failures else "no row fails"
    return _CheckResult(
        asset_key=key,
        check_name=check_name(test),
        passed=not result.failures,
        severity=dg.AssetCheckSeverity.ERROR if test.severity == "error" else dg.AssetCheckSeverity.WARN,
        description=sentence,
        metadata=shown,
    )


def _unit_tests_result(key: dg.AssetKey, results: Sequence[UnitTestResult]) -> dg.AssetCheckResult:
    shown: dict[str, Any] = {"tests": len(results)}
    for result in results:
        for what, rows in (("missing", result.missing), ("unexpected", result.unexpected)):
            if rows:
                shown[f"{result.name}: {what}"] = dg.MetadataValue.md(_rows(rows))
    failed = [result.name for result in results if not result.passed]
    sentence = f"{len(failed)} of {len(results)} fail: {', '.join(failed)}" if failed else f"all {len(results)} pass"
    return _CheckResult(asset_key=key, check_name=UNIT_TESTS, passed=not failed, description=sentence, metadata=shown)


def _rows(rows: Sequence[Mapping[str, Any]]) -> str:
    return metadata.markdown_table(pl.DataFrame([{name: str(value) for name, value in row.items()} for row in rows]))
