"""How values are written: instants, numbers, truth values and lists, told from a sample, with the SQL that reads them.

The SQL gives text that the door reads; what does not fit goes on as it came, so that it is refused by name.
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
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?)?")
_ISO_ZONED = re.compile(rf"{_ISO.pattern} ?(Z|z|UTC|[+-]\d{{2}}(:?\d{{2}})?)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE]\+?\d+)?")
# From 1990 to 2100.
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


@dataclass(frozen=True)
class Reading:
    """SQL that reads a value, and what was taken for granted: `guess` is a remark for a person, empty when certain."""

    sql: str
    guess: str = ""


def read_instant(sql: str, values: Sequence[str], zone: str) -> Reading | None:
    """How instants are written; None when the values look like none. Those that name no zone are clocks in `zone`."""
    if _most(values, _ISO_ZONED.fullmatch):
        return Reading(f"coalesce(instant({sql})::varchar, {sql})")
    if _most(values, lambda text: _ISO.fullmatch(text) or _ISO_ZONED.fullmatch(text)):
        return _iso(sql, zone)
    return _epoch(sql, values) or _written_out(sql, values, zone)


def _iso(sql: str, zone: str) -> Reading:
    if zone == "UTC":
        return Reading(f"coalesce(instant({sql})::varchar, {sql})", "instants name no zone; read as UTC")
    formats = ["%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"]
    shown = f"try_strptime(replace(trim({sql}), 'T', ' '), {_listed(formats)})"
    local = f"local_instant({shown}, {text_literal(zone)})"
    return Reading(f"coalesce({local}::varchar, instant({sql})::varchar, {sql})", f"instants without a zone are {zone}")


def _epoch(sql: str, values: Sequence[str]) -> Reading | None:
    numbers = [float(text) for text in values if _NUMBER.fullmatch(text)]
    if len(numbers) < _ENOUGH * len(values) or not numbers:
        return None
    for unit, first, last in _EPOCHS:
        if _most(numbers, lambda number, first=first, last=last: first <= number <= last):
            return Reading(f"coalesce(epoch_instant({sql}, '{unit}')::varchar, {sql})")
    if _most(numbers, lambda number: _EPOCH_NS[0] <= number <= _EPOCH_NS[1]):
        return Reading(f"coalesce(epoch_instant(try_cast({sql} as bigint) // 1000, 'us')::varchar, {sql})")
    return None


def _written_out(sql: str, values: Sequence[str], zone: str) -> Reading | None:
    formats, guess = _formats(values)
    if not formats:
        return None
    shown = f"try_strptime(trim({sql}), {_listed(formats)})"
    reading = f"coalesce(local_instant({shown}, {text_literal(zone)})::varchar, {sql})"
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
    guess = ""
    if not is_month_first and not is_day_first and days[0][2] == "/":
        is_month_first = has_meridiem
        order = "month" if is_month_first else "day"
        guess = f"no value tells whether day or month comes first; read as {order} first"
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
        text = f"replace(replace({text}, '.', ''), ',', '.')"
        notes.append("decimals are written with a comma")
    elif any("," in value for value in bare):
        text = f"replace({text}, ',', '')"
        notes.append("thousands are written with a comma")
    if factor != 1.0:
        text = f"coalesce((try_cast({text} as double) * {factor:.12g})::varchar, {sql})"
    return Reading(text, "; ".join(notes))


def _is_thousands(values: Iterable[str]) -> bool:
    """1,234 may be either; 1,234.5 and 12,345,678 are not decimals."""
    return any(_COMMA_THOUSANDS.fullmatch(value) and ("." in value or value.count(",") > 1) for value in values)


def numbers_of(values: Iterable[str]) -> list[float]:
    """Those of the values that are numbers, signs of currencies and commas understood."""
    bare = [_CURRENCY.sub("", text) for text in values]
    plain = [text.replace(".", "").replace(",", ".") if "," in text else text for text in bare]
    return [float(text) for text in plain if _NUMBER.fullmatch(text)]


def read_truth(sql: str, values: Sequence[str]) -> Reading | None:
    """A truth value in words; None when the values are no such words."""
    words = {text.strip().lower() for text in values}
    if not words or not words <= {*TRUE_WORDS, *FALSE_WORDS, *_MORE_TRUE, *_MORE_FALSE}:
        return None
    true, false = sorted(words & set(_MORE_TRUE)), sorted(words & set(_MORE_FALSE))
    if not true and not false:
        return Reading(sql)
    branches = [
        f"when lower(trim({sql})) in ({', '.join(map(text_literal, found))}) then '{told}'"
        for found, told in ((true, "true"), (false, "false"))
        if found
    ]
    return Reading(f"case {' '.join(branches)} else {sql} end")


def read_list(sql: str, values: Sequence[str]) -> Reading:
    """A list as the door reads it: JSON, or parts between |."""
    if _most(values, lambda text: text.startswith("[")) or any("|" in text for text in values):
        return Reading(sql)
    for mark in (";", ","):
        if any(mark in text for text in values):
            return Reading(f"regexp_replace({sql}, '\\s*{mark}\\s*', '|', 'g')", f"parts are separated by {mark!r}")
    return Reading(sql)


def is_truth(values: Sequence[str]) -> bool:
    """Whether all values are words for yes and no."""
    return read_truth("", values) is not None


def looks_like_instant(values: Sequence[str]) -> bool:
    """Whether most values are instants, however written."""
    return read_instant("", values, "UTC") is not None


def _most(values: Sequence[T], holds: Callable[[T], object]) -> bool:
    """Whether nearly all of some values, and at least one, pass."""
    passed = sum(bool(holds(value)) for value in values)
    return bool(values) and passed >= _ENOUGH * len(values)


def _listed(formats: Sequence[str]) -> str:
    return f"[{', '.join(map(text_literal, formats))}]"
