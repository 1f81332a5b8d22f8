"""Resources of a run: the platform, and the lock that lets one graph run write at a time. No stage logic.

The platform comes first in every run, so it also notes which process carries the run.
"""

import os
from collections.abc import Iterator
from datetime import datetime

import dagster as dg

from recs_platform.contracts.home import Lock
from recs_platform.lake.locks import at_work, exclusive
from recs_platform.lake.processes import process_name
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.build_records import raw_versions
from recs_platform.pipeline.platform import Platform

PLATFORM = "platform"
AS_OF_LOCK = "as_of_lock"
PID_TAG = "recs/pid"
PROCESS_TAG = "recs/process"
PARTITION_TAG = "dagster/partition"
AS_OF_RESOURCES = frozenset({PLATFORM, AS_OF_LOCK})


def platform_of(context: dg.AssetExecutionContext) -> Platform:
    """The run's platform."""
    return context.resources.platform


class AsOfRuns:
    """The as-of run of a Dagster run, made when its first step asks for it and closed when the Dagster run ends.

    `raw_versions`: versions of the raw tables when the lock was taken, what a record of the build may say it was made
    from.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._raw_versions = raw_versions(platform)
        self._runs: dict[tuple[datetime, datetime], AsOfRun] = {}

    def take(self, as_of: datetime, known_at: datetime) -> AsOfRun:
        """The same object for the same two instants."""
        key = (as_of, known_at)
        if key not in self._runs:
            self._runs[key] = AsOfRun(self._platform, as_of, known_at, raw_versions=self._raw_versions)
        return self._runs[key]

    def close(self) -> None:
        for run in self._runs.values():
            run.close()


@dg.resource(description="Held by one as-of run at a time; the kernel frees it when the process dies")
def as_of_lock(context: dg.InitResourceContext) -> Iterator[AsOfRuns]:
    """Take `<home>/locks/as_of` for the length of the run, waiting for the run that holds it."""
    platform: Platform = context.resources.platform
    log = context.log

    def say(message: str) -> None:
        if log is not None:
            log.warning(message)

    with exclusive(platform.home.lock(Lock.AS_OF), on_wait=say):
        runs = AsOfRuns(platform)
        try:
            yield runs
        finally:
            runs.close()


def process_tags(run_id: str) -> dict[str, str]:
    """Tags that say which process carries a run.

    The run is named in them: a run that is started again copies the tags of the one before.
    """
    return {PID_TAG: str(os.getpid()), PROCESS_TAG: f"{run_id}:{process_name()}"}


def named_work(run: dg.DagsterRun) -> str:
    """What a process that carries the run works on, for whoever waits for it."""
    key = run.tags.get(PARTITION_TAG)
    return f"run {run.run_id[:8]} of {run.job_name}" + (f" as of {key}" if key else "")


def build_resources(platform: Platform) -> dict[str, dg.ResourceDefinition]:
    """Resources by the keys that assets ask for."""

    def carried(context: dg.InitResourceContext) -> Iterator[Platform]:
        if context.instance is None or context.run is None:
            yield platform
            return
        context.instance.add_run_tags(context.run.run_id, process_tags(context.run.run_id))
        with at_work(named_work(context.run)):
            yield platform

    return {
        PLATFORM: dg.ResourceDefinition(carried, description="Settings, lake and SQL models of one home"),
        AS_OF_LOCK: dg.ResourceDefinition(
            as_of_lock.resource_fn, required_resource_keys={PLATFORM}, description=as_of_lock.description
        ),
    }
