"""Runs that must not start, runs whose process is gone, and what a run leaves for its reader to see."""

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from recs_platform.contracts.errors import NotReady
from recs_platform.defs import launch
from recs_platform.defs.assembly import build_definitions
from recs_platform.defs.instance import START_SECONDS, fail_stuck_runs, open_instance, stuck_runs
from recs_platform.defs.landing_assets import LANDING
from recs_platform.defs.resources import PID_TAG, PROCESS_TAG, named_work, process_tags
from recs_platform.lake.locks import at_work, describe_holder, exclusive
from recs_platform.lake.processes import process_name
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.training.rankers import seal_ranker
from recs_platform.pipeline.training.schedule import training_schedule
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.stages.releases import current_release
from recs_platform_tests.homes import (
    Built,
    as_of_tables,
    copy_home,
    execute,
    failures,
    ignore,
    land_contract,
    platform_at,
)

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
        for spec in (each for each in specs if each.key.path[0] != LANDING):  # nothing makes folders of landing
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


def test_the_champion_says_whether_it_is_compiled(built: Built) -> None:
    with open_instance(built.platform.home) as opened:
        event = opened.get_latest_materialization_event(dg.AssetKey(["ranking", "champion"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["compiled"].value == "no: ranking.compile is off"


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


STATUS = dg.DagsterRunStatus


@pytest.mark.parametrize("status", [STATUS.NOT_STARTED, STATUS.STARTING, STATUS.STARTED, STATUS.CANCELING])
def test_a_killed_run_is_known_at_each_stage_although_its_number_lives_again(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    killed = _run(instance, status, lambda run_id: {**process_tags(run_id), PROCESS_TAG: f"{run_id}:{os.getpid()}-1"})
    living = _run(instance, status, process_tags)
    assert [(run.run_id, run.pid) for run in fail_stuck_runs(instance)] == [(killed, os.getpid())]
    assert instance.get_run_by_id(killed).status is STATUS.FAILURE
    assert instance.get_run_by_id(living).status is status


def test_a_run_that_was_started_again_is_not_judged_by_the_process_of_the_one_before(
    instance: dg.DagsterInstance,
) -> None:
    first = {PID_TAG: str(_dead_pid()), PROCESS_TAG: f"another-run:{_dead_pid()}-1"}
    for status in (STATUS.STARTING, STATUS.STARTED):
        _run(instance, status, lambda _: first)
    assert stuck_runs(instance) == []


@pytest.mark.parametrize(("pid", "is_stuck"), [(os.getpid, False), (_dead_pid, True)])
def test_a_run_that_died_before_it_named_its_process_is_known_by_the_log_of_dagster(
    instance: dg.DagsterInstance, pid: Callable[[], int], is_stuck: bool
) -> None:
    run = instance.get_run_by_id(_run(instance, STATUS.STARTED, lambda _: {}))
    number = pid()
    instance.report_engine_event("Started process for run", run, EngineEventData.in_process(number))
    assert [(stuck.run_id, stuck.pid) for stuck in stuck_runs(instance)] == [(run.run_id, number)] * is_stuck


def test_a_run_that_no_process_takes_up_is_given_time(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = _run(instance, STATUS.STARTING, lambda _: {})
    assert stuck_runs(instance) == []
    later = time.time() + START_SECONDS + 1
    monkeypatch.setattr("recs_platform.defs.instance.time.time", lambda: later)
    assert [(stuck.run_id, stuck.reason) for stuck in stuck_runs(instance)] == [(run_id, "no process ever took it up")]


def _run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, tags: Callable[[str], dict[str, str]]) -> str:
    @dg.job
    def nothing() -> None: ...

    run_id = str(uuid.uuid4())
    return instance.create_run_for_job(nothing, run_id=run_id, status=status, tags=tags(run_id)).run_id


def test_a_run_says_which_process_carries_it_and_what_it_holds(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    land_contract(
        platform,
        "events.jsonl",
        [{"user_id": "u", "item_id": "i", "event_type": "click", "occurred_at": "2024-01-15T00:00:00Z"}],
    )
    told: list[str | None] = []

    def look(kind: str, _text: str) -> None:
        if kind == "STEP_START":
            told.append(describe_holder(platform.home.locks / "held"))

    with open_instance(platform.home) as opened:
        with at_work("run 1a2b3c4d of build as of 2017-02-20"), exclusive(platform.home.locks / "held"):
            run_id = launch.ingest(platform, opened, look).run_id
        run = opened.get_run_by_id(run_id)
        assert run is not None
        assert run.tags[PROCESS_TAG] == f"{run_id}:{process_name()}"
        assert named_work(run) == f"run {run_id[:8]} of ingest"
    assert re.fullmatch(
        rf"process {os.getpid()} \(run 1a2b3c4d of build as of 2017-02-20\) since 20\d\d-\S+ \S+ UTC", str(told[0])
    )


def test_a_home_whose_clocks_cannot_be_trusted_trains_on_each_users_last_events(built: Built, tmp_path: Path) -> None:
    two = {"windows_min": 2}
    platform = copy_home(built.platform, tmp_path / "home", evaluation_protocol="per_user", training=two)
    run = AsOfRun(platform, built.as_of, built.known_at)
    schedule, cache = training_schedule(run), WindowCache(run, lambda _: None)
    windows = cache.to_learn_from(schedule.training_for(None))
    manifest, reused = seal_ranker(run, built.as_of, windows)
    assert len(windows) == 2
    assert not reused
    assert manifest.metrics["positives"] > 0
    assert seal_ranker(run, built.as_of, windows) == (manifest, True)
