"""The checks at the door: source rows to typed contract rows, each with the code of the first reason against it.

Reading files, counting and duplicates are decided elsewhere.
"""
# ruff: noqa: S608 - identifiers come from the contracts, quoted; values are literals built by text_literal

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ModelError
from recs_platform.contracts.tables import (
    CONSENTS,
    EVENTS,
    IDENTITIES,
    ITEM_TAGS,
    ITEMS,
    USERS,
    Column,
    EventType,
    TableContract,
)
from recs_platform.stages.events.reading import typed_value
from recs_platform.warehouse.clauses import instant_literal, quoted, text_literal

ROW_KEY = "row_key"
FILE_ORDER = "file_order"

# What the platform knows better than any source.
PLATFORM_COLUMNS = (c.FILE_HASH, c.EVENT_DATE, c.SOURCE)

_LATEST = timedelta(days=1)
_EARLIEST = "timestamptz '1990-01-01 00:00:00+00'"
_SEPARATOR, _MISSING = "chr(31)", "chr(30)"


@dataclass(frozen=True)
class Check:
    """One reason to refuse a row: `fails` is SQL over the typed row and its source values `s`."""

    code: str
    fails: str
    reason: str


def staged_columns(contract: TableContract) -> tuple[Column, ...]:
    """Columns a staged row carries; the event's identity is its row key, what the platform adds comes on acceptance."""
    return tuple(column for column in contract.columns if column.name not in (*PLATFORM_COLUMNS, c.EVENT_ID))


def staging_select(
    contract: TableContract, sql: str, yields: Mapping[str, str], *, source: str, file_order: int, now: datetime
) -> str:
    """Select of one file's rows for `contract`: file_order, line_number, reason_code, row_key, then staged_columns.

    `sql` is the source's select over `raw_records`, `yields` its columns with their DuckDB types. A row with a NULL
    reason_code is valid. `row_key` identifies the row: for events the event_id, or the md5 of the source's name and
    every column the source gives; else the table's key columns.
    """
    yields_known(contract, yields)
    columns = [column for column in contract.columns if column.name not in PLATFORM_COLUMNS]
    typed = ", ".join(f"{_typed(column, yields)} as {quoted(column.name)}" for column in columns)
    misfits = " ".join(
        f"when {_given(column.name, yields)} is not null and {_typed(column, yields)} is null then 'bad_{column.name}'"
        for column in columns
        if column.name in yields
    )
    faults = " ".join(f"when {check.fails} then {text_literal(check.code)}" for check in _checks(contract, now))
    carried = ", ".join(
        f"coalesce({c.INGESTED_AT}, {instant_literal(now)}) as {c.INGESTED_AT}"
        if column.name == c.INGESTED_AT
        else quoted(column.name)
        for column in staged_columns(contract)
    )
    return (
        f"with yielded as (\n{sql}\n), typed as (select s.{c.LINE_NUMBER}, {typed}, "
        f"case {misfits} end as misfit from yielded as s) "
        f"select {file_order}::integer as {FILE_ORDER}, {c.LINE_NUMBER}::bigint as {c.LINE_NUMBER}, "
        f"case when misfit is not null then misfit {faults} end as {c.REASON_CODE}, "
        f"{row_key(contract, source, yields)} as {ROW_KEY}, {carried} from typed"
    )


def yields_known(contract: TableContract, yields: Mapping[str, str]) -> None:
    """Raise ModelError unless the source SQL gives line_number and contract columns, nothing else."""
    given = {column.name for column in contract.columns} - set(PLATFORM_COLUMNS)
    strangers = sorted(set(yields) - given - {c.LINE_NUMBER})
    if strangers or c.LINE_NUMBER not in yields:
        raise ModelError(
            f"must give line_number and columns of {contract.name} only; wrong: {strangers or 'no line_number'}"
        )


def row_key(contract: TableContract, source: str, yields: Mapping[str, str]) -> str:
    """SQL of the text that identifies a row of the table."""
    if contract.name == EVENTS.name:
        content = [
            column
            for column in contract.columns
            if column.name in yields and column.name not in (c.EVENT_ID, c.INGESTED_AT)
        ]
        parts = ", ".join(_as_text(column) for column in content)
        return f"coalesce({c.EVENT_ID}, md5(concat_ws({_SEPARATOR}, {text_literal(source)}, {parts})))"
    keys = [column for column in contract.columns if column.name in contract.grain]
    return _as_text(keys[0]) if len(keys) == 1 else f"concat_ws({_SEPARATOR}, {', '.join(map(_as_text, keys))})"


