"""Whether a run of as-of assets may start at all, asked once for the run and before any of its steps.

Dagster looks up the partitions of what a step reads before the body of the step is called, and fails by sentences of
its own. What an as-of has to be is judged in `partitions`.
"""

from typing import NoReturn

import dagster as dg

from recs_platform.contracts.errors import RecsError
from recs_platform.pipeline.named_in_settings import require_named
from recs_platform.pipeline.platform import Platform

AS_OF = "as_of"
PARTITION_TAG = "dagster/partition"
NO_KEY = "this run names no as_of: choose a partition, or run `recs run --as-of DATE`"
# Of a backfill that makes several partitions in one run; its steps have a key each.
_RANGE_TAG = "dagster/asset_partition_range_start"


def unregistered(key: str) -> str:
    """What is said of a partition that there is not."""
    return f"as_of {key!r} is not registered: add it as a partition, or run `recs run --as-of {key}`"


def require_startable(platform: Platform, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Fail a run that names no registered as-of, or while the settings name what is not there, whoever started it."""
    key = run.tags.get(PARTITION_TAG)
    if key is None and _RANGE_TAG not in run.tags:
        _refuse(NO_KEY)
    if key is not None and key not in instance.get_dynamic_partitions(AS_OF):
        _refuse(unregistered(key))
    try:
        require_named(platform)
    except RecsError as error:
        _refuse(str(error))


def _refuse(sentence: str) -> NoReturn:
    # Any other error of a resource is wrapped in one that says only which resource it was.
    raise dg.DagsterInvariantViolationError(sentence)
