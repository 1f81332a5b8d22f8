"""One value as it came to what its contract type makes of it, by plain Python. No row and no file is judged here.

Two readers may rightly differ on some texts (`1_0`, `epoch`, `3.5` for a whole number): those are UNSURE, and only
fuzzing meets them.
"""

import json
import math
import re
from datetime import UTC, date, datetime
from enum import Enum

Odd = Enum("Odd", ["BAD", "UNSURE"])
BAD, UNSURE = Odd.BAD, Odd.UNSURE

_INT32_MAX, _INT64_MAX = 2**31 - 1, 2**63 - 1
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?([eE][+-]?\d{1,2})?", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d([T ](\d\d):(\d\d):(\d\d)(\.(\d{3}|\d{6}))?(Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
_NOT_FINITE = {"inf", "-inf", "infinity", "-infinity", "nan", "-nan"}
_WORDS = _NOT_FINITE | {"epoch", "now", "today", "yesterday", "tomorrow"}


def as_text(value):
    match value:
        case None | "":
            return None
        case str():
            return value if "\x00" not in value and not _has_surrogate(value) else UNSURE
        case bool():
            return str(value).lower()
        case int():
            return str(value) if abs(value) <= _INT64_MAX else UNSURE
        case _:
            return UNSURE


def as_number(value):
    match value:
        case None | "":
            return None
        case float():
            return value
        case int() if not isinstance(value, bool) and abs(value) <= _INT64_MAX:
            return float(value)
        case str():
            is_number = _NUMBER.fullmatch(value) or value.lower() in _NOT_FINITE
            return float(value) if is_number else _unless_words(value)
        case _:
            return UNSURE


def as_whole(value):
    match value:
        case None | "":
            return None
        case bool():
            return UNSURE
        case int():
            return value if abs(value) <= _INT32_MAX else BAD
        case float():
            return int(value) if math.isfinite(value) and value.is_integer() and abs(value) <= _INT32_MAX else UNSURE
        case str():
            return as_whole(int(value)) if _WHOLE.fullmatch(value) else _unless_words(value)
        case _:
            return UNSURE


def as_truth(value):
    match value:
        case None | "":
            return None
        case bool():
            return value
        case str():
            return {"true": True, "false": False}.get(value.lower(), UNSURE if len(value) <= len("false") else BAD)
        case _:
            return UNSURE


def as_instant(value):
    match value:
        case None | "":
            return None
        case datetime():
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        case str():
            return _instant_of(value)
        case _:
            return UNSURE


def as_texts(value):
    match value:
        case None | "":
            return None
        case list():
            return value if all(isinstance(part, str) for part in value) else UNSURE
        case str() if value.strip().startswith("["):
            try:
                return as_texts(json.loads(value))
            except ValueError:
                return UNSURE
        case str():
            return value.split("|")
        case _:
            return UNSURE


def as_json(value):
    """Everything else of a person or an item: a text that holds JSON, or in JSONL the value itself."""
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return as_text(value)


def _instant_of(text):
    found = _INSTANT.fullmatch(text)
    if not found:
        return _unless_words(text)
    try:
        return as_instant(datetime.fromisoformat(text))
    except ValueError:
        # Clocks may say 24:00 or 23:59:60, and offsets of days are read by some.
        is_day_wrong = not _is_day(text[:10])
        return BAD if is_day_wrong else UNSURE


def _is_day(text):
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _unless_words(text):
    """A text without any digit is no number and no instant, unless it is one of the known words."""
    has_digit = any(character.isdigit() for character in text)
    is_word = any(word in text.lower() for word in _WORDS)
    return UNSURE if has_digit or is_word or not text.isascii() or not text.isprintable() or not text.strip() else BAD


def _has_surrogate(text):
    return any("\ud800" <= character <= "\udfff" for character in text)
