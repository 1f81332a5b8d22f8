"""What is new among valid rows: repeats within a batch and rows the lake holds already, and the tables that follow.

Rows arrive here as they are stored; what they are counted as is written down in `ledger`.
"""
# ruff: noqa: S608 - identifiers come from the contracts, quoted; values are literals built by text_literal

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import ITEM_HISTORY, ITEMS, USER_HISTORY, USERS, Column, TableContract
from recs_platform.lake.tables import Lake
from recs_platform.stages.events.records import numbers_of
from recs_platform.stages.events.staging import StagedFile
from recs_platform.stages.events.validation import row_key
from recs_platform.warehouse.clauses import instant_literal, quoted, text_literal

HISTORIES = {ITEMS.name: ITEM_HISTORY, USERS.name: USER_HISTORY}
# Staged files of so many rows without a repeat become files of the lake as they are; smaller ones are written together.
PART_ROWS_MIN = 200_000

_ORDER, _PLACE, _KEY = "file_order", "file_row_number", "row_key"


def find_repeats(
    con: duckdb.DuckDBPyConnection, contract: TableContract, files: Sequence[StagedFile], held: str
) -> dict[int, int]:
    """Make `<table>_repeats(file_order, file_row_number)`, the staged rows that are not ingested; counts by file.

    Of several rows with one key the first stands (file order, then line); of items and users the last, because it
    replaces the others. A row of the relation `held` is a repeat too: of events and the like one with its key, of
    items and users one that is the same in every column.
    """
    repeats, rows = repeats_of(contract), _staged(contract, files)
    way = "desc" if contract.name in HISTORIES else "asc"
    con.execute(f"create or replace temp table {repeats} ({_ORDER} integer, {_PLACE} bigint)")
    if not files:
        return {}
    keyed = f"(select {_ORDER}, {_PLACE}, {row_key(contract)} as {_KEY} from {rows})"
    # Eight bytes a key are compared first: where no two are alike, which is usual, no two keys are.
    con.execute(
        f"create or replace temp table alike as select hash({_KEY}) as key_hash from {keyed} "
        f"group by key_hash having count(*) > 1"
    )
    if numbers_of(con, "select count(*) from alike")[0]:
        con.execute(
            f"insert into {repeats} select {_ORDER}, {_PLACE} from (select * from {keyed} "
            f"where hash({_KEY}) in (select key_hash from alike)) qualify row_number() over "
            f"(partition by {_KEY} order by {_ORDER} {way}, {_PLACE} {way}) > 1"
        )
    if held:
        known = _same_as_held(contract, rows, held) if contract.name in HISTORIES else _key_held(contract, keyed, held)
        con.execute(f"insert into {repeats} {known} except select * from {repeats}")
    counted = con.execute(f"select {_ORDER}, count(*) from {repeats} group by {_ORDER}").fetchall()
    return {int(order): int(rows) for order, rows in counted}


def write_appended(
    con: duckdb.DuckDBPyConnection,
    contract: TableContract,
    files: Sequence[StagedFile],
    repeats: dict[int, int],
    folder: Path,
) -> None:
    """Put the accepted rows of an appended table into the batch: large files moved, the others written together."""
    whole = [file for file in files if file.rows >= PART_ROWS_MIN and file.order not in repeats]
    for file in whole:
        file.path.rename(folder / f"{contract.table}-{file.order}.parquet")
    rest = [file for file in files if file not in whole]
    if rest or not whole:
        _copy(con, f"select * from {accepted(contract, rest)}", folder / f"{contract.table}.parquet")


