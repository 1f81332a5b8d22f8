"""One value of a source's row in the type of its contract column. Nothing is rounded or cut: what does not fit is NULL.

Which rows are rejected for it is decided in `validation`; what texts mean in `macros`.
"""

from dataclasses import dataclass

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import Column
from recs_platform.contracts.texts import SCIENTIFIC_PATTERN
from recs_platform.warehouse.clauses import quoted

PERSON_IDS = (c.USER_ID, c.ANONYMOUS_ID)
# Compared without case wherever they are written.
CODES = (c.EVENT_TYPE, c.PURPOSE)
KEYS = (*PERSON_IDS, c.ITEM_ID)
_OPTIONAL_IDS = (c.EVENT_ID, c.SESSION_ID, c.REQUEST_ID)
IDS = (*KEYS, *_OPTIONAL_IDS)

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
            "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip
_FRACTIONS = ("FLOAT", "DOUBLE", "DECIMAL")
_INSTANTS = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE")
# Doubles hold every whole number below it.
_EXACT_BELOW = 2**53
_PLAIN_ID = "[A-Za-z_][A-Za-z0-9_-]*|[0-9]+"


@dataclass(frozen=True)
class Value:
    """SQL of a value as it came, over a source's row `s`, NULL where there is none; typed, over the given row `g`."""

    given: str
    typed: str


def contract_value(column: Column, physical: str) -> Value:
    """The value of a contract column that a source gives as DuckDB type `physical`.

    Blanks around texts are left out, and empty texts are no value; so is, for the ids that an event need not have, what
    programmes write where they have none. A number is an id when it is whole; a list, a struct, a truth value or
    a number in scientific notation is none.
    """
    given, kind = _given(column, physical), physical.partition("(")[0].upper()
    if physical.endswith("]") or kind in ("STRUCT", "MAP"):
        kind = "LIST" if physical.endswith("]") else "STRUCT"
    return Value(given, f"({_typed(column, kind, f'g.{quoted(column.name)}')})::{column.dtype}")


def whole_number(value: str, dtype: str) -> str:
    """SQL of a text or number as a whole one, NULL when it has a fraction or does not fit.

    >>> whole_number("x", "INTEGER")
    'case when try_cast(x as double) = trunc(try_cast(x as double)) then try_cast(try_cast(x as double) as INTEGER) end'
    """
    number = f"try_cast({value} as double)"
    return f"case when {number} = trunc({number}) then try_cast({number} as {dtype}) end"


def _given(column: Column, physical: str) -> str:
    value = f"s.{quoted(column.name)}"
    text = "present" if column.name in _OPTIONAL_IDS else "bare"
    match physical:
        case "VARCHAR":
            value = f"{text}({value})"
        case "JSON":
            value = f"{text}({value} ->> '$')"
        case "BLOB":
            value = f"{text}(try(decode({value})))"
        case "FLOAT" | "DOUBLE" if column.name in IDS:
            value = f"case when not isnan({value}) then {value} end"
        case _:
            pass
    return value


def _typed(column: Column, kind: str, given: str) -> str:
    is_text = kind in ("VARCHAR", "JSON", "BLOB")
    if column.name in IDS:
        return _id(kind, given)
    typed = {
        "TIMESTAMPTZ": f"instant_of_column({given})" if is_text else _instant(kind, given),
        "BOOLEAN": f"truth({given})" if is_text else _truth(kind, given),
        "VARCHAR[]": _texts(kind, given),
        "VARCHAR": given if is_text else _text(kind, given),
        "INTEGER": whole_number(given, column.dtype) if is_text or kind in _NUMBERS else "null",
        "DOUBLE": f"try_cast({given} as double)" if is_text or kind in _NUMBERS else "null",
    }[column.dtype]
    # Whichever way of spelling it follows.
    return f"replace(lower({typed}), 'isation', 'ization')" if column.name in CODES else typed


def _id(kind: str, given: str) -> str:
    if kind in ("BOOLEAN", "LIST", "STRUCT"):
        return "null"
    if kind in _FRACTIONS:
        return f"case when abs({given}) < {_EXACT_BELOW} and {given} = trunc({given}) then {given}::bigint::varchar end"
    if kind not in ("VARCHAR", "JSON", "BLOB"):
        return f"{given}::varchar"
    return (
        f"case when regexp_full_match({given}, '{_PLAIN_ID}') then {given} "
        f"when regexp_full_match({given}, '-?[0-9]+[.]0+') then split_part({given}, '.', 1) "
        f"when regexp_full_match({given}, '{SCIENTIFIC_PATTERN}') then null "
        f"when {given}[1] in ('[', '{{') and json_valid({given}) then null else {given} end"
    )


def _instant(kind: str, given: str) -> str:
    # An instant without a zone is UTC; a cast would ask the session.
    if kind not in _INSTANTS:
        return "null"
    instant = given if kind == "TIMESTAMP WITH TIME ZONE" else f"{given}::timestamp"
    return f"case when isfinite({given}) then instant_within(epoch_us({instant})) end"


def _truth(kind: str, given: str) -> str:
    if kind == "BOOLEAN":
        return given
    return f"case {given} when 1 then true when 0 then false end" if kind in _NUMBERS else "null"


def _text(kind: str, given: str) -> str:
    if kind in ("LIST", "STRUCT"):
        return f"to_json({given})::varchar"
    if kind in _FRACTIONS:
        return f"coalesce({_id(kind, given)}, {given}::varchar)"
    return f"{given}::varchar"


def _texts(kind: str, given: str) -> str:
    """A list, or a text that is a JSON list or separated by |; without blanks and without what is empty."""
    if kind == "LIST":
        listed = f"{given}::varchar[]"
    elif kind in ("VARCHAR", "JSON", "BLOB"):
        listed = (
            f"case when starts_with({given}, '[') then try_cast(try_cast({given} as json) as varchar[]) "
            f"else string_split({given}, '|') end"
        )
    else:
        return "null"
    return f"list_filter(list_transform({listed}, lambda part: bare(part)), lambda part: part is not null)"
