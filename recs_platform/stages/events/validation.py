"""The checks of ingestion: source rows to typed contract rows, each with the code of the first reason against it.

Files are read in `reading`, duplicates found in `deduplication`.
"""
# ruff: noqa: S608 - identifiers come from the contracts, quoted; values are literals built by text_literal

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

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
    Range,
    TableContract,
)
from recs_platform.contracts.time import DAY_MICROSECONDS, FIRST_CLOCK
from recs_platform.stages.events.forgotten import FORGOTTEN, FORGOTTEN_REASON, IS_FORGOTTEN
from recs_platform.stages.events.privacy import Privacy, kept_attributes_sql
from recs_platform.stages.events.pseudonyms import pseudonym_sql
from recs_platform.stages.events.values import IDS, KEYS, PERSON_IDS, contract_value
from recs_platform.warehouse.clauses import instant_literal, quoted, text_literal

# What the platform knows better than any source.
PLATFORM_COLUMNS = (c.FILE_HASH, c.EVENT_DATE, c.SOURCE)
ID_CHARACTERS_MAX = 512

_LATEST = timedelta(days=1)
_INSTANT_FORM = "it as 2024-02-29T12:00:00Z or with an offset such as +01:00; names of zones are not read"
_SEPARATOR, _MISSING = "chr(31)", "chr(30)"


@dataclass(frozen=True)
class Check:
    """One reason to refuse a row: `fails` is SQL over the typed row and its source values `s`."""

    code: str
    fails: str
    reason: str


@dataclass(frozen=True)
class Origin:
    """Where rows come from, and when they arrived: what a row cannot say of itself."""

    source: str
    file_hash: str
    now: datetime


def checked_select(contract: TableContract, sql: str, yields: Mapping[str, str], now: datetime) -> str:
    """Select of a file's rows for `contract`: line_number, reason_code, then the columns that a source may give, typed.

    `sql` is the source's select over `raw_records`, `yields` its columns with their DuckDB types. A row with a NULL
    reason_code is valid.
    """
    yields_known(contract, yields)
    columns = [column for column in contract.columns if column.name not in PLATFORM_COLUMNS]
    values = {column.name: contract_value(column, yields[column.name]) for column in columns if column.name in yields}
    given = "".join(f", {value.given} as {quoted(name)}" for name, value in values.items())
    typed = "".join(
        f", {values[column.name].typed if column.name in values else f'null::{column.dtype}'} as {quoted(column.name)}"
        for column in columns
    )
    present = "".join(f", g.{quoted(name)} is not null as {_has(name)}" for name in values)
    # Before all others: a row of somebody who was forgotten is rejected without its payload.
    forgotten = " ".join(f"when {check.fails} then {text_literal(check.code)}" for check in _forgotten(contract))
    misfits = " ".join(f"when {_has(name)} and {quoted(name)} is null then 'bad_{name}'" for name in values)
    faults = " ".join(f"when {check.fails} then {text_literal(check.code)}" for check in _checks(contract, now))
    had = ", ".join([c.LINE_NUMBER, *map(_has, values)])
    # Each value is named once a step: what names another's expression would be computed again for each name.
    return (
        f"with yielded as (\n{sql}\n), given as (select s.{c.LINE_NUMBER}{given} from yielded as s), "
        f"typed as (select g.{c.LINE_NUMBER}{typed}{present} from given as g) "
        f"select {c.LINE_NUMBER}::bigint as {c.LINE_NUMBER}, "
        f"case {forgotten} {misfits} {faults} end as {c.REASON_CODE}, * exclude ({had}) from typed"
    )


def _has(name: str) -> str:
    """The column that says whether a source gave a value."""
    return quoted(f"has_{name}")


@contextmanager
def filters_where_they_stand(con: duckdb.DuckDBPyConnection) -> Generator[None, None, None]:
    """Keep the filter on a row's reason above what the reason is told from, in statements over `checked_select`.

    Pushed down, it would carry the text of every value's expression as often as a check names the value.
    """
    con.execute("set disabled_optimizers = 'filter_pushdown'")
    try:
        yield
    finally:
        con.execute("reset disabled_optimizers")


