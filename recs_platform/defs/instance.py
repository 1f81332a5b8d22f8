"""The Dagster instance of a home: its settings file, its storages, and runs whose process is gone."""

import os
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from recs_platform.contracts.home import Home
from recs_platform.defs.event_log import open_with_event_log
from recs_platform.defs.resources import PID_TAG
from recs_platform.lake.locks import exclusive
from recs_platform.lake.processes import is_running

DAGSTER_YAML = """\
# Written by `recs init`; yours to edit.
telemetry:
  enabled: false
event_log_storage:
  module: recs_platform.defs.event_log
  class: EventLog
  config:
    home:
      env: DAGSTER_HOME
concurrency:
  runs:
    max_concurrent_runs: 2
    tag_concurrency_limits:
      - key: dagster/backfill
        value:
          applyLimitPerUniqueValue: true
        limit: 1
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: 30
"""
UNFINISHED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]


@dataclass(frozen=True)
class StuckRun:
    """A run that calls itself unfinished although its process is gone."""

    run_id: str
    job: str
    pid: int


def open_instance(home: Home) -> dg.DagsterInstance:
    """The home's instance, its storages created by one process at a time."""
    with exclusive(home.locks / "instance"):
        write_instance_settings(home)
        instance = open_with_event_log(home.dagster)
        instance.get_run_records(limit=1)
        instance.get_dynamic_partitions("as_of")
        instance.all_instigator_state()
    return instance


def write_instance_settings(home: Home) -> Path:
    """Write dagster.yaml unless it is there."""
    path = home.dagster / "dagster.yaml"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".tmp-{os.getpid()}")
        aside.write_text(DAGSTER_YAML)
        aside.replace(path)
    return path


def stuck_runs(instance: dg.DagsterInstance) -> list[StuckRun]:
    """Unfinished runs whose recorded process no longer lives."""
    unfinished = instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED))
    return [
        StuckRun(run.run_id, run.job_name, int(run.tags[PID_TAG]))
        for run in unfinished
        if PID_TAG in run.tags and not is_running(int(run.tags[PID_TAG]))
    ]


def fail_stuck_runs(instance: dg.DagsterInstance) -> list[StuckRun]:
    """Mark them failed, so that no one waits for them."""
    stuck = stuck_runs(instance)
    for each in stuck:
        run = instance.get_run_by_id(each.run_id)
        if run is not None:
            instance.report_run_failed(run, f"its process {each.pid} is gone")
    return stuck
