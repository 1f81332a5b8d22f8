"""Resources of a run: the platform, and the lock that lets one graph run write at a time. No stage logic."""

import os
from collections.abc import Iterator

import dagster as dg

from recs_platform.defs.platform import Platform
from recs_platform.lake.locks import exclusive

PLATFORM = "platform"
AS_OF_LOCK = "as_of_lock"
PID_TAG = "recs/pid"
AS_OF_RESOURCES = frozenset({PLATFORM, AS_OF_LOCK})


def platform_of(context: dg.AssetExecutionContext) -> Platform:
    """The run's platform."""
    return context.resources.platform


@dg.resource(description="Held by one as-of run at a time; the kernel frees it when the process dies")
def as_of_lock(context: dg.InitResourceContext) -> Iterator[None]:
    """Take `<home>/locks/as_of` for the length of the run, waiting for the run that holds it."""
    home = context.resources.platform.home
    log = context.log

    def say(message: str) -> None:
        if log is not None:
            log.warning(message)

    if context.instance is not None and context.run is not None:
        context.instance.add_run_tags(context.run.run_id, {PID_TAG: str(os.getpid())})
    with exclusive(home.locks / "as_of", on_wait=say):
        yield


def build_resources(platform: Platform) -> dict[str, dg.ResourceDefinition]:
    """Resources by the keys that assets ask for."""
    return {
        PLATFORM: dg.ResourceDefinition.hardcoded_resource(platform, "Settings, lake and SQL models of one home"),
        AS_OF_LOCK: dg.ResourceDefinition(
            as_of_lock.resource_fn, required_resource_keys={PLATFORM}, description=as_of_lock.description
        ),
    }
