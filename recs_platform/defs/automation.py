"""Automation: a landing sensor, a build after each ingestion, a daily schedule; retraining is in `retraining`.

All are off until an operator switches them on. Jobs are in `jobs`, the decision to build is in `pipeline.plans`.
"""
# Dagster leaves parts of its decorators untyped.
# pyright: reportUnknownMemberType=false

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import content_key
from recs_platform.contracts.time import as_of_key
from recs_platform.defs.forgetting import forget_sensor
from recs_platform.defs.jobs import BUILD, INGEST, build_job, ingest_job
from recs_platform.defs.notifying import failure_sensor
from recs_platform.defs.partitions import AS_OF_PARTITIONS
from recs_platform.defs.pruning import weekly_prune
from recs_platform.defs.requests import ATTEMPTS_MAX, build_work, request_run
from recs_platform.defs.retraining import drift_sensor, weekly_retraining
from recs_platform.pipeline.current import CurrentPlatform
from recs_platform.pipeline.event_span import default_as_of
from recs_platform.pipeline.ingestion import ingest as ingestion
from recs_platform.pipeline.plans import plan_build
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.events import PendingFile

LANDING_SECONDS = 30
_NAMED_MAX = 5


def build_sensors(current: CurrentPlatform) -> list[dg.SensorDefinition]:
    """Sensors on landing, on ingestions that ended, on drift, on failures, and on people who asked to be forgotten."""

    @dg.sensor(
        name="landing_sensor",
        job_name=INGEST,
        minimum_interval_seconds=LANDING_SECONDS,
        description="Starts one `ingest` for all files in landing that were not ingested yet; after a failure, up to "
        f"{ATTEMPTS_MAX} attempts.",
    )
    def landing_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        waiting = ingestion.find_waiting(current(), datetime.now(UTC))
        if waiting.aside:
            context.log.warning(waiting.aside)
        if not waiting.files:
            return dg.SkipReason("; ".join(part for part in ("nothing new in landing", waiting.aside) if part))
        key = content_key({"files": sorted((file.file_hash, file.kind.tables) for file in waiting.files)})
        request, attempts = request_run(context.instance, INGEST, key, _names(waiting.files))
        context.update_cursor(json.dumps({"key": key, "attempts": attempts}))
        return request

    @dg.run_status_sensor(
        name="new_events_sensor",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[ingest_job],
        request_job=build_job,
        description="Starts `build` as of midnight after the last event after an ingestion that changed its inputs.",
    )
    def new_events_sensor(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        platform = current()
        try:
            return _build_request(platform, context.instance, default_as_of(platform))
        except NotReady as error:
            return dg.SkipReason(str(error))

    others = [drift_sensor(current), failure_sensor(current), forget_sensor(current)]
    return [landing_sensor, new_events_sensor, *others]


def build_schedules(current: CurrentPlatform) -> list[dg.ScheduleDefinition]:
    """The daily build, the weekly training, and the weekly removal of what has grown old."""

    @dg.schedule(
        name="daily_build",
        job_name=BUILD,
        cron_schedule=f"0 {current().settings.schedule_hour} * * *",
        execution_timezone="UTC",
        description="Builds as of the last midnight, or of midnight after the last event if that is earlier; skips "
        "it when up to date.",
    )
    def daily_build(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        platform = current()
        midnight = context.scheduled_execution_time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        try:
            yield _build_request(platform, context.instance, min(midnight, default_as_of(platform)))
        except NotReady as error:
            yield dg.SkipReason(str(error))

    return [daily_build, weekly_retraining(current), weekly_prune]


def _build_request(platform: Platform, instance: dg.DagsterInstance, at: datetime) -> dg.RunRequest | dg.SkipReason:
    """A build of the as-of where there is a reason for one and it is not under way."""
    plan = plan_build(platform, at, datetime.now(UTC))
    if not plan.runs:
        return dg.SkipReason(plan.verdict)
    key = as_of_key(at)
    instance.add_dynamic_partitions(str(AS_OF_PARTITIONS.name), [key])
    request, _ = request_run(instance, BUILD, build_work(at, plan), plan.verdict, partition_key=key)
    return request


def _names(files: Sequence[PendingFile]) -> str:
    more = len(files) - _NAMED_MAX
    named = ", ".join(file.source_file for file in files[:_NAMED_MAX])
    return f"{len(files)} new files: {named}" + (f" and {more} more" if more > 0 else "")
