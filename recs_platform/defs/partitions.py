"""The as-of partition and the two instants of a run. The only reader of partition keys."""

from datetime import UTC, datetime

import dagster as dg

from recs_platform.contracts.errors import RecsError
from recs_platform.contracts.time import parse_instant
from recs_platform.defs.resources import platform_of
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.event_span import require_possible

AS_OF_PARTITIONS = dg.DynamicPartitionsDefinition(name="as_of")
KNOWN_AT_TAG = "recs/known_at"
# A run with this tag may be as of an instant that would be refused as a mistake.
FORCED_TAG, FORCED = "recs/forced", "true"


def run_of(context: dg.AssetExecutionContext) -> AsOfRun:
    """What the steps of this run share. Fails as `as_of` does."""
    return context.resources.as_of_lock.take(as_of(context), known_at(context))


def as_of(context: dg.AssetExecutionContext) -> datetime:
    """The run's as-of. Fails before anything is written where there is none that could be built.

    That is: no partition key, an unregistered one, one that is no instant, lies after now or long after the last event
    (both only without FORCED_TAG), or that no event lies before.
    """
    if not context.has_partition_key:
        raise dg.Failure(
            "this run names no as_of: choose a partition, or run `recs run --as-of DATE`", allow_retries=False
        )
    key = context.partition_key
    if not AS_OF_PARTITIONS.has_partition_key(key, dynamic_partitions_store=context.instance):
        raise dg.Failure(
            f"as_of {key!r} is not registered: add it as a partition, or run `recs run --as-of {key}`",
            allow_retries=False,
        )
    try:
        instant = parse_instant(key)
        forced = context.run.tags.get(FORCED_TAG) == FORCED
        require_possible(platform_of(context), instant, datetime.now(UTC), forced=forced)
    except RecsError as error:
        raise dg.Failure(
            f"{error} (this run names the partition {key!r}; `recs as-of remove {key}` takes it away)",
            allow_retries=False,
        ) from error
    return instant


def known_at(context: dg.AssetExecutionContext) -> datetime:
    """The instant up to which this run knows: its creation, the same for all its steps, or the one its tag recalls."""
    record = context.instance.get_run_record_by_id(context.run.run_id)
    if record is None:
        raise dg.Failure(f"run {context.run.run_id} is not recorded in this instance", allow_retries=False)
    recalled = record.dagster_run.tags.get(KNOWN_AT_TAG)
    return parse_instant(recalled) if recalled else record.create_timestamp.astimezone(UTC)
