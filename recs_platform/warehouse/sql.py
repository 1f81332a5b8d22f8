"""What sqlglot reads from one SQL text: its placeholders, upstream tables and output columns.

`$name` of a setting becomes its value when the text is read, `$as_of` and `$known_at` become instants when it is run.

Files, ymls and the order of models belong to `models`; text that Python writes to `clauses`; running to `runner`.
"""
# sqlglot types its expressions loosely.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from recs_platform.contracts.errors import ModelError
from recs_platform.warehouse.clauses import instant_literal, literal
from recs_platform.warehouse.parameters import Parameter

if TYPE_CHECKING:
    from sqlglot import exp

PLACEHOLDERS = ("as_of", "known_at")

_UNSTABLE_FUNCTIONS = frozenset(
    {
        "now", "today", "current_date", "current_time", "current_timestamp", "current_datetime", "localtime",
        "localtimestamp", "current_localtime", "current_localtimestamp", "get_current_time", "get_current_timestamp",
        "transaction_timestamp", "random", "rand", "setseed", "uuid", "gen_random_uuid", "uuidv4", "uuidv7",
        "nextval", "currval", "reservoir_quantile",
    }
)  # fmt: skip
_UNSTABLE_FAMILIES = ("approx", "apply_approx", "hll_")
# Which row they take, or in which order, differs from run to run unless they carry an `order by`.
_ORDER_MATTERS = frozenset(
    {
        "first", "last", "any_value", "anyvalue", "arbitrary", "list", "array_agg", "arrayagg", "string_agg", "listagg",
        "group_concat", "groupconcat", "mode",
    }
)  # fmt: skip
_ORDER_MADE_GOOD = frozenset({"array_sort", "arraysort", "list_sort", "sort_array", "len", "array_length", "arraysize"})
_OUTSIDE_READERS = ("read_", "parquet_scan", "glob", "sniff_csv", "getenv", "query_table")


