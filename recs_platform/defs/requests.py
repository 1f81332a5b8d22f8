"""Asking for runs: each piece of work once, again after a failure, and no more after a few; `automation` asks."""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from recs_platform.contracts.time import as_of_key
from recs_platform.defs.instance import UNFINISHED, fail_stuck_runs
from recs_platform.defs.jobs import BUILD, INGEST
from recs_platform.pipeline.plans import BuildPlan

ATTEMPTS_MAX = 3
ASKED_TAG = "recs/asked_for"
# Of runs that nobody asks for here, such as those of commands: the same key, so that they are not doubled.
WORK_TAG = "recs/work"
UNDER_WAY = [*UNFINISHED, dg.DagsterRunStatus.QUEUED]
_BY_HAND = {INGEST: "run `recs ingest`", BUILD: "run `recs run`"}


def request_run(
    instance: dg.DagsterInstance, job: str, key: str, what: str, partition_key: str | None = None
) -> tuple[dg.RunRequest | dg.SkipReason, int]:
    """A run for `key`, unless one may still do the work or enough were tried; beside it, the number of runs so far.

    The run key carries the attempt, so the same request twice is one run, and a failed run is requested again.
    """
    fail_stuck_runs(instance)
    tried = runs_of(instance, job, tags={ASKED_TAG: key})
    for run in runs_of(instance, job, statuses=UNDER_WAY):
        if job == INGEST or key in {run.tags.get(ASKED_TAG), run.tags.get(WORK_TAG)}:
            message = (
                f"run {run.run_id[:8]} ({run.status.value.lower()}) is in progress; checked again after it: {what}"
            )
            return dg.SkipReason(message), len(tried)
    # An ingestion that succeeded and left the files counts too; a build that succeeded did its work.
    in_vain = [run for run in tried if job == INGEST or run.status is not dg.DagsterRunStatus.SUCCESS]
    if len(in_vain) >= ATTEMPTS_MAX:
        message = (
            f"{len(in_vain)} runs failed, no more are started for {what}. The last was {in_vain[0].run_id}: read its "
            f"error in the UI, repair the cause, then {_BY_HAND.get(job, f'launch `{job}`')}"
        )
        return dg.SkipReason(message), len(tried)
    attempt = len(tried) + 1
    return dg.RunRequest(f"{key}:{attempt}", partition_key=partition_key, tags={ASKED_TAG: key}), attempt


def build_work(at: datetime, plan: BuildPlan) -> str:
    """The key of a build: its as-of, and what it is made from."""
    return f"{as_of_key(at)}:{plan.key}"


def runs_of(
    instance: dg.DagsterInstance,
    job: str,
    *,
    tags: dict[str, str] | None = None,
    statuses: list[dg.DagsterRunStatus] | None = None,
) -> Sequence[dg.DagsterRun]:
    """Runs of a job, newest first."""
    return instance.get_runs(filters=dg.RunsFilter(job_name=job, tags=tags, statuses=statuses))
