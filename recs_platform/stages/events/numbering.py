"""True line numbers for records that a reader hands over in order but without saying where they stood.

Which lines are blank, rejected or continued is counted in `record_counts`.
"""
# ruff: noqa: S608 - relations and columns are named by this package; the numbers are parameters

from collections.abc import Iterable

import duckdb

from recs_platform.contracts import columns as c

RECORD = "record_number"


def number_lines(con: duckdb.DuckDBPyConnection, relation: str, gaps: Iterable[int], continued: Iterable[int]) -> str:
    """A select over `relation` with `line_number` BIGINT in the place of its `record_number` (BIGINT from 1).

    The n-th record stands at the n-th place that is not among `gaps` (header, blank and rejected records); a place
    becomes a line by adding the lines in `continued`, which belong to the record before them. Unless the gaps are a
    run at the start, it needs a temporary table, and rows come in no order.
    """
    placed = _put_gaps_back(con, relation, sorted(gaps), "gaps", RECORD)
    return _put_gaps_back(con, f"({placed})", sorted(continued), "continued_lines", c.LINE_NUMBER)


def keeps_order(gaps: Iterable[int], continued: Iterable[int]) -> bool:
    """Whether numbering leaves the rows in their order.

    >>> keeps_order([1, 2], []), keeps_order([1, 5], []), keeps_order([1], [3])
    (True, False, False)
    """
    return _is_run(sorted(gaps)) and _is_run(sorted(continued))


def _is_run(gaps: list[int]) -> bool:
    """Whether the numbers are 1, 2, 3 … without a hole."""
    return gaps == list(range(1, len(gaps) + 1))


def _put_gaps_back(con: duckdb.DuckDBPyConnection, relation: str, gaps: list[int], table: str, name: str) -> str:
    if _is_run(gaps):
        return f"select {RECORD} + {len(gaps)} as {name}, * exclude ({RECORD}) from {relation}"
    con.execute(f"drop table if exists {table}")
    con.execute(
        f"create temp table {table} as with numbered as ("
        "select gap, row_number() over (order by gap) as place from (select unnest($1::bigint[]) as gap)) "
        "select gap - place as records_before, max(place) as gaps_before from numbered group by records_before",
        [gaps],
    )
    return (
        f"select r.{RECORD} + coalesce(g.gaps_before, 0) as {name}, r.* exclude ({RECORD}) from {relation} as r "
        f"asof left join {table} as g on r.{RECORD} > g.records_before"
    )