def write_catalogue(
    con: duckdb.DuckDBPyConnection,
    contract: TableContract,
    files: Sequence[StagedFile],
    current: str,
    versions: str,
    *,
    folder: Path,
    now: datetime,
) -> None:
    """Write the current rows and the versions of items or users, with the accepted rows put in force at `now`.

    `current` and `versions` are relations over the rows before.
    """
    history, key = HISTORIES[contract.name], contract.grain[0]
    columns = ", ".join(quoted(column.name) for column in contract.columns)
    con.execute(f"create or replace temp view taken_in as select {columns} from {accepted(contract, files)}")
    kept = f"(select {columns} from {current} anti join taken_in using ({key}))"
    _copy(
        con, f"select * from (from {kept} union all by name from taken_in) order by {key}",
        folder / f"{contract.table}.parquet",
    )  # fmt: skip
    instant = instant_literal(now)
    _copy(
        con,
        f"with versions as (select h.* replace (case when h.{c.VALID_TO} is null and t.{key} is not null "
        f"then {instant} else h.{c.VALID_TO} end as {c.VALID_TO}) from {versions} as h "
        f"left join (select {key} from taken_in) as t using ({key}) "
        f"union all by name select *, {instant} as {c.VALID_FROM}, null::timestamptz as {c.VALID_TO} from taken_in) "
        f"select {', '.join(quoted(column.name) for column in history.columns)} from versions "
        f"order by {key}, {c.VALID_FROM}",
        folder / f"{history.table}.parquet",
    )


def repeats_of(contract: TableContract) -> str:
    """Name of the table of repeats."""
    return f"{contract.table}_repeats"


def accepted(contract: TableContract, files: Sequence[StagedFile]) -> str:
    """Relation of the rows that are ingested, in the order of files and lines."""
    columns = ", ".join(quoted(column.name) for column in contract.columns)
    rows = f"{_staged(contract, files)} anti join {repeats_of(contract)} using ({_ORDER}, {_PLACE})"
    return f"(select {columns} from {rows})"


def lake_rows(lake: Lake, contract: TableContract) -> str:
    """Relation over a table of the lake as it is now, with the contract's columns; empty and typed when absent."""
    files = [Path(file) for file in lake.files(contract.name)] if lake.exists(contract.name) else []
    return parquet_rows(contract, files)


def parquet_rows(contract: TableContract, files: Sequence[Path]) -> str:
    """Relation over Parquet files of a table, with the contract's columns; empty and typed when there are none."""
    if not files:
        return f"({_nothing(contract.columns)})"
    # A column that older files lack is empty in them.
    declared = f"(select * from ({_nothing(contract.columns)}) union all by name from read_parquet({_list_of(files)}, "
    return f"{declared}union_by_name = true, hive_partitioning = true))"


def _staged(contract: TableContract, files: Sequence[StagedFile]) -> str:
    """Relation over staged rows with each row's file and place in it; empty and typed when no file feeds the table."""
    if not files:
        places = (Column(_ORDER, "INTEGER", ""), Column(_PLACE, "BIGINT", ""))
        return f"({_nothing((*contract.columns, *places))})"
    orders = ", ".join(f"({text_literal(str(file.path))}, {file.order})" for file in files)
    listed = _list_of([file.path for file in files])
    return (
        f"(select r.* exclude (filename), o.{_ORDER} "
        f"from read_parquet({listed}, file_row_number = true, filename = true) as r "
        f"join (values {orders}) as o(filename, {_ORDER}) using (filename))"
    )


def _key_held(contract: TableContract, keyed: str, held: str) -> str:
    return (
        f"select {_ORDER}, {_PLACE} from {keyed} "
        f"where {_KEY} in (select {row_key(contract)} from {held})"
    )  # fmt: skip


def _same_as_held(contract: TableContract, rows: str, held: str) -> str:
    same = " and ".join(
        f"v.{quoted(column.name)} is not distinct from h.{quoted(column.name)}" for column in contract.columns
    )
    return f"select {_ORDER}, {_PLACE} from {rows} as v where exists (select 1 from {held} as h where {same})"


def _copy(con: duckdb.DuckDBPyConnection, select: str, target: Path) -> None:
    con.execute(f"copy ({select}) to {text_literal(str(target))} (format parquet)")


def _list_of(paths: Sequence[Path]) -> str:
    return "[" + ", ".join(text_literal(str(path)) for path in paths) + "]"


def _nothing(columns: Sequence[Column]) -> str:
    return (
        "select " + ", ".join(f"null::{column.dtype} as {quoted(column.name)}" for column in columns) + " where false"
    )
