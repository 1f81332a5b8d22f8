"""Jobs on releases, from the Launchpad: put one in force, take one back, publish again."""
# Dagster leaves parts of its jobs untyped.
# pyright: reportUnknownMemberType=false, reportCallIssue=false

import dagster as dg
from pydantic import Field

from recs_platform.defs.in_force import report_in_force
from recs_platform.defs.one_line import fails_in_one_line
from recs_platform.defs.resources import HomeResource


class RollbackRelease(dg.Config):
    """Which release to put in force."""

    release_id: str = Field(description="A release that `recommendations.releases` names, or `latest`: remove the pin.")


class WithdrawRelease(dg.Config):
    """Which release to take back."""

    release_id: str = Field(description="A release that `recommendations.releases` names.")


@dg.op(description="Pins a release, or removes the pin, and publishes lists.")
@fails_in_one_line
def roll_back(context: dg.OpExecutionContext, config: RollbackRelease, home: HomeResource) -> None:
    """The release is in force until another is pinned or the pin is removed."""
    # Here and below: loading definitions does without what is imported.
    from recs_platform.pipeline.rollback import roll_back

    current = roll_back(home.platform, config.release_id, context.log.info)
    report_in_force(home.platform, context.instance)
    context.log.info(f"current release: {current.version}")


@dg.op(description="Withdraws a release for good and publishes lists.")
@fails_in_one_line
def take_back(context: dg.OpExecutionContext, config: WithdrawRelease, home: HomeResource) -> None:
    """The release of the latest as-of that is left comes into force."""
    from recs_platform.defs.withdrawal import withdraw

    current = withdraw(home.platform, config.release_id, context.log.info)
    report_in_force(home.platform, context.instance)
    context.log.info(f"current release: {'none' if current is None else current.version}")


@dg.op(description="Rebuilds analytics.duckdb from the lake and the releases.")
@fails_in_one_line
def publish_again(context: dg.OpExecutionContext, home: HomeResource) -> None:
    """Repairs the file after the home was moved."""
    from recs_platform.pipeline.publishing import publish

    report = publish(home.platform, on_wait=context.log.info)
    for sentence in report.set_aside:
        context.log.warning(sentence)
    report_in_force(home.platform, context.instance)
    context.log.info(f"{len(report.table_rows)} tables, {report.size_bytes / 1e6:.1f} MB")


@dg.job(description="Put an earlier release in force; give its id in the Launchpad, or `latest` to remove the pin.")
def rollback_release() -> None:
    """One step."""
    roll_back()


@dg.job(description="Take a release back for good; give its id in the Launchpad.")
def withdraw_release() -> None:
    """One step."""
    take_back()


@dg.job(name="publish", description="Rebuild analytics.duckdb, which analysts query.")
def publish_job() -> None:
    """One step."""
    publish_again()


RELEASE_JOBS = (rollback_release, withdraw_release, publish_job)