def accepted_select(
    contract: TableContract,
    checked: str,
    yields: Mapping[str, str],
    origin: Origin,
    privacy: Privacy,
    *,
    is_sorted: bool = False,
) -> str:
    """Select of the valid rows of `checked_select` in the contract's columns, as they are stored.

    Rows come in the order of `checked`, with `is_sorted` in that of their lines and, within a line, of their values.

    An event without an id gets the md5 of the source's name and every column that the source gives. User ids become
    pseudonyms first where `privacy` has a key, and attributes that it does not allow are left out.
    """
    hidden = [column.name for column in contract.columns if column.name in PERSON_IDS and privacy.key is not None]
    replaced = ", ".join(f"{pseudonym_sql(quoted(name))} as {quoted(name)}" for name in hidden)
    given = {
        c.FILE_HASH: text_literal(origin.file_hash),
        c.SOURCE: text_literal(origin.source),
        c.INGESTED_AT: f"coalesce({c.INGESTED_AT}, {instant_literal(origin.now)})",
        # The cast of an instant to a date is slow and follows the session's time zone.
        c.EVENT_DATE: f"date '1970-01-01' + (epoch_us({c.OCCURRED_AT}) // {DAY_MICROSECONDS})::integer",
        c.EVENT_ID: f"coalesce({c.EVENT_ID}, {_content_key(contract, origin.source, yields)})",
        c.ATTRIBUTES: kept_attributes_sql(c.ATTRIBUTES, privacy.allowed_attributes(contract.name)),
    }
    columns = ", ".join(
        f"{given.get(column.name, quoted(column.name))} as {quoted(column.name)}" for column in contract.columns
    )
    return (
        f"select {columns} from (select *{f' replace ({replaced})' if replaced else ''} "
        f"from ({checked}) where {c.REASON_CODE} is null{' order by all' if is_sorted else ''})"
    )


def yields_known(contract: TableContract, yields: Mapping[str, str]) -> None:
    """Raise ModelError unless the source SQL gives line_number and contract columns, nothing else."""
    given = {column.name for column in contract.columns} - set(PLATFORM_COLUMNS)
    strangers = sorted(set(yields) - given - {c.LINE_NUMBER})
    if strangers or c.LINE_NUMBER not in yields:
        raise ModelError(
            f"must give line_number and columns of {contract.name} only; wrong: {strangers or 'no line_number'}"
        )


def row_key(contract: TableContract) -> str:
    """SQL of the text that identifies a stored row of the table: its grain."""
    keys = [column for column in contract.columns if column.name in contract.grain]
    return _as_text(keys[0]) if len(keys) == 1 else f"concat_ws({_SEPARATOR}, {', '.join(map(_as_text, keys))})"


def _content_key(contract: TableContract, source: str, yields: Mapping[str, str]) -> str:
    content = [
        column
        for column in contract.columns
        if column.name in yields and column.name not in (c.EVENT_ID, c.INGESTED_AT)
    ]
    parts = ", ".join(_as_text(column) for column in content)
    return f"md5(concat_ws({_SEPARATOR}, {text_literal(source)}, {parts}))"


def reason_case(contract: TableContract, now: datetime) -> str:
    """SQL that turns `reason_code` into a sentence."""
    reasons = {check.code: check.reason for check in (*_forgotten(contract), *_checks(contract, now))}
    for column in contract.columns:
        reasons.setdefault(f"bad_{column.name}", f"{column.name} is {_misfit_reason(column)}")
    branches = [f"when {text_literal(code)} then {text_literal(reason)}" for code, reason in reasons.items()]
    return f"case {c.REASON_CODE} {' '.join(branches)} end"


def _misfit_reason(column: Column) -> str:
    if column.name in IDS:
        return "no id: a list, a struct, a truth value, a fraction or a number in scientific notation"
    return {
        "TIMESTAMPTZ": f"no instant; write {_INSTANT_FORM}",
        "INTEGER": "no whole number",
        "DOUBLE": "no number; write it as 1234.5",
        "BOOLEAN": "neither true nor false; yes and no, 1 and 0, granted and denied are read as well",
        "VARCHAR[]": "no list; write a JSON list, or texts with | between them",
    }.get(column.dtype, f"not of type {column.dtype}")


