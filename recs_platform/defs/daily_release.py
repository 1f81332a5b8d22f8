"""The job `daily_release`: what `recs run` does, from the Launchpad. It starts `ingest` and `build`, each as a run.

The default as-of is known only once landing is ingested, so that no single job of assets can hold both.
"""
# Dagster leaves parts of its jobs untyped.
# pyright: reportUnknownMemberType=false, reportCallIssue=false

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from recs_platform.contracts.time import as_of_key, parse_instant
from recs_platform.defs import running
from recs_platform.defs.instance import fail_stuck_runs
from recs_platform.defs.jobs import BUILD, INGEST
from recs_platform.defs.one_line import fails_in_one_line
from recs_platform.defs.resources import HomeResource
from recs_platform.pipeline.event_gap import far_events
from recs_platform.pipeline.event_span import default_as_of, require_possible
from recs_platform.pipeline.plans import plan_build
from recs_platform.pipeline.platform import Platform

DAILY_RELEASE = "daily_release"


class DailyRelease(dg.Config):
    """Which day's release, and whether to make it again."""

    as_of: str = Field(
        default="", description="What to build, such as 2017-02-20; empty: midnight after the last event."
    )
    force: bool = Field(
        default=False, description="Build what is up to date too, and an as-of after now or long after the last event."
    )


def daily_release_job(definitions: Callable[[], dg.Definitions]) -> dg.JobDefinition:
    """The job; `definitions` are asked for when it runs: they hold the two jobs that it starts."""

    @dg.op(description="Ingests landing, then builds the day's as-of up to its release, each as a run of its own.")
    @fails_in_one_line
    def release_day(context: dg.OpExecutionContext, config: DailyRelease, home: HomeResource) -> dg.Output[str]:
        key, about = _release(context, config, home.platform, definitions())
        return dg.Output(key, metadata=about)

    @dg.job(name=DAILY_RELEASE, description="The day's release: landing is ingested, then that day's as-of is built.")
    def daily_release() -> None:
        """One step, which starts two runs."""
        release_day()

    return daily_release


def _release(
    context: dg.OpExecutionContext, config: DailyRelease, platform: Platform, definitions: dg.Definitions
) -> tuple[str, dict[str, str]]:
    """The as-of, and metadata: why it was built or was not, and the runs that did it."""
    instance = context.instance

    def say(kind: str, text: str) -> None:
        if kind == "LOG":
            context.log.info(text)

    chosen = parse_instant(config.as_of) if config.as_of else None
    for stuck in fail_stuck_runs(instance):
        context.log.warning(f"run {stuck.run_id[:8]} ({stuck.job}) is marked as failed: {stuck.reason}")
    outcomes = {INGEST: running.run_job(instance, definitions, INGEST, {}, None, say)}
    now = datetime.now(UTC)
    at = default_as_of(platform, now) if chosen is None else chosen
    caution = far_events(platform, now) if chosen is None else None
    if caution is not None:
        context.log.warning(caution)
    require_possible(platform, at, now, forced=config.force)
    plan = plan_build(platform, at, now)
    context.log.info(f"{as_of_key(at)}: {plan.verdict}")
    if plan.runs or config.force:
        outcomes[BUILD] = running.run_build(
            platform, definitions, instance, at, say, forced=config.force, plan=plan
        )  # fmt: skip
    for warning in (text for outcome in outcomes.values() for text in outcome.warnings):
        context.log.warning(warning)
    runs = {name: outcome.run_id for name, outcome in outcomes.items()}
    return as_of_key(at), {"as_of": as_of_key(at), "plan": plan.verdict, **runs}
