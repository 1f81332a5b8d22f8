"""SQL tests for `recs sql-test`: of one model or all, on stored and on given rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from recs_platform.contracts.tables import EVENTS
from recs_platform.contracts.time import as_of_key
from recs_platform.pipeline.build_records import last_build
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.connection import connect
from recs_platform.warehouse.data_test_files import Severity
from recs_platform.warehouse.model_types import check_types
from recs_platform.warehouse.models import Model
from recs_platform.warehouse.sql_tests import TestResult, run_test, run_tests, singular_tests, tests_of
from recs_platform.warehouse.unit_tests import UnitTestResult, run_unit_test

UNIT, DATA, SINGULAR = "unit", "data", "singular"


@dataclass(frozen=True)
class Tested:
    """One test and how it went; `rows` by what they are: `failing`, or `missing` and `unexpected` ones."""

    kind: str
    model: str
    name: str
    failures: int
    rows: dict[str, list[dict[str, Any]]]
    severity: Severity = "error"


@dataclass(frozen=True)
class SqlReport:
    """What was tested, as of which instant (None: nothing is stored), and what there is nothing to test of, and why."""

    as_of: datetime | None
    tests: tuple[Tested, ...]
    untested: tuple[tuple[str, str], ...]

    @property
    def failed(self) -> list[Tested]:
        """Those of severity error with failures."""
        return [test for test in self.tests if test.failures and test.severity == "error"]

    @property
    def warned(self) -> list[Tested]:
        return [test for test in self.tests if test.failures and test.severity == "warn"]


def run_sql_tests(platform: Platform, model: str | None = None, as_of: datetime | None = None) -> SqlReport:
    """Hold models' types against their SQL, then run their given/expect, data and singular tests.

    Rows are those stored as of `as_of` (default: the newest one materialized), views are computed with what was known
    to that build. Raises UsageError for an unknown model, ModelError where SQL and yml disagree on a type.
    """
    chosen = platform.models.all() if model is None else (platform.models.get(model),)
    with connect(memory_limit_gb=platform.settings.memory_limit_gb, threads=1) as con:
        check_types(con, platform.models, chosen)
    tests = _unit_tests(platform, chosen)
    at = newest_as_of(platform) if as_of is None else as_of
    if at is None or not platform.lake.exists(EVENTS.name):
        return SqlReport(None, tuple(tests), tuple((each.name, "nothing is materialized") for each in chosen))
    record = last_build(platform, at)
    untested: list[tuple[str, str]] = []
    with platform.model_run(at, datetime.now(UTC) if record is None else record.known_at) as run:
        for each in chosen:
            if reason := _why_absent(platform, each.name, at):
                untested.append((each.name, reason))
            else:
                tests += [_tested(DATA, each.name, result) for result in run_tests(run, each)]
        singular = singular_tests(platform.sql / "tests")
        for test in singular if model is None else tests_of(singular, chosen[0]):
            if reason := next(filter(None, (_why_absent(platform, table, at) for table in test.tables)), None):
                untested.append((test.name, reason))
            else:
                tests.append(_tested(SINGULAR, model or "", run_test(run, test)))
    return SqlReport(at, tuple(tests), tuple(untested))


def newest_as_of(platform: Platform) -> datetime | None:
    """The greatest as_of that a SQL model is stored for."""
    stored = [model.name for model in platform.models if model.materialized == "table"]
    return max((instant for name in stored for instant in platform.lake.as_ofs(name)[-1:]), default=None)


def _unit_tests(platform: Platform, models: Sequence[Model]) -> list[Tested]:
    with platform.connection() as con:
        return [
            _proved(model, run_unit_test(con, platform.models, model, test))
            for model in models
            for test in model.unit_tests
        ]


def _why_absent(platform: Platform, name: str, at: datetime) -> str | None:
    """Why there are no rows of a model as of an instant, or of one that it is computed from; None where there are."""
    models, lake = platform.models, platform.lake
    if name not in models:
        return None
    if models.get(name).materialized != "table":
        above = (_why_absent(platform, table, at) for table in models.get(name).upstreams)
        return next(filter(None, above), None)
    if not lake.exists(name):
        return f"{name} was never materialized"
    if models.is_as_of(name) and at not in lake.as_ofs(name):
        return f"{name} has no rows as of {as_of_key(at)}"
    return None


def _tested(kind: str, model: str, result: TestResult) -> Tested:
    return Tested(kind, model, result.name, result.failures, {"failing": list(result.sample)}, result.severity)


def _proved(model: Model, result: UnitTestResult) -> Tested:
    name = f"{model.name.split('.')[1]}: {result.name}"
    rows = {"missing": list(result.missing), "unexpected": list(result.unexpected)}
    return Tested(UNIT, model.name, name, sum(len(found) for found in rows.values()), rows)
