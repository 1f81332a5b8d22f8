"""Retention: events older than a number of days leave the raw tables and landing for good, in every version.

Removed are events, their flags, quarantined rows (their payload is an event) and files that hold nothing younger. What
was built of them earlier, profiles, identities and consents stay. Publishing without them is the caller's next step.
"""
# ruff: noqa: S608 - identifiers come from the contracts; values are literals built by instant_literal, text_literal

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import Busy
from recs_platform.contracts.home import Home, Lock
from recs_platform.contracts.tables import EVENT_FLAGS, EVENTS, INGESTIONS, QUARANTINE, REMOVALS, TableContract
from recs_platform.lake.disk import flush_tree
from recs_platform.lake.locks import exclusive
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.content_hashes import ContentHashes
from recs_platform.stages.events.removals import Raw, begin_removal, is_republish_due, settle
from recs_platform.warehouse.clauses import instant_literal, text_literal
from recs_platform.warehouse.connection import open_cursor

# Builds read the tables' files as they were when they began.
# None has partitions, and all are written under the ingest lock alone.
_EMPTIED = (EVENTS, QUARANTINE, EVENT_FLAGS)
_ARRIVING = (".part", ".tmp")


@dataclass(frozen=True)
class RetentionReport:
    """What one retention removed; `is_republish_due` until `republished` is called, also over a crash.

    `landing_files` are relative to landing, `undeletable_files` are those that could not be deleted. `postponed` says
    who held the removal up; nothing was removed then.
    """

    removed_before: datetime
    events_removed: int = 0
    flags_removed: int = 0
    quarantined_removed: int = 0
    lake_files_deleted: int = 0
    landing_files: tuple[str, ...] = ()
    undeletable_files: tuple[str, ...] = ()
    is_republish_due: bool = False
    postponed: str | None = None

    @property
    def is_nothing_due(self) -> bool:
        return self == RetentionReport(self.removed_before)


def retain(
    home: Home,
    lake: Lake,
    con: duckdb.DuckDBPyConnection,
    *,
    retention_days: int,
    now: datetime,
    progress: Callable[[str], None],
) -> RetentionReport:
    """Remove what happened before midnight (UTC) of `now`, less `retention_days`, so that no old version holds it.

    Can be killed and repeated at any point; what is not finished then is finished next time. Waits for an ingestion to
    end, reporting it to `progress`; puts the removal off while a build runs. Nothing is written when nothing is due.
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    before = midnight - timedelta(days=retention_days)
    with exclusive(home.lock(Lock.INGEST), on_wait=progress), closing(open_cursor(con)) as cursor:
        if not lake.exists(INGESTIONS.name):
            return RetentionReport(before)
        cursor.execute("set TimeZone = 'UTC'")
        raw = Raw(home, lake, cursor)
        settle(raw, now)
        try:
            report = _remove_rows(raw, before)
        except Busy as error:
            progress(f"retention is put off: {error}")
            return RetentionReport(before, postponed=str(error))
        settle(raw, now)
        deleted, undeletable = _delete_landing_files(raw, before)
        return replace(
            report,
            landing_files=deleted,
            undeletable_files=undeletable,
            is_republish_due=is_republish_due(home),
        )


def _remove_rows(raw: Raw, before: datetime) -> RetentionReport:
    """Delete old rows and every file that holds them; flags first, because they are found by their events.

    Raises Busy while a build runs.
    """
    dated = ((EVENTS, c.OCCURRED_AT), (QUARANTINE, c.INGESTED_AT))
    old = [raw.count(f"{raw.rows(table, column)} where {_is_old(column, before)}") for table, column in dated]
    if not any(old) and not any(_unnamed_files(raw, table) for table in _EMPTIED):
        return RetentionReport(before)
    with exclusive(raw.home.lock(Lock.AS_OF), wait=False):
        begin_removal(raw.home, before)
        flags = _remove_flags(raw, before)
        for (table, column), rows in zip(dated, old, strict=True):
            if rows:
                raw.lake.delete(table.name, f"{column} < '{before:%Y-%m-%dT%H:%M:%S}Z'")
        deleted = sum(_delete_unnamed_files(raw, table) for table in _EMPTIED)
    return RetentionReport(before, old[0], flags, old[1], deleted)


def _remove_flags(raw: Raw, before: datetime) -> int:
    """Keep the flags of events that stay; returns how many went."""
    if not raw.lake.exists(EVENT_FLAGS.name):
        return 0
    flags = raw.rows(EVENT_FLAGS)
    stay = f"(from {raw.rows(EVENTS, c.EVENT_ID, c.OCCURRED_AT)} where not {_is_old(c.OCCURRED_AT, before)})"
    gone = raw.count(f"{flags} anti join {stay} using ({c.EVENT_ID})")
    if gone:
        kept = f"(from {flags} semi join {stay} using ({c.EVENT_ID}))"
        raw.replace(EVENT_FLAGS, kept, f"{c.FLAGGED_AT}, {c.EVENT_ID}, {c.RULE}")
    return gone


def _unnamed_files(raw: Raw, table: TableContract) -> set[Path]:
    """Files in a table's folder that its newest version does not read: of earlier versions, and of killed writers.

    Nobody is about to name them, because no other writer of the table is at work.
    """
    return set(raw.lake.path(table.name).glob("*.parquet")) - set(map(Path, raw.files(table)))


def _delete_unnamed_files(raw: Raw, table: TableContract) -> int:
    if not (unnamed := _unnamed_files(raw, table)):
        return 0
    # What stays must be on the disk before what it was made of goes.
    flush_tree(raw.lake.path(table.name))
    raw.lake.vacuum(table.name, retention_hours=0)
    for file in unnamed:
        file.unlink(missing_ok=True)
    return len(unnamed)


def _delete_landing_files(raw: Raw, before: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Delete landed files of which nothing is left, under whatever name they lie; returns (deleted, undeletable)."""
    emptied = _emptied_files(raw, before)
    deleted: list[str] = []
    undeletable: list[str] = []
    hashes = ContentHashes(raw.home)
    for file in _landed(raw.home) if emptied else ():
        inside = file.relative_to(raw.home.landing)
        try:
            if (inside.parts[0], hashes.of(file)) in emptied:
                file.unlink()
                deleted.append(inside.as_posix())
        except OSError:
            undeletable.append(inside.as_posix())
    return tuple(deleted), tuple(undeletable)


