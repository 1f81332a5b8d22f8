"""Which fields of a file are which contract columns, and which contract tables the file can feed.

Told by names first and by values where a name may mean several things. How values are written is described in `values`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recs_platform.contracts import columns as c
from recs_platform.stages.events.profiling import vocabulary
from recs_platform.stages.events.profiling.samples import Field, Sample
from recs_platform.stages.events.profiling.values import is_truth, looks_like_instant, numbers_of
from recs_platform.stages.events.sources import SOURCE_TABLES

_INSTANTS = frozenset(
    column.name for contract in SOURCE_TABLES.values() for column in contract.columns if column.dtype == "TIMESTAMPTZ"
)
_NUMBERS = frozenset(
    column.name for contract in SOURCE_TABLES.values() for column in contract.columns
    if column.dtype in {"DOUBLE", "INTEGER"}
)  # fmt: skip
_TYPES_MAX = 60
_DAY_CHARACTERS_MAX = 11
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
_PROFILE = (c.SIGNED_UP_AT, c.AGE_BAND, c.GENDER, c.SUBSCRIPTION, c.CONSENT_PERSONALIZATION)
_CATALOGUE = (c.TITLE, c.BODY, c.CATEGORY, c.TAGS, c.CREATOR, c.PRICE, c.PUBLISHED_AT)
_OCCURRENCE = (c.EVENT_TYPE, c.OCCURRED_AT, c.VALUE, c.DWELL_SECONDS)
Found = Mapping[str, Field]


@dataclass(frozen=True)
class Shape:
    """What a file can be: by table the fields of its columns, or why it can feed none."""

    tables: Mapping[str, Found]
    reason: str = ""


def key_of(name: str) -> str:
    """A name without case, blanks and signs.

    >>> key_of("Customer_ID"), key_of("kunden-nr.")
    ('customerid', 'kundennr')
    """
    return re.sub(r"[\W_]+", "", name.lower())


def shape_of(sample: Sample, stem: str) -> Shape:
    """The tables that a file of this name and these fields feeds."""
    found = {table: find_columns(table, sample.fields) for table in SOURCE_TABLES}
    events, items, users, tags = (found[name] for name in ("events", "items", "users", "item_tags"))
    is_of_user, is_of_item = c.USER_ID in events, c.ITEM_ID in events
    if is_of_user and is_of_item and c.OCCURRED_AT not in events:
        events |= _instant_by_value(events, sample.fields)
    if is_of_item and c.TAG in tags and not {c.EVENT_TYPE, c.VALUE} & events.keys():
        return Shape({"item_tags": tags})
    if is_of_user and is_of_item:
        return _of_events(events, items, users, sample)
    if is_of_user and not is_of_item:
        return _of_users(found, stem, sample)
    if _is_about(stem, vocabulary.USER_FILES) and c.USER_ID in users:
        return Shape({"users": users})
    if c.ITEM_ID in items and any(name in items for name in _CATALOGUE):
        return Shape({"items": items})
    return Shape({}, f"no column names a user or an item; it has {', '.join(sample.columns)}")


def _instant_by_value(events: Found, fields: Sequence[Field]) -> dict[str, Field]:
    """The first field without a meaning whose values are instants, whatever it is called."""
    used = {field.name for field in events.values()}
    found = (field for field in fields if field.name not in used and looks_like_instant(field.values))
    first = next(found, None)
    return {} if first is None else {c.OCCURRED_AT: first}


def find_columns(table: str, fields: Sequence[Field]) -> dict[str, Field]:
    """The field of each contract column of a table, for those that have one; no field serves twice."""
    free = list(fields)
    found: dict[str, Field] = {}
    for column, spellings in vocabulary.COLUMNS[table].items():
        candidates = [
            (rank, field)
            for rank, spelling in enumerate(spellings.split())
            for field in free
            if spelling in _keys(table, field) and _may_be(column, field)
        ]
        if candidates:
            found[column] = min(candidates, key=lambda each: (not _fits(column, each[1]), each[0]))[1]
            free.remove(found[column])
    return found


def clock_of(day: Field, fields: Sequence[Field]) -> Field | None:
    """The field that holds the time of day where `day` holds days only."""
    if any(":" in value or len(value) > _DAY_CHARACTERS_MAX for value in day.values):
        return None
    clocks = vocabulary.CLOCKS.split()
    return next((field for field in fields if key_of(field.name) in clocks and _are_clocks(field.values)), None)


def _are_clocks(values: Sequence[str]) -> bool:
    return bool(values) and all(_CLOCK.fullmatch(value) for value in values)


def missing_columns(table: str, found: Found) -> list[str]:
    """Columns that the contract needs and that no field gives; a table without event types is given a constant."""
    supplied = {c.FILE_HASH, c.EVENT_DATE, c.SOURCE, c.EVENT_ID, c.INGESTED_AT, c.EVENT_TYPE, c.PURPOSE}
    needed = [column.name for column in SOURCE_TABLES[table].columns if column.required]
    return [name for name in needed if name not in supplied and name not in found]


def event_constant(stem: str, sample: Sample) -> tuple[str, str]:
    """The event type of a file that has no column of them, and how it was told."""
    for event_type, words in vocabulary.FILE_WORDS.items():
        word = next((word for word in words.split() if word in stem.lower()), None)
        if word is not None:
            return event_type, f"the file's name says {word!r}"
    keys = {key_of(field.name): field.name for field in sample.fields}
    for event_type, words in vocabulary.COLUMN_WORDS.items():
        name = next((keys[word] for word in words.split() if word in keys), None)
        if name is not None:
            return event_type, f"it has a column {name!r}"
    return "view", "nothing tells what users did"


def event_names(values: Sequence[str]) -> dict[str, str]:
    """The contract's event type of each name that is known and differs from it, by the name in lower case."""
    by_key = {word: event_type for event_type, words in vocabulary.EVENT_NAMES.items() for word in words.split()}
    found: dict[str, str] = {}
    for name in sorted({value.strip().lower() for value in values}):
        keys = [key_of(name)]
        for thing in vocabulary.THINGS:
            keys += [keys[0].removeprefix(thing), keys[0].removesuffix(thing)]
        event_type = next((by_key[key] for key in keys if key in by_key), None)
        if event_type is not None:
            found[name] = event_type
    return found


