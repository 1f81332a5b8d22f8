"""Runs of `retrain_ranker` that nobody asks for by hand: once for each episode of drift, and weekly.

What an episode is, and whether there is anything new to learn from, is decided in `pipeline.retraining`.
"""
# Dagster leaves parts of its decorators untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import dagster as dg

from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.time import as_of_key
from recs_platform.defs.partitions import AS_OF_PARTITIONS
from recs_platform.defs.requests import ASKED_TAG, request_run, runs_of
from recs_platform.pipeline.current import CurrentPlatform
from recs_platform.pipeline.event_span import default_as_of
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retraining import (
    DriftVerdict,
    Episode,
    drift_verdicts,
    follow,
    of_what_is_kept,
    trained_already,
)

RETRAIN = "retrain_ranker"
DRIFT_SECONDS = 300


def drift_sensor(current: CurrentPlatform) -> dg.SensorDefinition:
    """Trains a ranker once for each episode of drift; its cursor holds how far verdicts were read."""

    @dg.sensor(
        name="drift_sensor",
        job_name=RETRAIN,
        minimum_interval_seconds=DRIFT_SECONDS,
        description="Starts one `retrain_ranker` where drift reports warn, and no other before "
        f"{current().settings.retraining.quiet_as_ofs} as-ofs were quiet; none where they propose another thing.",
    )
    def drift_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        platform = current()
        stored = drift_verdicts(platform)
        before = of_what_is_kept(Episode.of_cursor(context.cursor), {each.as_of for each in stored})
        fresh = [each for each in stored if before.seen is None or each.as_of > before.seen]
        state = follow(before, fresh, platform.settings.retraining.quiet_as_ofs)
        answer, state = _answer(context.instance, state, fresh)
        context.update_cursor(state.to_cursor())
        return answer

    return drift_sensor


def _answer(
    instance: dg.DagsterInstance, state: Episode, fresh: list[DriftVerdict]
) -> tuple[dg.RunRequest | dg.SkipReason, Episode]:
    """What an open episode asks for, until a run for it has succeeded; else why nothing is."""
    if state.began is None:
        return dg.SkipReason(_why_nothing(state, fresh)), state
    if state.alarmed is None:
        gone = f"the as-of that drifted is removed; the drift since {as_of_key(state.began)} waits for another alarm"
        return dg.SkipReason(gone), state
    key = f"drift since {as_of_key(state.began)}"
    succeeded = runs_of(instance, RETRAIN, tags={ASKED_TAG: key}, statuses=[dg.DagsterRunStatus.SUCCESS])
    if state.is_retrained or succeeded:
        last = f"the last alarm was of {as_of_key(state.alarmed)}, {state.quiet} quiet as-ofs since"
        return dg.SkipReason(f"a ranker was trained for the {key}; {last}"), replace(state, is_retrained=True)
    at = as_of_key(state.alarmed)
    instance.add_dynamic_partitions(str(AS_OF_PARTITIONS.name), [at])
    return request_run(instance, RETRAIN, key, key, partition_key=at)[0], state


def _why_nothing(state: Episode, fresh: list[DriftVerdict]) -> str:
    if state.seen is None:
        return "no as-of has drift reports yet"
    others = [each for each in fresh if each.is_alarmed and not each.proposes_training]
    if others:
        last = others[-1]
        return f"drift as of {as_of_key(last.as_of)} proposes no training, look at its report: {last.said}"
    return f"no drift up to {as_of_key(state.seen)}"


def weekly_retraining(current: CurrentPlatform) -> dg.ScheduleDefinition:
    """Trains on Mondays, half an hour after the daily build begins, where there is something new to learn from."""

    @dg.schedule(
        name="weekly_retraining",
        job_name=RETRAIN,
        cron_schedule=f"30 {current().settings.schedule_hour} * * 1",
        execution_timezone="UTC",
        description="Starts `retrain_ranker` on Mondays, as of midnight after the last event; not without new data.",
    )
    def weekly_retraining(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        yield weekly_request(current(), context.instance, context.scheduled_execution_time)

    return weekly_retraining


def weekly_request(platform: Platform, instance: dg.DagsterInstance, moment: datetime) -> dg.RunRequest | dg.SkipReason:
    """A training as of the default as-of at that moment, or why there is none."""
    try:
        at = default_as_of(platform, moment)
    except NotReady as error:
        return dg.SkipReason(str(error))
    why_not = trained_already(platform, at)
    if why_not is not None:
        return dg.SkipReason(why_not)
    key = as_of_key(at)
    instance.add_dynamic_partitions(str(AS_OF_PARTITIONS.name), [key])
    asked = f"week of {moment:%Y-%m-%d}"
    return request_run(instance, RETRAIN, f"{key}, {asked}", f"training for the {asked}", partition_key=key)[0]