def _as_text(column: Column) -> str:
    value = f"epoch_us({quoted(column.name)})" if column.dtype == "TIMESTAMPTZ" else quoted(column.name)
    text = value if column.dtype == "VARCHAR" else f"{value}::varchar"
    return text if column.required else f"coalesce({text}, {_MISSING})"


def _forgotten(contract: TableContract) -> list[Check]:
    names = [column.name for column in contract.columns if column.name in PERSON_IDS]
    return [Check(FORGOTTEN, f"{IS_FORGOTTEN}({quoted(name)})", FORGOTTEN_REASON) for name in names]


def _checks(contract: TableContract, now: datetime) -> list[Check]:
    supplied = (*PLATFORM_COLUMNS, c.EVENT_ID, c.INGESTED_AT)
    checks = [
        Check(f"missing_{column.name}", f"{quoted(column.name)} is null", f"{column.name} is missing")
        for column in contract.columns
        if column.required and column.name not in supplied
    ]
    checks += [
        Check(
            f"too_long_{column.name}",
            f"length({quoted(column.name)}) > {ID_CHARACTERS_MAX}",
            f"{column.name} has more than {ID_CHARACTERS_MAX} characters",
        )
        for column in contract.columns
        if column.name in IDS
    ]
    checks += [
        Check(
            f"placeholder_{column.name}",
            f"{'is_nobody' if column.name in PERSON_IDS else 'is_placeholder'}({quoted(column.name)})",
            f"{column.name} is what a programme writes where it has no id, such as undefined, null or (not set)",
        )
        for column in contract.columns
        if column.name in KEYS
    ]
    checks += _CHECKS_OF[contract.name](now)
    checks += [_within(column.name, column.within) for column in contract.columns if column.within is not None]
    return checks


def _event_checks(now: datetime) -> list[Check]:
    known = ", ".join(text_literal(kind) for kind in EventType)
    return [
        Check(
            "unknown_event_type", f"{c.EVENT_TYPE} not in ({known})", f"event_type is none of {', '.join(EventType)}"
        ),
        _beyond_clocks(c.OCCURRED_AT, now),
        _not_past(now),
    ]


def _catalogue_checks(_now: datetime) -> list[Check]:
    return [Check(f"bad_{c.ATTRIBUTES}", f"not json_valid({c.ATTRIBUTES})", "attributes is not JSON")]


def _tag_checks(now: datetime) -> list[Check]:
    return [_not_past(now)]


def _identity_checks(now: datetime) -> list[Check]:
    return [_beyond_clocks(c.VALID_FROM, now), _not_past(now)]


def _consent_checks(now: datetime) -> list[Check]:
    return [_beyond_clocks(c.OCCURRED_AT, now), _not_past(now)]


def _beyond_clocks(name: str, now: datetime) -> Check:
    """An instant that no clock could have shown by now, a day allowed for clocks that differ."""
    latest = now + _LATEST
    return Check(
        f"bad_{name}",
        f"{name} not between {instant_literal(FIRST_CLOCK)} and {instant_literal(latest)}",
        f"{name} is no instant between {FIRST_CLOCK.year} and {latest:%Y-%m-%d %H:%M} UTC, a day after ingestion; "
        f"write {_INSTANT_FORM}",
    )


def _within(name: str, range_: Range) -> Check:
    # NaN is greater than any number.
    lower = ">" if range_.is_above else ">="
    return _out_of_range(name, f"not ({name} {lower} {range_.lowest!r} and {name} <= {range_.highest!r})", str(range_))


def _not_past(now: datetime) -> Check:
    return _out_of_range(c.INGESTED_AT, f"{c.INGESTED_AT} > {instant_literal(now)}", "in the past")


def _out_of_range(name: str, fails: str, range_: str) -> Check:
    return Check(f"out_of_range_{name}", fails, f"{name} must be {range_}")


_CHECKS_OF = {
    EVENTS.name: _event_checks,
    ITEMS.name: _catalogue_checks,
    USERS.name: _catalogue_checks,
    ITEM_TAGS.name: _tag_checks,
    IDENTITIES.name: _identity_checks,
    CONSENTS.name: _consent_checks,
}