def _of_events(events: Found, items: Found, users: Found, sample: Sample) -> Shape:
    missing = missing_columns("events", events)
    if missing:
        return Shape({}, f"no column says {', '.join(missing)} of an event; it has {', '.join(sample.columns)}")
    tables: dict[str, Found] = {"events": events}
    used = {field.name for column, field in events.items() if column != c.COUNTRY}
    titles = {name: field for name, field in items.items() if name == c.ITEM_ID or field.name not in used}
    profile = {name: field for name, field in users.items() if name == c.USER_ID or field.name not in used}
    if c.TITLE in titles and c.ITEM_ID in items:
        tables["items"] = {**titles, c.ITEM_ID: events[c.ITEM_ID]}
    if any(name in profile for name in _PROFILE):
        tables["users"] = {**profile, c.USER_ID: events[c.USER_ID]}
    return Shape(tables)


def _of_users(found: Mapping[str, Found], stem: str, sample: Sample) -> Shape:
    consents, identities, users = found["consents"], found["identities"], found["users"]
    is_consent = c.PURPOSE in consents or _is_about(stem, vocabulary.CONSENT_FILES)
    if is_consent and {c.GRANTED, c.OCCURRED_AT} <= consents.keys():
        return Shape({"consents": consents})
    if not missing_columns("identities", identities) and not any(name in users for name in _PROFILE):
        return Shape({"identities": identities})
    is_log = {c.EVENT_TYPE, c.OCCURRED_AT} <= found["events"].keys()
    has_profile = any(name in users for name in _PROFILE) or (c.COUNTRY in users and not is_log)
    if has_profile and c.USER_ID in users:
        return Shape({"users": users})
    if any(name in found["events"] for name in _OCCURRENCE):
        return Shape({}, f"no column names an item; it has {', '.join(sample.columns)}")
    return Shape({}, f"it says nothing of users that the contract holds; it has {', '.join(sample.columns)}")


def _is_about(stem: str, words: Sequence[str]) -> bool:
    return any(word in stem.lower() for word in words)


def _keys(table: str, field: Field) -> set[str]:
    """The ways in which a field's name may be read."""
    parts = [field.column, *field.path]
    keys = {key_of("".join(parts)), key_of("".join(parts[-2:]))}
    last = key_of(parts[-1])
    if last not in vocabulary.GENERIC.split() or all(key_of(part) in vocabulary.ENVELOPES for part in parts[:-1]):
        keys.add(last)
    bare = {key.removeprefix(owner) for key in keys for owner in vocabulary.OWNERS.get(table, ())}
    return keys | {key for key in bare if len(key) > len("tags") - 1 and key != "id"}


def _may_be(column: str, field: Field) -> bool:
    """Whether the values do not speak against it."""
    values = field.values
    if column == c.EVENT_TYPE:
        return len(set(values)) <= _TYPES_MAX and not numbers_of(values)
    if column == c.EVENT_ID:
        return len(set(values)) == len(values) and len(values) > 1
    if column in _NUMBERS:
        return not values or len(numbers_of(values)) > len(values) / 2
    if column == c.CONSENT_PERSONALIZATION:
        return not values or is_truth(values)
    if column == c.AGE_BAND or column not in _INSTANTS:
        return True
    return not values or looks_like_instant(values) or not numbers_of(values)


def _fits(column: str, field: Field) -> bool:
    """Whether the values speak for it."""
    return column not in _INSTANTS or looks_like_instant(field.values)
