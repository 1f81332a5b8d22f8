"""SQL tests are asset checks of their own, a failing one shows its rows, and the event log keeps what it is given."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from recs_platform.defs import sql_checks
from recs_platform.defs.event_log import EventLog
from recs_platform.defs.instance import open_instance
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.sql_tests import data_tests, singular_tests
from recs_platform_tests.homes import platform_at

AS_OF = datetime(2024, 1, 2, tzinfo=UTC)
KEY = dg.AssetKey(["segments", "user_segments"])


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return platform_at(tmp_path_factory.mktemp("checks") / "home", data_tests=True)


def test_every_test_of_a_stored_model_is_a_check_and_names_what_it_holds(platform: Platform) -> None:
    for model in platform.models:
        if model.materialized == "table":
            specs = sql_checks.model_check_specs(platform, model)
            singular = sql_checks.singular_tests_of(platform, model)
            assert len(specs) == len(data_tests(model)) + len(singular) + bool(model.unit_tests)
            assert len({spec.name for spec in specs}) == len(specs)
            assert all(spec.blocking and spec.description for spec in specs)


def test_every_singular_test_is_one_check(platform: Platform) -> None:
    of_models = [test.name for model in platform.models for test in sql_checks.singular_tests_of(platform, model)]
    of_raw = [spec.name for checks in sql_checks.raw_checks(platform) for spec in checks.check_specs]
    assert sorted(of_models + of_raw) == sorted(test.name for test in singular_tests(platform.sql / "tests"))


def test_a_failing_check_shows_its_rows(platform: Platform) -> None:
    model = platform.models.get("segments.user_segments")
    rows = pl.DataFrame({"user_id": ["u1", "u1"], "segment_id": ["new", "new"], "segment_name": ["New", None]})
    with platform.model_run(AS_OF, AS_OF, scratch=True) as run:
        run.register(model.name, rows)
        for table in {table for test in sql_checks.singular_tests_of(platform, model) for table in test.tables}:
            if table != model.name:
                run.register(table, pl.DataFrame({name: [] for name in platform.models.types(table)}))
        results = {result.check_name: result for result in sql_checks.model_check_results(platform, run, model)}
    assert not results["unique"].passed
    assert not results["segment_name__not_null"].passed
    shown = results["segment_name__not_null"].metadata
    assert shown["failing_rows"] == dg.MetadataValue.int(1)
    assert "| None |" in str(shown["rows"].value)
    assert results[sql_checks.UNIT_TESTS].passed


def test_the_event_log_is_read_by_dagsters_own_storage_and_outlives_a_wipe(tmp_path: Path) -> None:
    home = platform_at(tmp_path / "home", data_tests=True).home

    @dg.asset(key=KEY)
    def segments() -> None: ...

    with open_instance(home) as instance:
        assert isinstance(instance.event_log_storage, EventLog)
        assert dg.materialize([segments], instance=instance).success
        assert instance.get_latest_materialization_event(KEY) is not None
    settings = home.dagster / "dagster.yaml"
    settings.write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        assert not isinstance(instance.event_log_storage, EventLog)
        assert instance.get_latest_materialization_event(KEY) is not None
    with open_instance(home) as instance:
        assert isinstance(instance.event_log_storage, EventLog)
        instance.wipe()
        assert instance.get_latest_materialization_event(KEY) is None
        assert dg.materialize([segments], instance=instance).success


def test_a_home_that_names_its_own_storage_keeps_it(tmp_path: Path) -> None:
    home = platform_at(tmp_path / "home", data_tests=True).home
    home.dagster.mkdir(parents=True)
    (home.dagster / "dagster.yaml").write_text(f"storage: {{sqlite: {{base_dir: '{tmp_path / 'mine'}'}}}}\n")
    with open_instance(home) as instance:
        assert not isinstance(instance.event_log_storage, EventLog)
