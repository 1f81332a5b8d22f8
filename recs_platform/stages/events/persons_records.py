"""Which records of a landed file are one person's, told by the source's own SQL. `landing_removal` removes them."""
# ruff: noqa: S608 - identifiers come from the contracts, quoted; values are literals built by text_literal

from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import TableContract
from recs_platform.stages.events.failed_records import FAILING, set_failing_aside
from recs_platform.stages.events.forgotten import IS_FORGOTTEN
from recs_platform.stages.events.landing import PendingFile
from recs_platform.stages.events.people import Person
from recs_platform.stages.events.pseudonyms import pseudonym_sql
from recs_platform.stages.events.records import RAW, UNPARSED, show_records, types_of
from recs_platform.stages.events.sources import SOURCE_TABLES
from recs_platform.stages.events.staging import Staging
from recs_platform.stages.events.validation import checked_select
from recs_platform.stages.events.values import PERSON_IDS
from recs_platform.warehouse.clauses import quoted


@dataclass(frozen=True)
class Search:
    """Whose records are looked for."""

    person: Person
    with_tombstones: bool

    def condition(self, contract: TableContract, stored: Callable[[str], str]) -> str | None:
        """SQL condition of their rows, None where the table names nobody."""
        theirs = self.person.rows_sql(contract.column_names, stored)
        if theirs is None or not self.with_tombstones:
            return theirs
        names = [name for name in PERSON_IDS if name in contract.column_names]
        return " or ".join([theirs, *(f"{IS_FORGOTTEN}({quoted(name)})" for name in names)])


def lines_of(staging: Staging, file: PendingFile, search: Search) -> tuple[set[int], set[int]]:
    """Lines that give rows of the person, and lines of which nothing is known: unread, or no row of any table."""
    con, theirs = staging.con, set[int]()
    unread, silent = _numbers(con, f"select {c.LINE_NUMBER} from {UNPARSED}"), list[set[int]]()
    for table in file.kind.tables:
        contract, sql = SOURCE_TABLES[table], staging.sources[file.source].sql[table]
        show_records(con)
        condition = search.condition(contract, _as_stored(staging)) or "false"
        try:
            theirs |= _theirs(staging, table, sql, condition)
        except duckdb.Error:
            set_failing_aside(con, checked_select(contract, sql, types_of(con, f"({sql}\n)"), staging.now))
            unread |= _numbers(con, f"select {c.LINE_NUMBER} from {FAILING}")
            theirs |= _theirs(staging, table, sql, condition)
        silent.append(_silent(staging, table, sql))
    of_no_table = set[int].intersection(*silent) if silent else set[int]()
    return theirs, unread | of_no_table


def _silent(staging: Staging, table: str, sql: str) -> set[int]:
    """Lines that give no row of the table."""
    yields = types_of(staging.con, f"({sql}\n)")
    checked = checked_select(SOURCE_TABLES[table], sql, yields, staging.now)
    told = f"select {c.LINE_NUMBER} from ({checked}) where {c.LINE_NUMBER} is not null"
    return _numbers(staging.con, f"select {c.LINE_NUMBER} from {RAW} where {c.LINE_NUMBER} not in ({told})")


def _theirs(staging: Staging, table: str, sql: str, condition: str) -> set[int]:
    yields = types_of(staging.con, f"({sql}\n)")
    checked = checked_select(SOURCE_TABLES[table], sql, yields, staging.now)
    return _numbers(staging.con, f"select distinct {c.LINE_NUMBER} from ({checked}) where {condition}")


def _as_stored(staging: Staging) -> Callable[[str], str]:
    return quoted if staging.privacy.key is None else lambda name: pseudonym_sql(quoted(name))


def _numbers(con: duckdb.DuckDBPyConnection, query: str) -> set[int]:
    return {int(row[0]) for row in con.execute(query).fetchall() if row[0] is not None}
