"""Adds to raw.event_flags what the SQL of `models/flags` finds new. Which events are unlike others is said there.

Flags are added and never changed: a run that knows up to an instant leaves out the flags made after it.
"""
# ruff: noqa: S608 - identifiers come from the contracts, the instant is a literal
# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.home import Home, Lock
from recs_platform.contracts.tables import EVENT_FLAGS, EVENTS
from recs_platform.lake.locks import exclusive
from recs_platform.lake.tables import Lake
from recs_platform.warehouse.clauses import instant_literal, text_literal
from recs_platform.warehouse.runner import ModelRun

if TYPE_CHECKING:
    import polars as pl

FOUND = "flags.event_flags"
BOT_LIKE = "bot_like"
# The number written under this name is the version of raw.events that was judged.
TRANSACTION = "flags"


def is_due(lake: Lake) -> bool:
    """Whether raw.events has a version that was not judged yet; from the lake's logs alone."""
    if not lake.exists(EVENTS.name):
        return False
    return lake.transaction_version(EVENT_FLAGS.name, TRANSACTION) != lake.version(EVENTS.name)


def flag_events(home: Home, lake: Lake, run: ModelRun, *, now: datetime, progress: Callable[[str], None]) -> bool:
    """Add the flags not there yet, `flagged_at` now, in one commit that records the version of raw.events.

    `run` must be fresh: it reads the lake as it is after the ingestion that this call waits for, which it reports to
    `progress`. Killed, it has done all or nothing. Returns False, nothing written, where nothing is due.
    """
    with exclusive(home.lock(Lock.INGEST), on_wait=progress):
        if not is_due(lake):
            return False
        for table in (FOUND, EVENT_FLAGS.name):
            run.require(table)
        transaction = (TRANSACTION, lake.version(EVENTS.name))
        lake.append(EVENT_FLAGS.name, run.arrow(_new_flags(now)), transaction=transaction)
    return True


def count_flagged_events(run: ModelRun) -> int:
    """Events with a flag of any rule."""
    run.require(EVENT_FLAGS.name)
    return int(run.query(f"select count(distinct {c.EVENT_ID}) as events from {EVENT_FLAGS.name}").item())


def count_new_flags(run: ModelRun, now: datetime) -> "pl.DataFrame":
    """Flags made at `now`, by rule: rule, flags; in order of rule."""
    run.require(EVENT_FLAGS.name)
    return run.query(
        f"select {c.RULE}, count(*) as flags from {EVENT_FLAGS.name} where {c.FLAGGED_AT} = {instant_literal(now)} "
        f"group by {c.RULE} order by {c.RULE}"
    )


def bot_like_users(run: ModelRun, limit: int) -> "pl.DataFrame":
    """Users with most events flagged as a bot's: user_id, events, first_at, last_at (UTC); at most `limit`."""
    for table in (EVENT_FLAGS.name, EVENTS.name):
        run.require(table)
    return run.query(
        f"select {c.USER_ID}, count(*) as events, min({c.OCCURRED_AT}) as first_at, max({c.OCCURRED_AT}) as last_at "
        f"from {EVENTS.name} semi join (from {EVENT_FLAGS.name} where {c.RULE} = {text_literal(BOT_LIKE)}) "
        f"using ({c.EVENT_ID}) group by {c.USER_ID} order by events desc, {c.USER_ID} limit {int(limit)}"
    )


def _new_flags(now: datetime) -> str:
    key = f"{c.EVENT_ID}, {c.RULE}"
    return (
        f"select {key}, {c.SCORE}, {instant_literal(now)} as {c.FLAGGED_AT} from {FOUND} "
        f"anti join {EVENT_FLAGS.name} using ({key}) order by {key}"
    )
