"""The jobs `forget_user` and `forget_waiting`: what `recs forget` does. The work is in `pipeline.forgetting`.

The run's own config names the user; it is taken out of Dagster's storage like every other mention.
"""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from recs_platform.contracts.manifests import content_key
from recs_platform.defs.one_line import fails_in_one_line
from recs_platform.defs.resources import HomeResource
from recs_platform.lake.forget_requests import waiting_requests
from recs_platform.pipeline.current import CurrentPlatform

SECONDS_BETWEEN = 300
FORGET_WAITING = "forget_waiting"
FORGETTING = ("forget_user", FORGET_WAITING)  # jobs whose errors may name people


class ForgetUser(dg.Config):
    """Whom to forget."""

    user: str = Field(description="The user's id, or an anonymous id that only they used; several one a line.")
    dry_run: bool = Field(default=False, description="Count what would go; change nothing.")


@dg.op(description="Erases one user from everything under the home; the receipt lies in `forgets`.")
@fails_in_one_line
def forget_one(context: dg.OpExecutionContext, config: ForgetUser, home: HomeResource) -> None:
    """Says what goes where; never who."""
    # Loading definitions does without what this imports.
    from recs_platform.pipeline.forgetting.forget import forget, forget_dry_run

    platform, now, users = home.platform, datetime.now(UTC), config.user.splitlines()
    if config.dry_run:
        counts = forget_dry_run(platform, *users, now=now, say=context.log.info)
        context.log.info("\n".join(f"would remove {count} of {place}" for place, count in counts.items()))
        return
    receipt = forget(platform, *users, now=now, say=context.log.info)
    context.log.info(f"receipt {receipt.number}: {len(receipt.removed)} places, {receipt.fate_of_rankers}")


@dg.job(  # pyright: ignore[reportUnknownMemberType] - Dagster leaves parts of it untyped
    description="Erase a user everywhere; give their id in the Launchpad. It cannot be undone."
)
def forget_user() -> None:
    """One step."""
    forget_one()  # pyright: ignore[reportCallIssue] - Dagster supplies context, config and resources


@dg.op(description="Erases everybody whom an application asked to forget over HTTP.")
@fails_in_one_line
def forget_all_waiting(context: dg.OpExecutionContext, home: HomeResource) -> None:
    """Says how many; never who."""
    from recs_platform.pipeline.forgetting.forget import forget_waiting

    receipts, refused = forget_waiting(home.platform, now=datetime.now(UTC), say=context.log.info)
    numbers = ", ".join(str(receipt.number) for receipt in receipts) or "none"
    context.log.info(f"receipts: {numbers}; {len(refused)} requests name nobody that is known")


@dg.job(  # pyright: ignore[reportUnknownMemberType] - as above
    name=FORGET_WAITING, description="Erase everybody whom an application asked to forget over HTTP."
)
def forget_waiting_job() -> None:
    """One step."""
    forget_all_waiting()  # pyright: ignore[reportCallIssue] - as above


def forget_sensor(current: CurrentPlatform) -> dg.SensorDefinition:
    """Carries out what was asked for over HTTP, once for the same requests."""

    @dg.sensor(  # pyright: ignore[reportUnknownMemberType] - as above
        name="forget_sensor",
        job_name=FORGET_WAITING,
        minimum_interval_seconds=SECONDS_BETWEEN,
        description="Starts `forget_waiting` where an application asked over HTTP to forget somebody.",
    )
    def forget_sensor(_: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        waiting = waiting_requests(current().home)
        if not waiting:
            return dg.SkipReason("nobody waits to be forgotten")
        # Asked again the next day where they still wait: the run before failed.
        return dg.RunRequest(content_key({"requests": waiting, "day": datetime.now(UTC).date().isoformat()}))

    return forget_sensor
