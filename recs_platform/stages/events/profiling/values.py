"""How values are written: instants, numbers, truth values and lists, guessed from a sample, and SQL that reads them.

The SQL gives text that ingestion reads; what does not fit goes on as it came, so that it is rejected by name.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from recs_platform.contracts.texts import FALSE_WORDS, TRUE_WORDS
from recs_platform.warehouse.clauses import text_literal

T = TypeVar("T")
_ENOUGH = 0.9
_MONTHS = 12
_SHORT_YEAR = 2
_ISO = re.compile(
    r"(?:\d{4}-\d{2}-\d{2}([T ]\d{2}(:\d{2}(:\d{2}([.,]\d+)?)?)?)?|\d{8}T\d{2}(\d{2}(\d{2}([.,]\d+)?)?)?)"
)
_ZONE = r" ?(Z|z|UTC|[+-]\d{2}(:?\d{2})?)"
_ISO_ZONED = re.compile(_ISO.pattern + _ZONE)
# A sign before two digits is an offset only behind a time of day: a date ends so as well.
_TELLS_ZONE = rf".*[Tt ]\d[\d:.,]*{_ZONE}"
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE]\+?\d+)?")
# From 1990 to 2100.
_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
_EPOCHS = (("s", 631_152_000, 4_102_444_800), ("ms", 631_152_000_000, 4_102_444_800_000),
           ("us", 631_152_000_000_000, 4_102_444_800_000_000))  # fmt: skip
_EPOCH_NS = (631_152_000_000_000_000, 4_102_444_800_000_000_000)
_DAY = re.compile(
    r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:(,? |T)(\d{1,2}:\d{2})(:\d{2})?(\.\d+)?( ?[AaPp][Mm])?)?"
)
_YEAR_FIRST = re.compile(r"\d{4}([./])\d{1,2}\1\d{1,2}(?:( |T)(\d{1,2}:\d{2})(:\d{2})?)?")
_COMPACT = re.compile(r"(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])(\d{4}(\d{2})?)?")
_MONTH_NAME = re.compile(r"\d{1,2}[- ][A-Za-z]{3}[- ]\d{4}(?: (\d{1,2}:\d{2})(:\d{2})?)?")
_CURRENCY = re.compile(r"[€$£¥%\s\u00a0]|EUR|USD|GBP|CHF")
_COMMA_DECIMAL = re.compile(r"-?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?")
_COMMA_THOUSANDS = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?")
_MORE_TRUE = ("ja", "j", "wahr", "oui", "o", "vrai", "si", "sí", "s", "waar", "erteilt", "opt in", "x")
_MORE_FALSE = ("nein", "falsch", "non", "faux", "nee", "onwaar", "verweigert", "widerrufen", "abgelehnt", "opt out")

_TRUTHS = frozenset({*TRUE_WORDS, *FALSE_WORDS, *_MORE_TRUE, *_MORE_FALSE})
_SHOWN = 5


@dataclass(frozen=True)
class Reading:
    """SQL that reads a value, and what was taken for granted: `guess` is a remark for a person, empty when certain."""

    sql: str
    guess: str = ""


def read_instant(sql: str, values: Sequence[str], zone: str) -> Reading | None:
    """How instants are written; None when the values look like none. Those that name no zone are clocks in `zone`."""
    others = [text for text in values if not (_ISO.fullmatch(text) or _ISO_ZONED.fullmatch(text))]
    if values and len(others) <= (1 - _ENOUGH) * len(values):
        guess = "instants name no zone; read as UTC" if zone == "UTC" else f"instants without a zone are {zone}"
        return Reading(_iso_or_same(sql, zone), "" if _most(values, _ISO_ZONED.fullmatch) else guess)
    return _epoch(sql, values, zone) or _written_out(sql, others, zone)


def as_instant(sql: str, values: Sequence[str], zone: str) -> Reading:
    """As `read_instant`; of values that look like no instants those that are ISO texts are read all the same."""
    found = read_instant(sql, values, zone)
    return found or Reading(_iso_or_same(sql, zone), "the values look like no instants" if values else "")


def _iso_or_same(sql: str, zone: str) -> str:
    """SQL of an ISO text as an instant, and of any other as it came; a text that names no zone is a clock in `zone`."""
    if zone == "UTC":
        return f"coalesce(instant({sql})::varchar, {sql})"
    local = f"local_instant(timezone('UTC', instant({sql})), {text_literal(zone)})"
    tells_zone = f"regexp_full_match(trim({sql}), {text_literal(_TELLS_ZONE)})"
    return f"coalesce((case when {tells_zone} then instant({sql}) else {local} end)::varchar, {sql})"


def _rest(sql: str, zone: str) -> str:
    """SQL of values of a column that are written another way than most: what names no zone is UTC at ingestion."""
    return sql if zone == "UTC" else _iso_or_same(sql, zone)


def _epoch(sql: str, values: Sequence[str], zone: str) -> Reading | None:
    numbers = [float(text) for text in values if _NUMBER.fullmatch(text)]
    if len(numbers) < _ENOUGH * len(values) or not numbers:
        return None
    for unit, first, last in _EPOCHS:
        if _most(numbers, lambda number, first=first, last=last: first <= number <= last):
            guess = f"numbers count {_UNITS[unit]} since 1970"
            return Reading(f"coalesce(epoch_instant({sql}, '{unit}')::varchar, {_rest(sql, zone)})", guess)
    if _most(numbers, lambda number: _EPOCH_NS[0] <= number <= _EPOCH_NS[1]):
        micros = f"epoch_instant(try_cast({sql} as bigint) // 1000, 'us')"
        return Reading(f"coalesce({micros}::varchar, {_rest(sql, zone)})", "numbers count nanoseconds since 1970")
    return None


def _written_out(sql: str, values: Sequence[str], zone: str) -> Reading | None:
    formats, guess = _formats(values)
    if not formats:
        return Reading(sql, guess) if guess else None
    shown = f"try_strptime(trim({sql}), {_listed(formats)})"
    reading = f"coalesce(local_instant({shown}, {text_literal(zone)})::varchar, {_rest(sql, zone)})"
    return Reading(reading, "; ".join(part for part in (guess, f"clocks are taken to be in {zone}") if part))


def _formats(values: Sequence[str]) -> tuple[list[str], str]:
    """Formats, for strptime, of instants that are no ISO text, and what was guessed of their order."""
    days = [match for text in values if (match := _DAY.fullmatch(text))]
    if values and len(days) >= _ENOUGH * len(values):
        return _day_formats(days)
    pattern = next((each for each in (_YEAR_FIRST, _MONTH_NAME, _COMPACT) if _most(values, each.fullmatch)), None)
    return ([] if pattern is None else _other_formats(pattern, values[0])), ""


def _day_formats(days: Sequence[re.Match[str]]) -> tuple[list[str], str]:
    has_meridiem = any(match[9] for match in days)
    is_month_first = any(int(match[3]) > _MONTHS for match in days)
    is_day_first = any(int(match[1]) > _MONTHS for match in days)
    if is_month_first and is_day_first:
        month, day = (next(match[0] for match in days if int(match[place]) > _MONTHS) for place in (3, 1))
        return [], f"{day!r} has the day first and {month!r} the month, neither is read: write them one way"
    told = next((match[0] for match in days if max(int(match[1]), int(match[3])) > _MONTHS), None)
    if told is None and days[0][2] == "/":
        is_month_first = has_meridiem
    first = "month" if is_month_first else "day"
    unsure = f"no value tells whether day or month comes first; read as {first} first"
    guess = unsure if told is None else f"the {first} comes first, as {told!r} tells"
    formats: dict[str, None] = {}
    for match in days:
        year = "%y" if len(match[4]) == _SHORT_YEAR else "%Y"
        order = ("%m", "%d", year) if is_month_first else ("%d", "%m", year)
        clock = "" if match[6] is None else match[5] + ("%I:%M" if match[9] else "%H:%M")
        clock += ("" if match[7] is None else ":%S") + ("" if match[8] is None else ".%f")
        clock += "" if match[9] is None else (" %p" if match[9].startswith(" ") else "%p")
        formats[match[2].join(order) + clock] = None
    return list(formats), guess


def _other_formats(pattern: re.Pattern[str], first: str) -> list[str]:
    if pattern is _COMPACT:
        return ["%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d"]
    if pattern is _MONTH_NAME:
        mark = "-" if "-" in first else " "
        day = f"%d{mark}%b{mark}%Y"
    else:
        mark = "." if "." in first[:5] else "/"
        day = f"%Y{mark}%m{mark}%d"
    separator = "T" if "T" in first else " "
    return [f"{day}{separator}%H:%M:%S", f"{day}{separator}%H:%M", day]


def read_number(sql: str, values: Sequence[str], *, factor: float = 1.0, guess: str = "") -> Reading:
    """A number as text with a decimal point, in the contract's unit: `factor` turns the file's unit into it."""
    bare = [_CURRENCY.sub("", text) for text in values]
    text, notes = sql, [guess] if guess else []
    if any(_CURRENCY.search(value) for value in values):
        text = f"regexp_replace({text}, '[€$£¥%\\s]|EUR|USD|GBP|CHF', '', 'g')"
    if any("," in value for value in bare) and _most(bare, _COMMA_DECIMAL.fullmatch) and not _is_thousands(bare):
        text = _where(text, _COMMA_DECIMAL, f"replace(replace({text}, '.', ''), ',', '.')")
        notes.append("decimals are written with a comma")
    elif any("," in value for value in bare):
        text = _where(text, _COMMA_THOUSANDS, f"replace({text}, ',', '')")
        notes.append("thousands are written with a comma")
    if factor != 1.0:
        text = f"coalesce((try_cast({text} as double) * {factor:.12g})::varchar, {sql})"
    return Reading(text, "; ".join(notes))


def _where(sql: str, pattern: re.Pattern[str], value: str) -> str:
    """SQL of `value` where a text fits, else of the text as it came: `2.50` among decimal commas is not 250."""
    return f"case when regexp_full_match(trim({sql}), {text_literal(pattern.pattern)}) then {value} else {sql} end"


def _is_thousands(values: Iterable[str]) -> bool:
    """1,234 may be either; 1,234.5 and 12,345,678 are not decimals."""
    return any(_COMMA_THOUSANDS.fullmatch(value) and ("." in value or value.count(",") > 1) for value in values)


def numbers_of(values: Iterable[str]) -> list[float]:
    """Those of the values that are numbers, signs of currencies and commas understood."""
    bare = [_CURRENCY.sub("", text) for text in values]
    return [float(text) for text in map(_plain, bare) if _NUMBER.fullmatch(text)]


def _plain(text: str) -> str:
    if "," in text and _COMMA_DECIMAL.fullmatch(text):
        return text.replace(".", "").replace(",", ".")
    return text.replace(",", "") if _COMMA_THOUSANDS.fullmatch(text) else text


def read_truth(sql: str, values: Sequence[str]) -> Reading | None:
    """A truth value in words; None when no value is such a word. Other values go on as they came."""
    words = {text.strip().lower() for text in values}
    others = sorted(words - _TRUTHS)
    if not words & _TRUTHS:
        return None
    shown = ", ".join(map(repr, others[:_SHOWN])) + (" …" if len(others) > _SHOWN else "")
    guess = f"neither yes nor no, and rejected: {shown}" if others else ""
    true, false = sorted(words & set(_MORE_TRUE)), sorted(words & set(_MORE_FALSE))
    if not true and not false:
        return Reading(sql, guess)
    branches = [
        f"when lower(trim({sql})) in ({', '.join(map(text_literal, found))}) then '{word}'"
        for found, word in ((true, "true"), (false, "false"))
        if found
    ]
    return Reading(f"case {' '.join(branches)} else {sql} end", guess)


def read_list(sql: str, values: Sequence[str]) -> Reading:
    """A list as ingestion reads it: JSON, or parts between |."""
    if _most(values, lambda text: text.startswith("[")) or any("|" in text for text in values):
        return Reading(sql)
    for mark in (";", ","):
        if any(mark in text for text in values):
            return Reading(f"regexp_replace({sql}, '\\s*{mark}\\s*', '|', 'g')", f"parts are separated by {mark!r}")
    return Reading(sql)


def is_truth(values: Sequence[str]) -> bool:
    """Whether more than half of the values are words for yes and no."""
    return 2 * sum(text.strip().lower() in _TRUTHS for text in values) > len(values)


def looks_like_instant(values: Sequence[str]) -> bool:
    """Whether most values are instants, however written."""
    return read_instant("", values, "UTC") is not None


def _most(values: Sequence[T], holds: Callable[[T], object]) -> bool:
    """Whether nearly all of some values, and at least one, pass."""
    passed = sum(bool(holds(value)) for value in values)
    return bool(values) and passed >= _ENOUGH * len(values)


def _listed(formats: Sequence[str]) -> str:
    return f"[{', '.join(map(text_literal, formats))}]"
