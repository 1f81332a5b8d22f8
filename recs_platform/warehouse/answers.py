"""Rows of a query as values that lose nothing: numbers, truth values, text, lists, dictionaries. `query` asks for them.

What Python or Arrow would cut (intervals to days, nanoseconds, years before 1, big integers) leaves DuckDB as text, at
any depth, and becomes a number again where it is one.
"""
# DuckDB's types and pyarrow have no types of their own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from recs_platform.warehouse.clauses import quoted

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType

_AS_THEY_ARE = {
    "boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint", "double",
}  # fmt: skip
# The shortest text of a FLOAT is what was written; widened to a DOUBLE it has digits that nobody wrote.
_NUMBERS: dict[str, Callable[[str], object]] = {
    "hugeint": int,
    "uhugeint": int,
    "bignum": Decimal,
    "decimal": Decimal,
    "float": float,
}
_ZONED = {"timestamp with time zone"}


@dataclass(frozen=True)
class Answer:
    """`columns` are unique names; each row has a value for each."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def read_answer(relation: "duckdb.DuckDBPyRelation") -> Answer:
    """All rows of a relation, in its order. A name that comes twice gets a number: `a`, `a_1`."""
    types, names = relation.types, unique_names(relation.columns)
    # By position: a name may come twice, or be anything.
    casts = [f"cast(#{place} as {_plain(dtype)}) as c{place}" for place, dtype in enumerate(types, start=1)]
    table = relation.project(", ".join(casts)).to_arrow_table()
    columns = [
        [_value(value, dtype) for value in column.to_pylist()]
        for column, dtype in zip(table.columns, types, strict=True)
    ]
    return Answer(tuple(names), list(zip(*columns, strict=True)))


def unique_names(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that came before.

    >>> unique_names(["a", "a", "a_1", "a"])
    ['a', 'a_2', 'a_1', 'a_3']
    """
    taken, unique = set(names), list[str]()
    for name in names:
        numbered = (f"{name}_{number}" for number in count(1))
        unique.append(next(each for each in numbered if each not in taken) if name in unique else name)
        taken.add(unique[-1])
    return unique


def _plain(dtype: "DuckDBPyType") -> str:
    """The type of the same shape whose leaves Arrow hands over whole."""
    if dtype.id in _AS_THEY_ARE:
        return str(dtype)
    if not _is_nested(dtype):
        return "varchar"
    parts = [(quoted(name), _plain(child)) for name, child in _members(dtype)]
    if dtype.id in {"list", "array"}:
        return f"{parts[0][1]}[]"
    if dtype.id == "map":
        return f"map({parts[0][1]}, {parts[1][1]})"
    return f"{dtype.id}({', '.join(f'{name} {child}' for name, child in parts)})"


def _is_nested(dtype: "DuckDBPyType") -> bool:
    """Lists, structs, maps and unions; a struct without names has no type that could be written, and is text."""
    return dtype.id in {"list", "array", "map", "struct", "union"} and all(name for name, _ in _members(dtype))


def _members(dtype: "DuckDBPyType") -> list[tuple[str, "DuckDBPyType"]]:
    """Name and type of each part; a union's first part is its tag, an array's last its length."""
    parts = cast("list[tuple[str, DuckDBPyType]]", dtype.children)
    return parts[1:] if dtype.id == "union" else parts[:1] if dtype.id in {"list", "array"} else parts


def _value(value: Any, dtype: "DuckDBPyType") -> Any:  # noqa: ANN401  whatever a query gives
    """What Arrow gave for a plain type, as a value of the type itself."""
    if value is None or dtype.id in _AS_THEY_ARE:
        return value
    if not _is_nested(dtype):
        return _NUMBERS[dtype.id](value) if dtype.id in _NUMBERS else _instant(value, dtype)
    members = dict(_members(dtype))
    if dtype.id in {"list", "array"}:
        return [_value(element, members["child"]) for element in value]
    if dtype.id == "map":
        return {_key(_value(key, members["key"])): _value(element, members["value"]) for key, element in value}
    if dtype.id == "union":
        return value
    return {name: _value(value[name], member) for name, member in members.items()}


def _key(value: Any) -> Any:  # noqa: ANN401
    """Keys of a map may be anything; a dictionary wants what does not change."""
    if isinstance(value, list):
        return tuple(_key(element) for element in value)
    return tuple((name, _key(element)) for name, element in value.items()) if isinstance(value, dict) else value


def _instant(value: str, dtype: "DuckDBPyType") -> str:
    """An instant with its zone in full: DuckDB writes `+00`."""
    return f"{value}:00" if dtype.id in _ZONED and value[-3:-2] in {"+", "-"} else value
