"""What is new among valid rows: repeats within a batch and rows the lake holds already, and the tables that follow.

Rows arrive here typed and checked; writing the batch's ledger is done in `ingestion`.
"""
# ruff: noqa: S608 - identifiers come from the contracts, quoted; values are literals built by text_literal

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import (
    EVENTS,
    ITEM_HISTORY,
    ITEMS,
    USER_HISTORY,
    USERS,
    Column,
    TableContract,
)  # fmt: skip
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.validation import FILE_ORDER, ROW_KEY, row_key, staged_columns
from recs_platform.warehouse.clauses import instant_literal, quoted, text_literal

_PLACE = "file_row_number"
HISTORIES = {ITEMS.name: ITEM_HISTORY, USERS.name: USER_HISTORY}


def staged(contract: TableContract, paths: Sequence[Path]) -> str:
    """Relation over the staged rows of one table; empty and typed when no file feeds it."""
    if paths:
        return f"read_parquet({_list_of(paths)}, file_row_number = true)"
    columns = (
        Column(FILE_ORDER, "INTEGER", ""),
        Column(c.LINE_NUMBER, "BIGINT", ""),
        Column(c.REASON_CODE, "VARCHAR", ""),
        Column(ROW_KEY, "VARCHAR", ""),
        *staged_columns(contract),
        Column(_PLACE, "BIGINT", ""),
    )
    return f"({_nothing(columns)})"


def decide(con: duckdb.DuckDBPyConnection, lake: Lake, contract: TableContract, rows: str) -> str:
    """Make `<table>_repeats(file_order, file_row_number)`, the valid rows that are not taken in; returns its name.

    Of several rows with one key the first stands (file order, then line); of items and users the last, because it
    replaces the others. A row that the lake holds already is a repeat too.
    """
    is_catalogue = contract.name in HISTORIES
    repeats = f"{contract.table}_repeats"
    way = "desc" if is_catalogue else "asc"
    valid = f"(select * from {rows} where {c.REASON_CODE} is null)"
    con.execute(
        f"create or replace temp table {repeats} as "
        f"with several as (select {ROW_KEY} from {valid} group by {ROW_KEY} having count(*) > 1), "
        f"placed as (select {FILE_ORDER}, {_PLACE}, row_number() over (partition by {ROW_KEY} "
        f"order by {FILE_ORDER} {way}, {c.LINE_NUMBER} {way}, {_PLACE} {way}) as place "
        f"from {valid} semi join several using ({ROW_KEY})) "
        f"select {FILE_ORDER}, {_PLACE} from placed where place > 1"
    )
    held = _held(lake, contract, valid)
    if held:
        con.execute(
            f"insert into {repeats} select {FILE_ORDER}, {_PLACE} from {valid} as v "
            f"anti join {repeats} as r using ({FILE_ORDER}, {_PLACE}) where {held}"
        )
    return repeats


def write_appended(
    con: duckdb.DuckDBPyConnection, contract: TableContract, rows: str, repeats: str, target: Path
) -> None:
    """Write the accepted rows of events or item_tags, `batch_files` giving each its file's hash and source."""
    given = {
        c.FILE_HASH: f"f.{c.FILE_HASH}",
        c.SOURCE: f"f.{c.SOURCE}",
        c.EVENT_ID: f"v.{ROW_KEY}",
        # The cast of an instant to a date is slow and follows the session's time zone.
        c.EVENT_DATE: f"date '1970-01-01' + (epoch_us({c.OCCURRED_AT}) // 86400000000)::integer",
    }
    columns = ", ".join(
        f"{given.get(column.name, f'v.{quoted(column.name)}')} as {quoted(column.name)}" for column in contract.columns
    )
    _copy(
        con, f"select {columns} from {accepted(rows, repeats)} as v join batch_files as f using ({FILE_ORDER})", target
    )


def write_catalogue(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    contract: TableContract,
    rows: str,
    repeats: str,
    *,
    folder: Path,
    now: datetime,
) -> None:
    """Write the current rows and the versions of items or users, with this batch's accepted rows put in force."""
    history = HISTORIES[contract.name]
    columns = ", ".join(quoted(column.name) for column in contract.columns)
    key = contract.grain[0]
    con.execute(f"create or replace temp view taken_in as select {columns} from {accepted(rows, repeats)}")
    current = f"(select {columns} from {lake_rows(lake, contract)} anti join taken_in using ({key}))"
    _copy(
        con, f"select * from (from {current} union all by name from taken_in) order by {key}",
        folder / f"{contract.table}.parquet",
    )  # fmt: skip
    instant = instant_literal(now)
    _copy(
        con,
        f"with versions as (select h.* replace (case when h.{c.VALID_TO} is null and t.{key} is not null "
        f"then {instant} else h.{c.VALID_TO} end as {c.VALID_TO}) from {lake_rows(lake, history)} as h "
        f"left join (select {key} from taken_in) as t using ({key}) "
        f"union all by name select *, {instant} as {c.VALID_FROM}, null::timestamptz as {c.VALID_TO} from taken_in) "
        f"select {', '.join(quoted(column.name) for column in history.columns)} from versions "
        f"order by {key}, {c.VALID_FROM}",
        folder / f"{history.table}.parquet",
    )


def accepted(rows: str, repeats: str) -> str:
    """Relation of the rows that are taken in."""
    return (
        f"(select * from (select * from {rows} where {c.REASON_CODE} is null) "
        f"anti join {repeats} using ({FILE_ORDER}, {_PLACE}))"
    )


def lake_rows(lake: Lake, contract: TableContract) -> str:
    """Relation over a table of the lake as it is now, with the contract's columns; empty and typed when absent."""
    files = [Path(file) for file in lake.files(contract.name)] if lake.exists(contract.name) else []
    return f"read_parquet({_list_of(files)}, hive_partitioning = true)" if files else f"({_nothing(contract.columns)})"


def _held(lake: Lake, contract: TableContract, valid: str) -> str:
    """SQL that is true for a row `v` the lake holds already; empty when the lake has none of the table."""
    if not lake.exists(contract.name) or not lake.files(contract.name):
        return ""
    stored = lake_rows(lake, contract)
    if contract.name in HISTORIES:
        same = " and ".join(
            f"v.{quoted(column.name)} is not distinct from h.{quoted(column.name)}" for column in contract.columns
        )
        return f"exists (select 1 from {stored} as h where {same})"
    key = c.EVENT_ID if contract.name == EVENTS.name else row_key(contract, "", {})
    return (
        f"v.{ROW_KEY} in (select stored_key from (select {key} as stored_key from {stored}) "
        f"where stored_key in (select {ROW_KEY} from {valid}))"
    )


def _copy(con: duckdb.DuckDBPyConnection, select: str, target: Path) -> None:
    con.execute(f"copy ({select}) to {text_literal(str(target))} (format parquet)")


def _list_of(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(text_literal(str(path)) for path in paths) + "]"


def _nothing(columns: Sequence[Column]) -> str:
    return (
        "select " + ", ".join(f"null::{column.dtype} as {quoted(column.name)}" for column in columns) + " where false"
    )
