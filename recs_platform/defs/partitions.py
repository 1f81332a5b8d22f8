"""The as-of partition: the only reader of partition keys, and the as-of run that a step works on."""

from datetime import UTC, datetime

import dagster as dg

from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.tables import INPUTS
from recs_platform.contracts.time import parse_instant
from recs_platform.defs.resources import AsOfResource
from recs_platform.defs.startable import AS_OF, NO_KEY, unregistered
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.build_records import changed_inputs
from recs_platform.pipeline.event_span import require_possible

INPUTS_KEY = dg.AssetKey(INPUTS.name.split("."))
AS_OF_PARTITIONS = dg.DynamicPartitionsDefinition(name=AS_OF)


def run_of(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> AsOfRun:
    """What the steps of this run share. Fails as `as_of` does.

    Warns where a step goes by inputs that are no longer what `events/inputs` says of the as-of.
    """
    instant = as_of(context, as_of_run)
    try:
        run = as_of_run.take(instant, as_of_run.known_instant(context.instance, context.run))
        if any(INPUTS_KEY in context.assets_def.asset_deps[key] for key in context.selected_asset_keys):
            changed = run.once("inputs compared", lambda: changed_inputs(run))
            if changed:
                context.log.warning(changed)
    except RecsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return run


def as_of(context: dg.AssetExecutionContext, as_of_run: AsOfResource) -> datetime:
    """The run's as-of. Fails before anything is written where there is none that could be built.

    That is: no partition key, an unregistered one, one that is no instant, lies after now or long after the last event
    (both only unless forced), or that no event lies before.
    """
    if not context.has_partition_key:
        raise dg.Failure(NO_KEY, allow_retries=False)
    key = context.partition_key
    if not AS_OF_PARTITIONS.has_partition_key(key, dynamic_partitions_store=context.instance):
        raise dg.Failure(unregistered(key), allow_retries=False)
    try:
        instant = parse_instant(key)
        forced = as_of_run.is_forced(context.run)
        require_possible(as_of_run.platform, instant, datetime.now(UTC), forced=forced)
    except RecsError as error:
        raise dg.Failure(
            f"{error} (this run names the partition {key!r}; `recs as-of remove {key}` takes it away)",
            allow_retries=False,
        ) from error
    return instant
