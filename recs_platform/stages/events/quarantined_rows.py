"""Rejected rows while an ingestion is under way: each with its file, its line, why, and the record as it came.

Which rows are rejected is decided by `staging`; how a record is looked up, by `payloads`.
"""
# ruff: noqa: S608 - relations are named by this package; values are literals built by text_literal

from datetime import datetime
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import QUARANTINE
from recs_platform.stages.events.forgotten import FORGOTTEN
from recs_platform.stages.events.landing import PendingFile
from recs_platform.stages.events.payloads import look_up_payloads
from recs_platform.stages.events.records import numbers_of
from recs_platform.stages.events.validation import filters_where_they_stand
from recs_platform.warehouse.clauses import instant_literal, quoted, text_literal

QUARANTINED = "quarantined"
_LOOKED_AT = "rejected"


def make_quarantined(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table, empty."""
    columns = ", ".join(f"{quoted(column.name)} {column.dtype}" for column in QUARANTINE.columns)
    con.execute(f"create or replace temp table {QUARANTINED} ({columns})")


def quarantine_rows(con: duckdb.DuckDBPyConnection, file: PendingFile, table: str, rejected: str, now: datetime) -> int:
    """Add rows (line_number, reason_code, reason, payload) of a file, meant for a contract table; returns how many."""
    return numbers_of(
        con,
        f"insert into {QUARANTINED} select {text_literal(file.file_hash)}, {text_literal(file.source_file)}, "
        f"q.line_number, {text_literal(table)}, q.reason_code, q.reason, q.payload, {instant_literal(now)} "
        f"from ({rejected}) as q(line_number, reason_code, reason, payload) order by q.line_number, q.reason_code",
    )[0]


def quarantine_records(
    con: duckdb.DuckDBPyConnection,
    file: PendingFile,
    table: str,
    rejected: str,
    now: datetime,
    *,
    path: Path,
    is_hidden: bool,
) -> int:
    """As `quarantine_rows`, a payload of NULL being the record as it came, which lies in `path`.

    With `is_hidden` there is no payload: where ids are stored as pseudonyms, the record holds them as they are. Nor has
    a row of somebody who was forgotten one.
    """
    con.execute(
        f"create or replace temp table {_LOOKED_AT} ({c.LINE_NUMBER} bigint, {c.REASON_CODE} varchar, "
        f"{c.REASON} varchar, {c.PAYLOAD} varchar)"
    )
    with filters_where_they_stand(con):
        con.execute(f"insert into {_LOOKED_AT} {rejected}")
    file_format = file.kind.format_of(file.path.name) or "csv"
    is_shown = f"{str(not is_hidden).lower()} and {c.REASON_CODE} <> {text_literal(FORGOTTEN)}"
    lines = f"(select {c.LINE_NUMBER} from {_LOOKED_AT} where {c.PAYLOAD} is null and {is_shown})"
    payloads = look_up_payloads(con, path, file_format, file.kind.delimiter or ",", lines)
    known = f"coalesce(q.{c.PAYLOAD}, p.{c.PAYLOAD})"
    payload = (
        "null::varchar" if is_hidden else f"case when q.{c.REASON_CODE} <> {text_literal(FORGOTTEN)} then {known} end"
    )
    joined = (
        f"select q.{c.LINE_NUMBER}, q.{c.REASON_CODE}, q.{c.REASON}, {payload} from {_LOOKED_AT} as q "
        f"left join {payloads} as p using ({c.LINE_NUMBER})"
    )
    return quarantine_rows(con, file, table, joined, now)


def forget_quarantined(con: duckdb.DuckDBPyConnection, file: PendingFile) -> None:
    """Take a file's rows out again."""
    con.execute(f"delete from {QUARANTINED} where {c.FILE_HASH} = $1", [file.file_hash])
