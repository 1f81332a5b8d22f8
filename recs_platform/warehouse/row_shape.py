"""Whether a select gives one row for each row it reads, in their order: then no row need be looked for or sorted."""
# sqlglot types its expressions loosely.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlglot.expressions as exp

_SCALARS = frozenset({"make_timestamptz", "epoch_us", "epoch_ms", "try_strptime", "json_object", "json_extract_string"})


@lru_cache(maxsize=256)
def is_row_by_row(sql: str, relation: str, scalars: frozenset[str] = frozenset()) -> bool:
    """Whether the select provably gives one row for each row of `relation`, in their order, and of nothing else.

    True for selects of columns and scalar expressions over the relation, also through CTEs; when in doubt, False.
    `scalars`: names of macros that are known to be scalar.

    >>> is_row_by_row("with t as (select a + 1 as b from r) select b, upper(b) as c from t", "r")
    True
    >>> is_row_by_row("select a from r where a > 0", "r"), is_row_by_row("select unnest(a) as b from r", "r")
    (False, False)
    """
    import sqlglot
    import sqlglot.expressions as exp

    select = sqlglot.parse_one(sql, dialect="duckdb")
    if not isinstance(select, exp.Select):
        return False
    one_to_one = {relation}
    for cte in select.ctes:
        if isinstance(cte.this, exp.Select) and _is_projection(cte.this, one_to_one, scalars):
            one_to_one.add(cte.alias)
    return _is_projection(select, one_to_one, scalars)


def _is_projection(select: object, sources: set[str], scalars: frozenset[str]) -> bool:
    import sqlglot.expressions as exp

    if not isinstance(select, exp.Select):
        return False
    clauses = (
        "where",
        "joins",
        "group",
        "order",
        "having",
        "qualify",
        "distinct",
        "limit",
        "offset",
        "laterals",
        "sample",
    )
    source = select.args.get("from_") or select.args.get("from")
    table = None if source is None else source.this
    if any(select.args.get(clause) for clause in clauses) or not isinstance(table, exp.Table):
        return False
    return table.name in sources and not any(_may_change_rows(node, scalars) for node in _nodes(select.expressions))


def _nodes(expressions: "Iterable[exp.Expr]") -> "Iterator[exp.Expr]":
    return (node for expression in expressions for node in expression.walk())


def _may_change_rows(node: "exp.Expr", scalars: frozenset[str]) -> bool:
    import sqlglot.expressions as exp

    if isinstance(node, exp.Anonymous):
        # A function that sqlglot does not know may aggregate.
        return node.name.lower() not in _SCALARS | scalars
    return isinstance(node, exp.AggFunc | exp.Window | exp.Explode | exp.Unnest | exp.Subquery)
