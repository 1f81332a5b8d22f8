"""The Dagster instance of a home: its settings file, its storages, and runs whose process is gone."""
# Dagster leaves parts of its settings untyped.
# pyright: reportUnknownMemberType=false

import time
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from recs_platform.contracts.home import Home, Lock
from recs_platform.defs.event_log import open_with_event_log
from recs_platform.defs.resources import PID_TAG, PROCESS_TAG
from recs_platform.lake.disk import replace_text
from recs_platform.lake.locks import exclusive
from recs_platform.lake.processes import is_alive, is_running, process_number, started_by

SETTINGS_FILE = "dagster.yaml"
DAGSTER_YAML = """\
# Written by `recs init`; yours to edit.
telemetry:
  enabled: false
nux:
  enabled: false
event_log_storage:
  module: recs_platform.defs.event_log
  class: EventLog
  config:
    home:
      env: DAGSTER_HOME
freshness:
  enabled: true
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
# One that was created and never started may be carried by a process that died between the two.
CARRIED = [*UNFINISHED, dg.DagsterRunStatus.NOT_STARTED]
# A process needs seconds to load the definitions; one that has logged nothing for so long is gone.
START_SECONDS = 600


@dataclass(frozen=True)
class StuckRun:
    """A run that calls itself unfinished although its process is gone; `pid` is None where none was ever seen."""

    run_id: str
    job: str
    pid: int | None

    @property
    def reason(self) -> str:
        return "no process ever took it up" if self.pid is None else f"its process {self.pid} is gone"


def open_instance(home: Home) -> dg.DagsterInstance:
    """The home's instance, its storages created by one process at a time."""
    with exclusive(home.lock(Lock.INSTANCE)):
        write_instance_settings(home)
        _ask_for_no_newsletter(home)
        instance = open_with_event_log(home.dagster)
        instance.get_run_records(limit=1)
        instance.get_dynamic_partitions("as_of")
        instance.all_instigator_state()
    return instance


def find_instance(home: Home) -> dg.DagsterInstance:
    """The home's instance to read from; where none was made, an empty one in memory, and nothing is created."""
    is_made = (home.dagster / SETTINGS_FILE).exists()
    return open_instance(home) if is_made else dg.DagsterInstance.ephemeral()


def write_instance_settings(home: Home) -> Path:
    """Write dagster.yaml unless it is there."""
    path = home.dagster / SETTINGS_FILE
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, DAGSTER_YAML)
    return path


def _ask_for_no_newsletter(home: Home) -> None:
    """The file by which Dagster remembers that its window was seen; a dagster.yaml of before does not say it."""
    seen = home.dagster / ".nux" / "nux.yaml"
    seen.parent.mkdir(parents=True, exist_ok=True)
    if not seen.exists():
        seen.write_text("seen: 1\n")


def stuck_runs(instance: dg.DagsterInstance) -> list[StuckRun]:
    """Unfinished runs whose very process no longer lives, whatever stage of their life they call themselves in.

    Queued runs are left: the daemon takes them up. So is a run of which no process is known until START_SECONDS passed.
    """
    records = instance.get_run_records(filters=dg.RunsFilter(statuses=CARRIED))
    found = [(record.dagster_run, *_carrier(instance, record)) for record in records]
    return [StuckRun(run.run_id, run.job_name, pid) for run, pid, is_alive in found if not is_alive]


def describe_stuck_runs(home: Home) -> list[str]:
    """A line for each unfinished run of a home whose process is gone."""
    with find_instance(home) as instance:
        return [f"{stuck.run_id} ({stuck.job}: {stuck.reason})" for stuck in stuck_runs(instance)]


def fail_stuck_runs(instance: dg.DagsterInstance) -> list[StuckRun]:
    """Mark them failed, so that no one waits for them."""
    stuck = stuck_runs(instance)
    for each in stuck:
        run = instance.get_run_by_id(each.run_id)
        if run is not None:
            instance.report_run_failed(run, each.reason)
    return stuck


def _carrier(instance: dg.DagsterInstance, record: dg.RunRecord) -> tuple[int | None, bool]:
    """Number of the process that carries a run, None where none is known, and whether it lives."""
    run = record.dagster_run
    owner, _, name = run.tags.get(PROCESS_TAG, "").partition(":")
    if owner == run.run_id:
        return process_number(name), is_alive(name)
    if not owner and PID_TAG in run.tags:
        pid = int(run.tags[PID_TAG])
        return pid, is_running(pid) and started_by(pid, record.update_timestamp.timestamp())
    seen = _seen_process(instance, run.run_id)
    if seen is not None:
        return seen[0], is_running(seen[0]) and started_by(*seen)
    waits = run.status not in {dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING}
    return None, waits or time.time() - record.update_timestamp.timestamp() < START_SECONDS


def _seen_process(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The last process that Dagster itself named in the run's log, and when."""
    events = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT, limit=50, ascending=False)
    for record in events.records:
        entry = record.event_log_entry
        data = entry.dagster_event and entry.dagster_event.engine_event_data
        pid = data.metadata.get("pid") if data else None
        if pid is not None and str(pid.value).isdigit():
            return int(str(pid.value)), entry.timestamp
    return None
