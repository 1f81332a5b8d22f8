"""Runs that must not start, runs whose process is gone, and what a run leaves for its reader to see."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from recs_platform.contracts.errors import NotReady
from recs_platform.defs import launch
from recs_platform.defs.assembly import build_definitions
from recs_platform.defs.instance import fail_stuck_runs, open_instance, stuck_runs
from recs_platform.defs.platform import Platform
from recs_platform.defs.resources import PID_TAG
from recs_platform.defs.training import Shelf, plan_curriculum, ranker
from recs_platform.stages.releases import current_release
from recs_platform_tests.homes import Built, as_of_tables, copy_home, execute, failures, ignore, platform_at

PARTITION_TAG = "dagster/partition"  # what a launcher that asks no one sets


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(platform_at(tmp_path / "home").home) as opened:
        yield opened


def _dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_without_a_key_fails_says_what_to_do_and_writes_nothing(taken_in: Platform, tmp_path: Path) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    result = execute(platform, "build", key=None)
    assert not result.success
    assert "recs run --as-of DATE" in failures(result)
    assert as_of_tables(platform) == {}
    assert not any(platform.home.artifacts.rglob("manifest.json"))


def test_a_run_with_an_unregistered_key_fails_says_what_to_do_and_writes_nothing(built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    before = as_of_tables(platform)
    result = execute(platform, "build", key=None, tags={PARTITION_TAG: "2024-01-20"})
    assert not result.success
    assert "2024-01-20" in failures(result)
    assert "recs run --as-of 2024-01-20" in failures(result)
    assert as_of_tables(platform) == before


def test_a_run_as_of_before_the_first_event_never_starts(taken_in: Platform, tmp_path: Path) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    with open_instance(platform.home) as opened:
        with pytest.raises(NotReady, match="no event before 1990-01-01"):
            launch.build(platform, opened, datetime(1990, 1, 1, tzinfo=UTC), ignore)
        assert opened.get_dynamic_partitions("as_of") == []
    assert as_of_tables(platform) == {}


def test_the_recorded_known_at_is_the_one_the_run_was_given(built: Built) -> None:
    assert current_release(built.platform.home).known_at == built.known_at


def test_every_table_that_was_built_shows_rows_and_a_preview(built: Built) -> None:
    specs = build_definitions(built.platform).resolve_all_asset_specs()
    with open_instance(built.platform.home) as opened:
        for spec in specs:
            name = spec.key.to_user_string()
            event = opened.get_latest_materialization_event(spec.key)
            assert event is not None, f"{name} was not materialized"
            assert event.asset_materialization is not None
            metadata = event.asset_materialization.metadata
            assert metadata, f"{name} shows nothing"
            if "dagster/table_name" in spec.metadata:
                assert isinstance(metadata["dagster/row_count"].value, int), name
                assert str(metadata["preview"].value).startswith("| "), name


def test_row_counts_are_those_of_the_lake(built: Built) -> None:
    with open_instance(built.platform.home) as opened, built.platform.model_run(built.as_of, built.known_at) as run:
        for name in ("features.user_features", "retrieval.candidates", "ranking.ranked", "recommendations.lists"):
            event = opened.get_latest_materialization_event(dg.AssetKey(name.split(".")))
            assert event is not None
            assert event.asset_materialization is not None
            assert event.asset_materialization.metadata["dagster/row_count"].value == run.count(name)


def test_a_run_whose_process_is_gone_is_failed_and_others_are_left(instance: dg.DagsterInstance) -> None:
    @dg.job
    def nothing() -> None: ...

    def start(**tags: str) -> str:
        return instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED, tags=tags).run_id

    dead = _dead_pid()
    gone, alive, unknown = start(**{PID_TAG: str(dead)}), start(**{PID_TAG: str(os.getpid())}), start()
    assert [(run.run_id, run.pid) for run in stuck_runs(instance)] == [(gone, dead)]
    assert [run.run_id for run in fail_stuck_runs(instance)] == [gone]
    statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses[gone] is dg.DagsterRunStatus.FAILURE
    assert statuses[alive] is statuses[unknown] is dg.DagsterRunStatus.STARTED
    assert fail_stuck_runs(instance) == []


def test_a_home_whose_clocks_cannot_be_trusted_trains_on_each_users_last_events(built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home", evaluation_protocol="per_user")
    curriculum = plan_curriculum(platform, built.as_of, built.known_at)
    shelf = Shelf(platform, built.known_at, lambda _: None)
    windows = shelf.to_learn_from(curriculum.training_for(None))
    manifest, reused = ranker(platform, built.as_of, built.known_at, windows)
    assert len(windows) == 2
    assert not reused
    assert manifest.metrics["positives"] > 0
    assert ranker(platform, built.as_of, built.known_at, windows) == (manifest, True)
