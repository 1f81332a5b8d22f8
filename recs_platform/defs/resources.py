"""Resources of a run: the platform of its home, and the as-of run that its steps share."""

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Lock
from recs_platform.contracts.time import parse_instant
from recs_platform.defs.made_assets import asset_name, made_so_far, record_partial_build, record_whole_build
from recs_platform.defs.startable import PARTITION_TAG, require_startable
from recs_platform.lake.audit import record_processing
from recs_platform.lake.locks import at_work, exclusive
from recs_platform.lake.processes import process_name
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.build_records import raw_versions
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.run_rows import Made

HOME = "home"
AS_OF_RUN = "as_of_run"
PID_TAG = "recs/pid"
PROCESS_TAG = "recs/process"
KNOWN_AT_TAG = "recs/known_at"
# A run with this tag may be as of an instant that would be rejected as a mistake.
FORCED_TAG, FORCED = "recs/forced", "true"


class HomeResource(dg.ConfigurableResource[Any]):
    """Settings, lake and SQL models of one home."""

    made: dg.ResourceDependency[Platform]

    @property
    def platform(self) -> Platform:
        return self.made

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator["HomeResource", None, None]:
        with carrying(context, self.platform):
            yield self


class AsOfResource(dg.ConfigurableResource[Any]):
    """What one build shares, and what an operator may choose for it. One build of a home runs at a time.

    `assets`: names of all that a whole build makes. Whatever a run makes of them is recorded when it ends.
    """

    made: dg.ResourceDependency[Platform]
    assets: dg.ResourceDependency[frozenset[str]]
    force: bool = Field(default=False, description="Allow an as-of after now or long after the last event.")
    known_at: str = Field(
        default="",
        description="Use only rows ingested by this instant, such as 2017-02-20T15; empty: the run's start.",
    )
    _runs: dict[tuple[datetime, datetime], AsOfRun] = PrivateAttr(
        default_factory=dict[tuple[datetime, datetime], AsOfRun]
    )
    _is_recorded: bool = PrivateAttr(default=False)
    _raw_versions: dict[str, int] = PrivateAttr(default_factory=dict[str, int])

    @property
    def platform(self) -> Platform:
        return self.made

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator["AsOfResource", None, None]:
        """Hold `<home>/locks/as_of` for the length of the run, waiting for the run that holds it."""
        log = context.log

        def say(message: str) -> None:
            if log is not None:
                log.warning(message)

        if context.instance is not None and context.run is not None:
            require_startable(self.platform, context.instance, context.run)
        with carrying(context, self.platform), exclusive(self.platform.home.lock(Lock.AS_OF), on_wait=say):
            self._raw_versions = raw_versions(self.platform)
            try:
                yield self
            finally:
                self._end(context)

    def take(self, as_of: datetime, known_at: datetime) -> AsOfRun:
        """The run as of an instant, made when the first step asks for it; the same object for the same instants."""
        key = (as_of, known_at)
        if key not in self._runs:
            self._runs[key] = AsOfRun(self.platform, as_of, known_at, raw_versions=self._raw_versions)
        return self._runs[key]

    def made_in(self, context: dg.AssetExecutionContext, run: AsOfRun) -> Made:
        """What this run has made, which the last asset asks."""
        return made_so_far(context.instance, context.run.run_id, run, self.assets)

    def record_whole(self, context: dg.AssetExecutionContext, run: AsOfRun, made: Made) -> str | None:
        """Record a whole build, where this run is one; returns its release. The last asset calls it."""
        release = record_whole_build(context.run.run_id, run, made)
        self._is_recorded = release is not None
        return release

    def _end(self, context: dg.InitResourceContext) -> None:
        """Record what was made apart, and remove what runs kept on disk."""
        runs, is_recorded = list(self._runs.values()), self._is_recorded
        self._runs, self._is_recorded = {}, False
        try:
            for run in runs:
                if not is_recorded and context.instance is not None and context.run is not None:
                    record_partial_build(context.instance, context.run.run_id, run)
        finally:
            for run in runs:
                run.close()

    def is_forced(self, run: dg.DagsterRun) -> bool:
        """Whether an as-of that looks like a mistake may be built."""
        return self.force or run.tags.get(FORCED_TAG) == FORCED

    def known_instant(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> datetime:
        """The run's `known_at`: from its config or tag, else its creation; the same for all its steps."""
        known_at = self.known_at or run.tags.get(KNOWN_AT_TAG)
        if known_at:
            return parse_instant(known_at)
        record = instance.get_run_record_by_id(run.run_id)
        if record is None:
            raise UsageError(f"run {run.run_id} is not recorded in this instance")
        return record.create_timestamp.astimezone(UTC)


def as_of_config(*, force: bool, known_at: datetime | None) -> dict[str, Any]:
    """The run config of a build."""
    chosen = {"force": force, "known_at": "" if known_at is None else known_at.isoformat()}
    return {"resources": {AS_OF_RUN: {"config": chosen}}}


@contextmanager
def carrying(context: dg.InitResourceContext, platform: Platform) -> Generator[None, None, None]:
    """Note for the length of a run which process carries it, and on what it works; enter it into the audit trail."""
    if context.instance is None or context.run is None:
        yield
        return
    context.instance.add_run_tags(context.run.run_id, process_tags(context.run.run_id))
    record_processing(
        platform.home,
        datetime.now(UTC),
        named_work(context.run),
        "as the job is described",
        sorted(key.to_user_string().replace("/", ".") for key in context.run.asset_selection or ())
        or ("all of the job",),
        actor="dagster",
        run_id=context.run.run_id,
    )
    with at_work(named_work(context.run)):
        yield


def process_tags(run_id: str) -> dict[str, str]:
    """Tags that say which process carries a run.

    The run is named in them: a run that is started again copies the tags of the one before.
    """
    return {PID_TAG: str(os.getpid()), PROCESS_TAG: f"{run_id}:{process_name()}"}


def named_work(run: dg.DagsterRun) -> str:
    """What a process that carries the run works on, for whoever waits for it."""
    key = run.tags.get(PARTITION_TAG)
    return f"run {run.run_id[:8]} of {run.job_name}" + (f" as of {key}" if key else "")


def build_resources(platform: Platform, assets: Iterable[dg.AssetsDefinition]) -> dict[str, Any]:
    """Resources by the keys that assets ask for; `assets` are those of a whole build."""
    made = dg.ResourceDefinition.hardcoded_resource(platform)
    names = frozenset(asset_name(key) for asset in assets for key in asset.keys)
    whole = dg.ResourceDefinition.hardcoded_resource(names)
    return {HOME: HomeResource(made=made), AS_OF_RUN: AsOfResource(made=made, assets=whole)}
