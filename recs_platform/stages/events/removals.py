"""raw.removals: rows that left the raw tables again, counted so that the ledger adds up at any moment.

Which rows leave, and how, is decided in `retention`, and for one person in `pipeline.forgetting`. A note on the disk
says that a removal is under way, so that what is missing for no known reason is never taken for removed.
"""
# pyarrow brings no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# ruff: noqa: S608 - identifiers come from the contracts, quoted; values are literals built by text_literal

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.home import Home, Lock
from recs_platform.contracts.tables import EVENTS, INGESTIONS, QUARANTINE, REMOVALS, TableContract
from recs_platform.lake.disk import flush, replace_text
from recs_platform.lake.locks import exclusive
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.forgotten import FORGOTTEN
from recs_platform.warehouse.clauses import instant_literal, quoted, scan, text_literal, typed_columns
from recs_platform.warehouse.connection import open_cursor

RETENTION = "retention"
# What rows are removed for, in the order in which they are settled.
_REASONS = (RETENTION, FORGOTTEN)
_UNDER_WAY, _REPUBLISH = ".unfinished", "republish.due"
_ROWS_A_READ = 100_000
_KEY = f"{c.FILE_HASH}, {c.CONTRACT_TABLE}"


@dataclass(frozen=True)
class Raw:
    """The raw tables of a home as they are now, with a connection in UTC; used under the ingest lock."""

    home: Home
    lake: Lake
    con: duckdb.DuckDBPyConnection

    def files(self, table: TableContract) -> list[str]:
        return self.lake.files(table.name) if self.lake.exists(table.name) else []

    def rows(self, table: TableContract, *names: str) -> str:
        """Relation over columns of a table, all when none is named; an empty one when the table is absent."""
        files = self.files(table)
        types = {column.name: column.dtype for column in table.columns if not names or column.name in names}
        columns = ", ".join(typed_columns(types, types if files else ()))
        return f"(select {columns} from {scan(files, {})})" if files else f"(select {columns} where false)"

    def count(self, rows: str) -> int:
        return int(self.con.execute(f"select count(*) from {rows}").fetchall()[0][0])

    def replace(self, table: TableContract, rows: str, order: str) -> None:
        """Put rows in the place of a table's, and wait until they would survive a power cut."""
        columns = ", ".join(quoted(name) for name in table.column_names)
        with closing(open_cursor(self.con)) as cursor:
            cursor.execute("set TimeZone = 'UTC'")
            reader = cursor.sql(f"select {columns} from {rows} order by {order}").to_arrow_reader(_ROWS_A_READ)
            version = self.lake.overwrite(table.name, reader)
        self.lake.flush(table.name, version)


def settle_removals(
    home: Home, lake: Lake, con: duckdb.DuckDBPyConnection, *, now: datetime, progress: Callable[[str], None]
) -> None:
    """Correct raw.removals after a removal was killed or a file was replayed.

    To be called when files were ingested, before the ledger is checked. Rows that are there again lower a number; only
    a removal under way raises one. Nothing is written when nothing changes.
    """
    with exclusive(home.lock(Lock.INGEST), on_wait=progress), closing(open_cursor(con)) as cursor:
        cursor.execute("set TimeZone = 'UTC'")
        settle(Raw(home, lake, cursor), now)


def begin_removal(home: Home, before: datetime, reason: str = RETENTION) -> None:
    """Note on the disk that rows from before an instant are about to go, from every file of them that is published."""
    _note(home, reason + _UNDER_WAY, before.isoformat())
    if home.analytics.exists():
        _note(home, _REPUBLISH, "")


def settle(raw: Raw, now: datetime) -> None:
    """The work of `settle_removals`, which ends a removal under way."""
    notes = {reason: raw.home.locks / (reason + _UNDER_WAY) for reason in _REASONS}
    begun = {reason: _instant_of(note) for reason, note in notes.items()}
    if not any(begun.values()) and not raw.lake.exists(REMOVALS.name):
        return
    for reason, before in begun.items():
        stored = raw.rows(REMOVALS)
        due = _due(raw, stored, reason, before, now)
        if raw.count(f"((from {due} except from {stored}) union all (from {stored} except from {due}))"):
            raw.replace(REMOVALS, due, ", ".join(REMOVALS.grain))
        if before is not None:
            _strike(raw.home, reason + _UNDER_WAY)


