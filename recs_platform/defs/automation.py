"""What acts without a person: a landing sensor, a build after each ingestion, a daily schedule.

All are off until an operator switches them on. What a run does is said by the jobs.
"""
# Dagster leaves parts of its decorators untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import content_key
from recs_platform.contracts.time import as_of_key
from recs_platform.defs.jobs import BUILD, INGEST, build_job, ingest_job
from recs_platform.defs.partitions import AS_OF_PARTITIONS
from recs_platform.defs.platform import Platform
from recs_platform.defs.spans import default_as_of
from recs_platform.defs.training import data_version, known_files
from recs_platform.stages.events import pending

LANDING_SECONDS = 30


def build_sensors(platform: Platform) -> list[dg.SensorDefinition]:
    """The landing sensor, and the one that builds once an ingestion succeeded."""

    @dg.sensor(
        name="landing_sensor",
        job_name=INGEST,
        minimum_interval_seconds=LANDING_SECONDS,
        description="Starts one `ingest` for all files in landing that were not yet taken in.",
    )
    def landing_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        files = pending(platform.home, platform.sources, platform.lake)
        if not files:
            return dg.SkipReason("nothing new in landing")
        key = content_key({"files": sorted(file.file_hash for file in files)})
        context.log.info(f"{len(files)} new files")
        return dg.RunRequest(run_key=key)

    @dg.run_status_sensor(
        name="new_events_sensor",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[ingest_job],
        request_job=build_job,
        description="Starts `build` as of midnight after the last event once an ingestion brought new rows.",
    )
    def new_events_sensor(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        try:
            return _build_request(platform, context.instance, default_as_of(platform))
        except NotReady as error:
            return dg.SkipReason(str(error))

    return [landing_sensor, new_events_sensor]


def build_schedules(platform: Platform) -> list[dg.ScheduleDefinition]:
    """The daily build."""

    @dg.schedule(
        name="daily_build",
        job_name=BUILD,
        cron_schedule=f"0 {platform.settings.schedule_hour} * * *",
        execution_timezone="UTC",
        description="Builds as of the last midnight, or of midnight after the last event if that is earlier.",
    )
    def daily_build(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        midnight = context.scheduled_execution_time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        try:
            at = min(midnight, default_as_of(platform))
        except NotReady as error:
            yield dg.SkipReason(str(error))
        else:
            yield _build_request(platform, context.instance, at)

    return [daily_build]


def _build_request(platform: Platform, instance: dg.DagsterInstance, at: datetime) -> dg.RunRequest:
    """The same as-of over the same data is asked for once."""
    key = as_of_key(at)
    version = data_version(known_files(platform, datetime.now(UTC)), at)
    instance.add_dynamic_partitions(str(AS_OF_PARTITIONS.name), [key])
    return dg.RunRequest(run_key=f"{key}:{version}", partition_key=key)