@dataclass(frozen=True)
class Placeholder:
    """`$name` in a SQL text: characters `start` to `end`, end excluded."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class ParsedSql:
    """One select: names of its final columns in order, tables it reads (`schema.table`, sorted), its placeholders.

    `normalized` is the same for texts that differ in layout, letter case of keywords and comments only.
    """

    output_names: tuple[str, ...]
    tables: tuple[str, ...]
    placeholders: tuple[Placeholder, ...]
    normalized: str


@lru_cache(maxsize=512)
def parse_sql(sql: str) -> ParsedSql:
    """Parse one DuckDB select.

    Raises ModelError (without the file's name) for: no select or more than one statement, a function whose result
    differs between runs, a file reader, a placeholder other than $as_of and $known_at, a table without a schema that
    is no CTE, a star or an unnamed expression in the final select.
    """
    tree = _single_select(sql)
    _refuse_unstable(tree)
    return ParsedSql(
        output_names=_output_names(tree),
        tables=_tables(tree),
        placeholders=find_placeholders(sql),
        normalized=tree.sql("duckdb", comments=False),
    )


def columns_of(condition: str) -> tuple[str, ...]:
    """Names of the columns in a condition on the rows of one table, sorted. Raises ModelError where it is none.

    >>> columns_of("a <= b and c is not null")
    ('a', 'b', 'c')
    """
    from sqlglot import exp

    tree = _single_select(f"select 1 as one from t where ({condition})")  # noqa: S608  parsed, not run
    _refuse_unstable(tree)
    own = {argument.name for function in tree.find_all(exp.Lambda) for argument in function.expressions}
    return tuple(sorted({column.name for column in tree.find_all(exp.Column)} - own))


def find_placeholders(sql: str) -> tuple[Placeholder, ...]:
    """Placeholders in the order of the text; those in strings and comments are none. Raises ModelError for others."""
    found = tuple(_placeholders(sql))
    for placeholder in found:
        if placeholder.name not in PLACEHOLDERS:
            raise ModelError(f"placeholder ${placeholder.name}: only $as_of, $known_at and known settings are bound")
    return found


def set_parameters(sql: str, parameters: Mapping[str, Parameter]) -> str:
    """Put values in the place of the settings that a text names; $as_of, $known_at and unknown names stay.

    >>> set_parameters("select $gap * 60 as gap_seconds, '$gap' as note, $as_of as as_of", {"gap": 30})
    "select 30 * 60 as gap_seconds, '$gap' as note, $as_of as as_of"
    """
    # Most texts name no setting, and to split one into tokens takes as long as to parse it.
    if not any(f"${name}" in sql for name in parameters):
        return sql
    named = [placeholder for placeholder in _placeholders(sql) if placeholder.name in parameters]
    return _replaced(sql, named, lambda name: literal(parameters[name]))


def bind(sql: str, placeholders: Sequence[Placeholder], instants: Mapping[str, datetime]) -> str:
    """Put instant literals in the place of placeholders; every other character stays, less a closing semicolon."""
    return _replaced(sql, placeholders, lambda name: instant_literal(instants[name])).rstrip().rstrip(";")


def _placeholders(sql: str) -> Iterator[Placeholder]:
    from sqlglot import TokenType
    from sqlglot.dialects.duckdb import DuckDB

    tokens = DuckDB().tokenize(sql)
    for position, token in enumerate(tokens):
        if token.token_type == TokenType.PLACEHOLDER:
            raise ModelError("placeholder `?`: only $as_of, $known_at and known settings are bound")
        if token.token_type == TokenType.PARAMETER:
            name = tokens[position + 1]
            yield Placeholder(name.text, token.start, name.end + 1)


def _replaced(sql: str, placeholders: Sequence[Placeholder], text: Callable[[str], str]) -> str:
    pieces: list[str] = []
    done = 0
    for placeholder in placeholders:
        pieces += [sql[done : placeholder.start], text(placeholder.name)]
        done = placeholder.end
    return "".join([*pieces, sql[done:]])


def _single_select(sql: str) -> "exp.Query":
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        statements = [statement for statement in sqlglot.parse(sql, dialect="duckdb") if statement is not None]
    except SqlglotError as error:
        raise ModelError(f"not DuckDB SQL: {str(error).splitlines()[0]}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ModelError("a model is one select")
    return statements[0]


def _refuse_unstable(tree: "exp.Query") -> None:
    from sqlglot import exp

    for function in tree.find_all(exp.Func):
        names = _names(function)
        if names & _UNSTABLE_FUNCTIONS or any(name.startswith(_UNSTABLE_FAMILIES) for name in names):
            raise ModelError(
                f"{function.sql('duckdb')} gives another result in every run; use $as_of, or exact figures"
            )
        if names & _ORDER_MATTERS and not _is_ordered(function):
            raise ModelError(f"{function.sql('duckdb')} gives another result in every run; write an `order by` into it")
        if any(name.startswith(_OUTSIDE_READERS) for name in names):
            raise ModelError(f"{min(names)}() reads outside the warehouse; read a table")
    if tree.find(exp.TableSample):
        raise ModelError("a sample gives another result in every run; choose rows by a hash")
    for select in tree.find_all(exp.Select):
        if select.args.get("limit") and not select.args.get("order"):
            raise ModelError("a limit without `order by` takes other rows in every run")


def _is_ordered(function: "exp.Func") -> bool:
    """Whether an aggregate says in which order it takes its rows, or its order is made good, or does not matter."""
    from sqlglot import exp

    if isinstance(function, exp.Anonymous):
        return any(isinstance(argument, exp.Order) for argument in function.expressions)
    if isinstance(function.this, (exp.Order, exp.Literal)):
        return True
    around = function.parent
    while isinstance(around, (exp.Filter, exp.IgnoreNulls, exp.RespectNulls)):
        around = around.parent
    if isinstance(around, exp.Window):
        return bool(around.args.get("order") or around.args.get("alias"))
    return isinstance(around, exp.Func) and bool(_names(around) & _ORDER_MADE_GOOD)


def _names(function: "exp.Func") -> set[str]:
    """What a function is called, in lower case, in DuckDB or by sqlglot."""
    from sqlglot import exp

    if isinstance(function, exp.Anonymous):
        return {function.name.lower()}
    return {name.lower() for name in function.sql_names()} | {type(function).__name__.lower()}


def _tables(tree: "exp.Query") -> tuple[str, ...]:
    from sqlglot import exp

    steps = {cte.alias for cte in tree.find_all(exp.CTE)}
    found: set[str] = set()
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue  # a table function such as range()
        if table.db and not table.catalog:
            found.add(f"{table.db}.{table.name}")
        elif table.name not in steps:
            raise ModelError(f"table {table.sql('duckdb')} is no CTE; write it as schema.table")
    return tuple(sorted(found))


def _output_names(tree: "exp.Query") -> tuple[str, ...]:
    if tree.is_star:
        raise ModelError("the final select has a star; list its columns")
    names = tuple(str(column.alias_or_name) for column in tree.selects)
    if "" in names:
        raise ModelError(f"column {names.index('') + 1} of the final select has no name; add `as`")
    if len(set(names)) < len(names):
        raise ModelError(f"the final select names {sorted({n for n in names if names.count(n) > 1})} twice")
    return names
