"""One person's rows out of the lake: their flags, rejected records, then every table with a column that names people.

`raw.identities` comes last of all, in `forget`: it tells which ids are theirs. How a table is rid of rows for good is
in `lake.erasure`.
"""
# ruff: noqa: S608 - identifiers come from the contracts, quoted; values are literals built by text_literal

import re
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EVENT_FLAGS, EVENTS, IDENTITIES, QUARANTINE
from recs_platform.lake.erasure import drop_older_files, erase_rows, scrub_log
from recs_platform.lake.tables import Lake
from recs_platform.pipeline.forgetting.who import PERSON_COLUMNS
from recs_platform.stages.events.people import Person
from recs_platform.stages.events.removals import Raw
from recs_platform.warehouse.clauses import quoted, scan, text_literal

Note = Callable[[str, int], None]
# What is left out of a build is listed by its subject where files have their hash: a user who opted out.
_SUBJECT_TABLES = ("events.inputs",)


def count_rows(raw: Raw, person: Person) -> dict[str, int]:
    """Rows of the person by table, those of `erase_tables` and of raw.identities; tables with none are left out."""
    found = {EVENT_FLAGS.name: raw.count(_flags(raw, person)), QUARANTINE.name: raw.count(_rejected(raw, person))}
    for name in raw.lake.names():
        condition = _condition(raw.lake, name, person)
        files = raw.lake.files(name) if condition else []
        if condition and files:
            found[name] = raw.count(f"{scan(files, {})} where {condition}")
    return {name: count for name, count in found.items() if count}


def erase_tables(raw: Raw, person: Person, note: Note) -> None:
    """Remove the person's rows from every table but raw.identities, in every version; flags go before their events."""
    _keep(raw, person, note)
    names = [name for name in raw.lake.names() if name not in (EVENTS.name, IDENTITIES.name)]
    for name in (EVENTS.name, *names):
        erase_table(raw, name, person, note)


def erase_table(raw: Raw, name: str, person: Person, note: Note) -> None:
    """Remove the person's rows from one table; one that names no people is left alone."""
    condition = _condition(raw.lake, name, person) if raw.lake.exists(name) else None
    if condition is None:
        return
    files = raw.lake.files(name)
    rows = raw.count(f"{scan(files, {})} where {condition}") if files else 0
    note(f"lake/{name}", rows)
    columns = (*PERSON_COLUMNS, c.FILE_HASH) if name in _SUBJECT_TABLES else PERSON_COLUMNS
    if rows:
        erase_rows(raw.lake, name, _condition(raw.lake, name, person, _delta_instant) or "false", columns)
    else:
        drop_older_files(raw.lake, name)
        scrub_log(raw.lake, name, columns)


def _keep(raw: Raw, person: Person, note: Note) -> None:
    """Rewrite flags and rejected records without those of the person."""
    for table, theirs in ((EVENT_FLAGS, _flags(raw, person)), (QUARANTINE, _rejected(raw, person))):
        if not raw.lake.exists(table.name):
            continue
        if rows := raw.count(theirs):
            note(f"lake/{table.name}", rows)
            raw.replace(table, f"(from {raw.rows(table)} except all from {theirs})", ", ".join(table.grain))
        drop_older_files(raw.lake, table.name)


def _flags(raw: Raw, person: Person) -> str:
    condition = person.rows_sql(EVENTS.column_names) or "false"
    events = f"(select {c.EVENT_ID} from {raw.rows(EVENTS)} where {condition})"
    return f"(from {raw.rows(EVENT_FLAGS)} semi join {events} using ({c.EVENT_ID}))"


def _rejected(raw: Raw, person: Person) -> str:
    """Rejected records that name the person: a value that is their id, or an id that tells anywhere in the text."""
    values = f"map_values(try_cast(try_cast({c.PAYLOAD} as json) as map(varchar, varchar)))"
    listed = ", ".join(map(text_literal, {*person.ids, *person.names}))
    words = "|".join(map(re.escape, person.telling))
    pattern = rf"(^|\W)({words})(\W|$)"
    told = f"regexp_matches({c.PAYLOAD}, {text_literal(pattern)})" if words else "false"
    condition = f"coalesce(list_has_any({values}, [{listed}]), false) or coalesce({told}, false)"
    return f"(from {raw.rows(QUARANTINE)} where {condition})"


def _condition(lake: Lake, name: str, person: Person, instant: Callable[[datetime], str] | None = None) -> str | None:
    columns = lake.column_names(name)
    if name in _SUBJECT_TABLES and c.FILE_HASH in columns:
        return f"{quoted(c.FILE_HASH)} in ({', '.join(map(text_literal, person.ids))})"
    named = [column for column in columns if name == EVENTS.name or column in PERSON_COLUMNS]
    return person.rows_sql(named) if instant is None else person.rows_sql(named, instant=instant)


def _delta_instant(instant: datetime) -> str:
    return f"'{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z'"


def first_event(raw: Raw, person: Person) -> datetime | None:
    """When the person did something first; None where they never did."""
    files = raw.files(EVENTS)
    if not files:
        return None
    theirs = pl.scan_parquet(files).filter(pl.col(c.USER_ID).is_in([*person.ids, *(s.stored_id for s in person.spans)]))
    first = theirs.select(pl.col(c.OCCURRED_AT).min()).collect()[c.OCCURRED_AT][0]
    return first if isinstance(first, datetime) else None