def _instant_of(note: Path) -> datetime | None:
    return datetime.fromisoformat(note.read_text("utf-8")) if note.exists() else None


def is_republish_due(home: Home) -> bool:
    """Whether published files may hold rows that were removed."""
    return (home.locks / _REPUBLISH).exists()


def republished(home: Home) -> None:
    """Note that the analysts' file was published anew and older ones were dropped."""
    _strike(home, _REPUBLISH)


def _due(raw: Raw, stored: str, cause: str, before: datetime | None, now: datetime) -> str:
    """Relation of raw.removals as it should be: what the ledger ingested or rejected, less what is there.

    `cause` is the reason whose rows are settled. Without `before`, numbers are at most those stored. Rows that other
    reasons removed are theirs; a row whose number stays keeps its instants.
    """
    missing = f"l.row_count - coalesce(t.row_count, 0) - coalesce(o.{c.ROWS_REMOVED}, 0)::bigint"
    limit = "" if before is not None else f", coalesce(s.{c.ROWS_REMOVED}, 0)"
    reason, same = text_literal(cause), f"s.{c.ROWS_REMOVED} = m.{c.ROWS_REMOVED}"
    of_others = f"(from {stored} where {c.REASON_CODE} <> {reason})"
    return (
        f"(with mine as (from {stored} where {c.REASON_CODE} = {reason}), "
        f"others as (select {_KEY}, sum({c.ROWS_REMOVED}) as {c.ROWS_REMOVED} from {of_others} group by {_KEY}), "
        f"missing as (select {_KEY}, least({missing}{limit}) as {c.ROWS_REMOVED} from {_in_ledger(raw)} as l "
        f"left join {_in_tables(raw)} as t using ({_KEY}) left join others as o using ({_KEY}) "
        f"left join mine as s using ({_KEY})) "
        f"select m.{c.FILE_HASH}, m.{c.CONTRACT_TABLE}, {reason} as {c.REASON_CODE}, m.{c.ROWS_REMOVED}, "
        f"case when {same} then s.{c.REMOVED_BEFORE} else {instant_literal(before or now)} end as {c.REMOVED_BEFORE}, "
        f"case when {same} then s.{c.REMOVED_AT} else {instant_literal(now)} end as {c.REMOVED_AT} "
        f"from missing as m left join mine as s using ({_KEY}) where m.{c.ROWS_REMOVED} > 0 "
        f"union all from {of_others})"
    )


def _in_ledger(raw: Raw) -> str:
    """Relation (file_hash, contract_table, row_count) of what the ledger says was put into events and quarantine."""
    ledger = raw.rows(INGESTIONS, c.FILE_HASH, c.CONTRACT_TABLE, c.ROWS_ACCEPTED, c.ROWS_QUARANTINED)
    events, quarantine = text_literal(EVENTS.table), text_literal(QUARANTINE.table)
    return (
        f"(select {c.FILE_HASH}, {c.CONTRACT_TABLE}, sum({c.ROWS_ACCEPTED})::bigint as row_count from {ledger} "
        f"where {c.CONTRACT_TABLE} = {events} group by {_KEY} "
        f"union all select {c.FILE_HASH}, {quarantine}, sum({c.ROWS_QUARANTINED})::bigint from {ledger} "
        f"group by {c.FILE_HASH})"
    )


def _in_tables(raw: Raw) -> str:
    """The same of what is there."""
    counts = (
        f"select {c.FILE_HASH}, {text_literal(table.table)} as {c.CONTRACT_TABLE}, count(*) as row_count "
        f"from {raw.rows(table, c.FILE_HASH)} group by {c.FILE_HASH}"
        for table in (EVENTS, QUARANTINE)
    )
    return f"({' union all '.join(counts)})"


def _note(home: Home, name: str, text: str) -> None:
    home.locks.mkdir(parents=True, exist_ok=True)
    replace_text(home.locks / name, text)


def _strike(home: Home, name: str) -> None:
    note = home.locks / name
    if note.exists():
        note.unlink()
        flush((home.locks,))