def reason_case(contract: TableContract, now: datetime) -> str:
    """SQL that turns `reason_code` into a sentence."""
    branches = [
        f"when {text_literal(check.code)} then {text_literal(check.reason)}" for check in _checks(contract, now)
    ]
    branches += [
        f"when 'bad_{column.name}' then {text_literal(f'{column.name} is not of type {column.dtype}')}"
        for column in contract.columns
        if column.name != c.OCCURRED_AT
    ]
    return f"case {c.REASON_CODE} {' '.join(branches)} end"


def _typed(column: Column, yields: Mapping[str, str]) -> str:
    """A value in its contract's type; an empty text is no value, a list may come as JSON or separated by |."""
    if column.name not in yields:
        return f"null::{column.dtype}"
    physical, given = yields[column.name], _given(column.name, yields)
    if physical == column.dtype:
        return given
    if physical == "VARCHAR" and column.dtype.endswith("[]"):
        return (
            f"case when starts_with(trim({given}), '[') then {typed_value(given, physical, column.dtype)} "
            f"else string_split({given}, '|') end"
        )
    return typed_value(given, physical, column.dtype)


def _given(name: str, yields: Mapping[str, str]) -> str:
    value = f"s.{quoted(name)}"
    return f"nullif({value}, '')" if yields[name] == "VARCHAR" else value


def _as_text(column: Column) -> str:
    value = f"epoch_us({quoted(column.name)})" if column.dtype == "TIMESTAMPTZ" else quoted(column.name)
    text = value if column.dtype == "VARCHAR" else f"{value}::varchar"
    return text if column.required else f"coalesce({text}, {_MISSING})"


def _checks(contract: TableContract, now: datetime) -> list[Check]:
    supplied = (*PLATFORM_COLUMNS, c.EVENT_ID, c.INGESTED_AT)
    checks = [
        Check(f"missing_{column.name}", f"{quoted(column.name)} is null", f"{column.name} is missing")
        for column in contract.columns
        if column.required and column.name not in supplied
    ]
    checks += _CHECKS_OF[contract.name](now)
    checks += [
        Check(
            f"out_of_range_{column.name}", f"not isfinite({quoted(column.name)})", f"{column.name} is no finite number"
        )
        for column in contract.columns
        if column.dtype == "DOUBLE" and f"out_of_range_{column.name}" not in {check.code for check in checks}
    ]
    return checks


def _event_checks(now: datetime) -> list[Check]:
    known = ", ".join(text_literal(kind) for kind in EventType)
    latest = instant_literal(now + _LATEST)
    return [
        Check(
            "unknown_event_type", f"{c.EVENT_TYPE} not in ({known})", f"event_type is none of {', '.join(EventType)}"
        ),
        Check(
            f"bad_{c.OCCURRED_AT}",
            f"{c.OCCURRED_AT} not between {_EARLIEST} and {latest}",
            f"occurred_at is no instant between 1990 and {now + _LATEST:%Y-%m-%d %H:%M} UTC, a day after ingestion",
        ),
        _out_of_range(c.INGESTED_AT, f"{c.INGESTED_AT} > {instant_literal(now)}", "in the past"),
        _out_of_range(c.DWELL_SECONDS, f"not ({c.DWELL_SECONDS} >= 0 and isfinite({c.DWELL_SECONDS}))", "0 or more"),
        _out_of_range(c.SCROLL_FRACTION, f"not {c.SCROLL_FRACTION} between 0 and 1", "between 0 and 1"),
        _out_of_range(c.POSITION, f"{c.POSITION} < 1", "1 or more"),
        _out_of_range(c.PROPENSITY, f"not ({c.PROPENSITY} > 0 and {c.PROPENSITY} <= 1)", "above 0 and at most 1"),
    ]


def _catalogue_checks(_now: datetime) -> list[Check]:
    return [Check(f"bad_{c.ATTRIBUTES}", f"not json_valid({c.ATTRIBUTES})", "attributes is not JSON")]


def _tag_checks(now: datetime) -> list[Check]:
    return [_out_of_range(c.INGESTED_AT, f"{c.INGESTED_AT} > {instant_literal(now)}", "in the past")]


def _out_of_range(name: str, fails: str, range_: str) -> Check:
    return Check(f"out_of_range_{name}", fails, f"{name} must be {range_}")


_CHECKS_OF = {
    EVENTS.name: _event_checks,
    ITEMS.name: _catalogue_checks,
    USERS.name: _catalogue_checks,
    ITEM_TAGS.name: _tag_checks,
    IDENTITIES.name: _tag_checks,
    CONSENTS.name: _tag_checks,
}
