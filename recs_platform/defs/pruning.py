"""Removing what has grown old: as-ofs, artifacts that nothing names, old versions of tables, records of runs.

Limits are in `retention`; which artifacts go is decided in `pipeline.pruning`.
"""
# Dagster leaves parts of its jobs and records untyped.
# pyright: reportUnknownMemberType=false, reportCallIssue=false

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from recs_platform.contracts.experiments import named_releases
from recs_platform.contracts.home import Lock
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.time import as_of_key
from recs_platform.defs.in_force import report_in_force
from recs_platform.defs.instance import UNFINISHED
from recs_platform.defs.logs import LOG_FILE, drop_old_lines
from recs_platform.defs.one_line import fails_in_one_line
from recs_platform.defs.partitions import AS_OF_PARTITIONS
from recs_platform.defs.resources import PARTITION_TAG, HomeResource
from recs_platform.lake.artifacts import remove_artifact, sealed_versions
from recs_platform.lake.locks import exclusive
from recs_platform.pipeline.named_in_settings import require_hidden
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish
from recs_platform.stages import releases

_JOBS_LOOKED_AT = 1000  # runs by which jobs are told
Say = Callable[[str], None]
_FINISHED = [status for status in dg.DagsterRunStatus if status not in {*UNFINISHED, dg.DagsterRunStatus.QUEUED}]


@dataclass(frozen=True)
class Pruned:
    """What went, or would: as-of keys, numbers of artifacts by kind, their bytes, records of runs."""

    as_ofs: tuple[str, ...]
    artifacts: dict[str, int]
    artifact_bytes: int
    runs: int

    @property
    def is_nothing(self) -> bool:
        return not (self.as_ofs or self.artifacts or self.runs)


def prune(platform: Platform, instance: dg.DagsterInstance, now: datetime, *, dry_run: bool, say: Say) -> Pruned:
    """Remove what is older than the settings allow, or count it; killed, the next call goes on.

    The release in force, a pinned one, those that experiments serve and what they were made with stay at any age.
    """
    # Loading definitions does without what these import.
    from recs_platform.pipeline.pruning import remove_unused, unused_artifacts

    if not dry_run:
        require_hidden(platform)
    with exclusive(platform.home.lock(Lock.AS_OF), on_wait=say):
        old = _old_as_ofs(platform)
        keys = [as_of_key(instant) for instant in old]
        if not dry_run:
            keys = [
                key for instant, key in zip(old, keys, strict=True) if _remove(platform, instance, instant, key, say)
            ]
            if keys:
                publish(platform, on_wait=say)
        unused = unused_artifacts(platform, now, without=old)
        runs = _old_runs(platform, instance, now)
        if not dry_run:
            remove_unused(platform, unused)
            for name in platform.lake.names():
                platform.lake.vacuum(name)
            for run_id in runs:
                instance.delete_run(run_id)
                instance.compute_log_manager.delete_logs(prefix=[run_id])  # what its steps printed
            drop_old_lines(platform.home.logs / LOG_FILE, _kept_since(platform, now))
    counts = Counter(each.name for each in unused)
    return Pruned(tuple(keys), dict(sorted(counts.items())), sum(each.size for each in unused), len(runs))


def _remove(platform: Platform, instance: dg.DagsterInstance, instant: datetime, key: str, say: Say) -> bool:
    """Remove one as-of, unless somebody pinned its release meanwhile, which waits for nobody."""
    from recs_platform.defs.withdrawal import clear_as_of, find_as_of

    if instant not in _old_as_ofs(platform):
        return False
    found = find_as_of(platform, instance, key)
    clear_as_of(platform, instance, key, found, say)
    for release_id in found.releases:
        remove_artifact(platform.home.artifacts, releases.WITHDRAWN_ARTIFACT, release_id)
    return True


def _old_as_ofs(platform: Platform) -> list[datetime]:
    """As-ofs beyond the newest that are kept, but the one in force, a pinned one and those experiments serve."""
    from recs_platform.defs.withdrawal import made_as_ofs

    made = sorted(made_as_ofs(platform))
    sealed = _sealed(platform)
    kept = {releases.current_release(platform.home).as_of} if sealed else set[datetime]()
    tried = named_releases(platform.settings.experiments)
    kept |= {each.as_of for each in sealed if each.version in tried}
    return [instant for instant in made[: -platform.settings.retention.as_ofs_max] if instant not in kept]


def _sealed(platform: Platform) -> list[Manifest]:
    return sealed_versions(platform.home.artifacts, releases.RELEASES_ARTIFACT)


def _old_runs(platform: Platform, instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Finished runs that were created before the limit, but those that the UI still tells something by.

    Without the run that made it, an as-of that stays would count as never made; so would the raw tables.
    """
    before = _kept_since(platform, now)
    kept = set(instance.get_dynamic_partitions(str(AS_OF_PARTITIONS.name)))
    jobs = {run.job_name for run in instance.get_runs(filters=dg.RunsFilter(statuses=_FINISHED), limit=_JOBS_LOOKED_AT)}
    newest = {run.run_id for job in jobs for run in instance.get_runs(filters=dg.RunsFilter(job_name=job), limit=1)}
    old = instance.get_runs(filters=dg.RunsFilter(statuses=_FINISHED, created_before=before))
    return [run.run_id for run in old if run.run_id not in newest and run.tags.get(PARTITION_TAG) not in kept]


def _kept_since(platform: Platform, now: datetime) -> datetime:
    return now - timedelta(days=platform.settings.retention.runs_days)


class Prune(dg.Config):
    """Whether to remove anything."""

    dry_run: bool = Field(default=False, description="Count what would go; change nothing.")


@dg.op(
    description="Removes as-ofs, artifacts and records of runs that are older than `retention` in the settings allows."
)
@fails_in_one_line
def prune_home(context: dg.OpExecutionContext, config: Prune, home: HomeResource) -> None:
    """Says what went."""
    pruned = prune(home.platform, context.instance, datetime.now(UTC), dry_run=config.dry_run, say=context.log.info)
    if pruned.as_ofs and not config.dry_run:
        report_in_force(home.platform, context.instance)
    context.log.info(str(pruned))


@dg.job(
    name="prune", description="Remove as-ofs, artifacts and records of runs that are older than the settings allow."
)
def prune_job() -> None:
    """One step."""
    prune_home()


weekly_prune = dg.ScheduleDefinition(
    name="weekly_prune",
    job=prune_job,
    cron_schedule="0 5 * * 0",
    execution_timezone="UTC",
    description="Removes what has grown old, every Sunday.",
)
