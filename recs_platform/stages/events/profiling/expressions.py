"""SQL of one contract column, made from the field that gives it and the way its values are written.

Which field that is was told in `mapping`; how a table's SQL is put together is described in `source_files`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EventType
from recs_platform.stages.events.profiling.mapping import event_names, key_of
from recs_platform.stages.events.profiling.samples import Field
from recs_platform.stages.events.profiling.values import (
    Reading,
    as_instant,
    numbers_of,
    read_list,
    read_number,
    read_truth,
)
from recs_platform.stages.events.sources import SOURCE_TABLES
from recs_platform.warehouse.clauses import quoted, text_literal

_IDS = (c.USER_ID, c.ITEM_ID, c.SESSION_ID, c.REQUEST_ID, c.EVENT_ID, c.ANONYMOUS_ID)
_WHOLE_DOUBLE = re.compile(r"-?\d+\.0")
_CLOCK_SECONDS = re.compile(r"(\d{1,2}:)?\d{1,2}:\d{2}")
_DTYPES = {
    (table, column.name): column.dtype for table, contract in SOURCE_TABLES.items() for column in contract.columns
}
_NEEDED = frozenset(
    (table, column.name) for table, contract in SOURCE_TABLES.items() for column in contract.columns if column.required
)
_STARS_MAX = 5
_FIRST_YEAR = 1900
_SHOWN = 5


@dataclass(frozen=True)
class Selected:
    """One column of a select: what it is made of, and remarks for the person who reads the SQL."""

    column: str
    sql: str
    fields: tuple[str, ...] = ()
    guess: str = ""


def select_column(table: str, column: str, field: Field, zone: str) -> Selected:
    """A contract column from a field."""
    reading = _reading(table, column, field, zone)
    return Selected(column, reading.sql, (field.name,), reading.guess)


def select_instant(column: str, day: Field, clock: Field, zone: str) -> Selected:
    """An instant whose day and time of day are two fields."""
    sql = f"concat_ws(' ', {field_sql(day)}, {field_sql(clock)})"
    both = [f"{date} {time}" for date, time in zip(day.values, clock.values, strict=False)]
    reading = as_instant(sql, [*both, *day.values[:1]], zone)
    return Selected(column, reading.sql, (day.name, clock.name), reading.guess)


def field_sql(field: Field) -> str:
    """SQL of a field as text."""
    if not field.path:
        return quoted(field.column)
    path = "".join(f'."{part}"' for part in field.path)
    return f"({quoted(field.column)} ->> {text_literal(f'${path}')})"


def _reading(table: str, column: str, field: Field, zone: str) -> Reading:
    sql, values, dtype = field_sql(field), field.values, _DTYPES[table, column]
    if column in _IDS:
        return _id(table, column, sql, values)
    if column == c.EVENT_TYPE:
        return _event_type(sql, values)
    if dtype == "TIMESTAMPTZ":
        return as_instant(sql, values, zone)
    if dtype == "BOOLEAN":
        return read_truth(sql, values) or Reading(sql, f"{_some(values)} are no words for yes or no")
    return read_list(sql, values) if dtype == "VARCHAR[]" else _others(column, sql, field, dtype)


def _others(column: str, sql: str, field: Field, dtype: str) -> Reading:
    values = field.values
    if column in {c.AGE_BAND, c.DWELL_SECONDS}:
        return _age_band(sql, values) if column == c.AGE_BAND else _seconds(sql, field)
    if column == c.SCROLL_FRACTION:
        return _fraction(sql, values)
    if column == c.VALUE and _is_rating(field):
        return _stars(sql, values)
    if column == c.POSITION and 0.0 in numbers_of(values):
        # A cast would round 1.5.
        place = f"case when regexp_full_match(trim({sql}), '-?[0-9]+([.]0+)?') then try_cast({sql} as integer) + 1 end"
        return Reading(f"coalesce(({place})::varchar, {sql})", "places count from 0")
    if dtype in {"DOUBLE", "INTEGER"}:
        is_cents = "cent" in key_of(field.name)
        return read_number(sql, values, factor=0.01 if is_cents else 1.0, guess="in cents" if is_cents else "")
    return Reading(sql)


def _id(table: str, column: str, sql: str, values: Sequence[str]) -> Reading:
    """An id that a row needs goes on as it came: ingestion rejects a word for no id by its name, and not as missing."""
    text, guess = sql, ""
    if values and all(_WHOLE_DOUBLE.fullmatch(value) for value in values):
        text, guess = f"regexp_replace({sql}, '\\.0$', '')", "whole numbers came with .0"
    return Reading(f"{'bare' if (table, column) in _NEEDED else id_macro(column)}({text})", guess)


def id_macro(column: str) -> str:
    """The macro that makes NULL of what stands for no id."""
    return "person" if column in {c.USER_ID, c.ANONYMOUS_ID} else "present"


def _event_type(sql: str, values: Sequence[str]) -> Reading:
    """The names that are known are renamed; the others go on, to be rejected by name."""
    known = event_names(values)
    unknown = sorted({value.strip() for value in values if value.strip().lower() not in known})
    taken = [f"{name!r} is taken for {event_type}" for name, event_type in known.items() if name != event_type]
    rejected = [f"no event type is known for {_some(unknown)}, which will be rejected"] if unknown else []
    guess = "; ".join([*taken, *rejected])
    if not known or (all(name == event_type for name, event_type in known.items()) and set(values) <= set(EventType)):
        return Reading(sql, guess)
    branches = "\n".join(
        f"        when {text_literal(name)} then {text_literal(event_type)}" for name, event_type in known.items()
    )
    return Reading(f"case lower(trim({sql}))\n{branches}\n        else {sql}\n    end", guess)


def _age_band(sql: str, values: Sequence[str]) -> Reading:
    if not values or len(numbers_of(values)) < len(values):
        return Reading(sql)
    years = f"try_cast(floor(try_cast({sql} as double)) as integer)"
    if min(numbers_of(values)) > _FIRST_YEAR:
        return Reading(sql, "these look like years of birth, not ages: make bands of them")
    return Reading(f"coalesce({years} // 10 * 10 || '-' || ({years} // 10 * 10 + 9), {sql})", "bands of ten years")


def _seconds(sql: str, field: Field) -> Reading:
    key = key_of(field.name)
    if any(_CLOCK_SECONDS.fullmatch(value) for value in field.values):
        clock = f"case when length({sql}) - length(replace({sql}, ':', '')) = 1 then '0:' || {sql} else {sql} end"
        return Reading(f"coalesce(epoch(try_cast({clock} as interval))::varchar, {sql})", "written as minutes:seconds")
    for ending, factor, unit in (
        ("ms", 0.001, "milliseconds"),
        ("millis", 0.001, "milliseconds"),
        ("min", 60, "minutes"),
    ):
        if key.endswith(ending) or key.startswith(ending) or unit in key:
            return read_number(sql, field.values, factor=factor, guess=f"in {unit}, by the column's name")
    return read_number(sql, field.values)


def _fraction(sql: str, values: Sequence[str]) -> Reading:
    is_percent = any("%" in value for value in values) or max(numbers_of(values), default=0) > 1
    if not is_percent:
        return read_number(sql, values)
    return read_number(sql, values, factor=0.01, guess="in percent")


def _is_rating(field: Field) -> bool:
    numbers, key = numbers_of(field.values), key_of(field.name)
    return bool(numbers) and any(word in key for word in ("rating", "stars", "score", "overall", "bewertung", "sterne"))


def _stars(sql: str, values: Sequence[str]) -> Reading:
    most = max(numbers_of(values))
    scale = next((scale for scale in (_STARS_MAX, 10, 100) if most <= scale), None)
    if scale is None or scale == _STARS_MAX:
        return read_number(sql, values)
    return read_number(
        sql, values, factor=_STARS_MAX / scale, guess=f"ratings look like a scale to {scale}, turned into five stars"
    )


def _some(values: Sequence[str]) -> str:
    shown = ", ".join(repr(value) for value in list(dict.fromkeys(values))[:_SHOWN])
    return shown if len(set(values)) <= _SHOWN else f"{shown} …"