def _emptied_files(raw: Raw, before: datetime) -> set[tuple[str, str]]:
    """(source, hash) of files that fed events alone, all of which were removed again.

    A file that gave no event (each rejected, or known from another file) counts once it was ingested too long ago.
    """
    ledger = raw.rows(INGESTIONS, c.FILE_HASH, c.SOURCE, c.CONTRACT_TABLE, c.ROWS_ACCEPTED, c.INGESTED_AT)
    events = text_literal(EVENTS.table)
    found = raw.con.execute(
        f"with removed as (select {c.FILE_HASH}, sum({c.ROWS_REMOVED}) as {c.ROWS_REMOVED} "
        f"from {raw.rows(REMOVALS)} where {c.CONTRACT_TABLE} = {events} group by {c.FILE_HASH}), "
        f"files as (select {c.FILE_HASH}, min({c.SOURCE}) as {c.SOURCE}, sum({c.ROWS_ACCEPTED}) as {c.ROWS_ACCEPTED}, "
        f"max({c.INGESTED_AT}) as {c.INGESTED_AT} from {ledger} "
        f"group by {c.FILE_HASH} having bool_and({c.CONTRACT_TABLE} = {events})) "
        f"select {c.SOURCE}, {c.FILE_HASH} from files left join removed using ({c.FILE_HASH}) "
        f"where {c.ROWS_ACCEPTED} = coalesce({c.ROWS_REMOVED}, 0) "
        f"and ({c.ROWS_ACCEPTED} > 0 or {_is_old(c.INGESTED_AT, before)})"
    ).fetchall()
    return {(str(source), str(digest)) for source, digest in found}


def _landed(home: Home) -> list[Path]:
    """Finished files below the sources' folders; links are not followed."""
    return sorted(
        file
        for file in home.landing.glob("*/**/*")
        if file.is_file()
        and not file.is_symlink()
        and not file.name.lower().endswith(_ARRIVING)
        and not any(part.startswith(".") for part in file.relative_to(home.landing).parts)
    )


def _is_old(column: str, before: datetime) -> str:
    return f"{column} < {instant_literal(before)}"
