"""The job `forget_user`: what `recs forget` does, from the Launchpad. The work is in `pipeline.forgetting`.

The run's own config names the user; it is taken out of Dagster's storage like every other mention.
"""

from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from recs_platform.defs.resources import HomeResource


class ForgetUser(dg.Config):
    """Whom to forget."""

    user: str = Field(description="The user's id, or an anonymous id that only they used; several one a line.")
    dry_run: bool = Field(default=False, description="Count what would go; change nothing.")


@dg.op(description="Erases one user from everything under the home; the receipt lies in `forgets`.")
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
    context.log.info(
        f"receipt {receipt.number}: {len(receipt.removed)} places, "
        f"{len(receipt.rankers)} rankers that learned from them serve no more"
    )


@dg.job(  # pyright: ignore[reportUnknownMemberType] - Dagster leaves parts of it untyped
    description="Erase a user everywhere; give their id in the Launchpad. It cannot be undone."
)
def forget_user() -> None:
    """One step."""
    forget_one()  # pyright: ignore[reportCallIssue] - Dagster supplies context, config and resources
