"""One run of a job in this process: started, watched while it goes on, and told as an outcome.

What is run for a command is in `launch`, for the Launchpad in `daily_release`.
"""
# Dagster leaves parts of its metadata untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import json
import threading
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.time import as_of_key
from recs_platform.defs.jobs import BUILD, LOGGING
from recs_platform.defs.partitions import AS_OF_PARTITIONS
from recs_platform.defs.requests import WORK_TAG, build_work
from recs_platform.defs.resources import FORCED, FORCED_TAG, KNOWN_AT_TAG, as_of_config, process_tags
from recs_platform.defs.workspace import runs_under
from recs_platform.pipeline.event_span import require_possible
from recs_platform.pipeline.plans import BuildPlan
from recs_platform.pipeline.platform import Platform

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class StepDone:
    """One finished step of a run."""

    name: str
    seconds: float
    ok: bool


@dataclass
class Outcome:
    """How a run went: seconds by step, one line for each thing that failed, and for each check that only warns."""

    run_id: str
    ok: bool
    steps: list[StepDone] = field(default_factory=list[StepDone])
    failures: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)


class RunFailed(RecsError):
    """A run did not succeed; the message names the asset or check."""


def run_build(
    platform: Platform,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    as_of: datetime,
    watch: Callable[[str, str], None],
    known_at: datetime | None = None,
    *,
    forced: bool = False,
    plan: BuildPlan | None = None,
) -> Outcome:
    """Register the as-of, then run `build` for it; while it goes on, sensors do not ask for what `plan` describes.

    Raises NotReady or UsageError, and registers nothing, for an as-of that is a mistake (`forced` allows those that
    can be built); RunFailed.
    """
    require_possible(platform, as_of, datetime.now(UTC), forced=forced)
    key = as_of_key(as_of)
    instance.add_dynamic_partitions(str(AS_OF_PARTITIONS.name), [key])
    tags = {FORCED_TAG: FORCED} if forced else {}
    if plan is not None:
        tags[WORK_TAG] = build_work(as_of, plan)
    if known_at is not None:
        tags[KNOWN_AT_TAG] = known_at.isoformat()
    chosen = as_of_config(force=forced, known_at=known_at)
    return run_job(instance, definitions, BUILD, tags, key, watch, chosen)


def run_job(
    instance: dg.DagsterInstance,
    definitions: dg.Definitions,
    job: str,
    tags: Mapping[str, str],
    partition_key: str | None,
    watch: Callable[[str, str], None],
    run_config: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run a job with that config (none: its own), its tags and its partition. Raises RunFailed, naming what failed."""
    job_def = definitions.resolve_job_def(job)
    run_id = str(uuid.uuid4())
    with runs_under(instance, job), _watching(instance, run_id, watch):
        result = job_def.execute_in_process(
            instance=instance,
            partition_key=partition_key,
            run_id=run_id,
            tags={**process_tags(run_id), **tags},
            run_config=None if run_config is None else {**LOGGING, **run_config},
            raise_on_error=False,
        )
    outcome = _outcome(result.run_id, ok=result.success, events=result.all_events)
    if not outcome.ok:
        raise RunFailed("; ".join(outcome.failures) or f"run {outcome.run_id} failed")
    return outcome


@contextmanager
def _watching(
    instance: dg.DagsterInstance, run_id: str, watch: Callable[[str, str], None]
) -> Generator[None, None, None]:
    """Call `watch` (kind, step or message) with each event of the run.

    First comes the PLAN: JSON of the steps to come, each with the seconds it took last time, or null.
    """
    done = threading.Event()

    def follow() -> None:
        cursor: str | None = None
        is_planned = False
        while True:
            last_round = done.wait(POLL_SECONDS)
            if not is_planned:
                expected = _expected_seconds(instance, run_id)
                is_planned = expected is not None
                if expected is not None:
                    watch("PLAN", json.dumps(expected))
            connection = instance.get_records_for_run(run_id, cursor=cursor)
            cursor = connection.cursor
            for record in connection.records:
                entry = record.event_log_entry
                if entry.is_dagster_event and entry.dagster_event is not None:
                    watch(entry.dagster_event.event_type_value, entry.step_key or "")
                else:
                    watch("LOG", entry.user_message)
            if last_round:
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _expected_seconds(instance: dg.DagsterInstance, run_id: str) -> dict[str, float | None] | None:
    """The steps of a run that was created, each with its seconds in the last run of the job that succeeded."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.execution_plan_snapshot_id is None:
        return None
    steps = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id).step_keys_to_execute
    filters = dg.RunsFilter(job_name=run.job_name, statuses=[dg.DagsterRunStatus.SUCCESS])
    took: dict[str, float] = {}
    for last in instance.get_runs(filters=filters, limit=1):
        for step in instance.get_run_step_stats(last.run_id):
            if step.start_time is not None and step.end_time is not None:
                took[step.step_key] = step.end_time - step.start_time
    return {step: took.get(step) for step in steps}


def why_failed(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """One line for each step or blocking check by which a run failed, wherever it ran."""
    kind = dg.DagsterEventType
    entries = instance.all_logs(run_id, of_type={kind.STEP_FAILURE, kind.ASSET_CHECK_EVALUATION, kind.RUN_FAILURE})
    events = [each.dagster_event for each in entries if each.dagster_event is not None]
    return _outcome(run_id, ok=False, events=events).failures


def _outcome(run_id: str, *, ok: bool, events: Sequence[dg.DagsterEvent]) -> Outcome:
    outcome = Outcome(run_id, ok)
    for event in events:
        if event.is_step_success and event.step_key:
            outcome.steps.append(StepDone(event.step_key, event.step_success_data.duration_ms / 1000, ok=True))
        elif event.is_step_failure and event.step_key:
            outcome.steps.append(StepDone(event.step_key, 0.0, ok=False))
            outcome.failures.append(f"{event.step_key}: {_first_cause(event.step_failure_data.error)}")
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed:
                stops = check.blocking and check.severity is dg.AssetCheckSeverity.ERROR
                reason = f": {check.description}" if check.description else ""
                head = f"check {check.check_name} on {check.asset_key.to_user_string()}"
                message = f"{head} {'failed' if stops else 'warns'}{reason}"
                (outcome.failures if stops else outcome.warnings).append(message)
        elif event.event_type_value in {"PIPELINE_FAILURE", "PIPELINE_INIT_FAILURE"} and not outcome.failures:
            data = event.job_failure_data
            outcome.failures.append(_first_cause(data.error) if data.error else event.message or "")
    return outcome


def _first_cause(error: object) -> str:
    """The message of the innermost error, without Dagster's wrapping and without a traceback."""
    current = error
    while getattr(current, "cause", None) is not None:
        current = getattr(current, "cause")  # noqa: B009
    message = str(getattr(current, "message", current)).strip().splitlines()[0]
    if message.endswith(dg.DagsterExecutionInterruptedError.__name__):
        return "it was interrupted; the same command goes on from what is done"
    _, _, text = message.partition(": ")
    return text or message
