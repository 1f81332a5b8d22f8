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

BLANKS = " \t\n\r\v\f\xa0\u2003\u200b\u3000\ufeff"
_NO_ID = ("undefined", "null", "none", "nil", "nan", "n/a", "<na>", "(not set)", "(none)", "(null)", "(empty)",
          "[object object]", "{}", "[]")  # fmt: skip
_NOBODY = ("anonymous", "anon", "guest", "unknown", "not_authenticated", "not authenticated", "true", "false", "-1")
_TRUE = ("true", "t", "yes", "y", "1", "1.0", "on", "granted", "allowed", "accepted", "opt_in", "opted_in", "opt-in")
_FALSE = (
    "false", "f", "no", "n", "0", "0.0", "off", "denied", "disallowed", "rejected", "refused", "declined", "withdrawn",
    "revoked", "opt_out", "opted_out", "opt-out",
)  # fmt: skip
_TRUTHS = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
_EXACT_BELOW = 2**53
_INT32_MAX, _INT64_MAX = 2**31 - 1, 2**63 - 1
_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?([eE][+-]?\d{1,2})?", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d([T ](\d\d):(\d\d):(\d\d)(\.(\d{3}|\d{6}))?(Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
_NOT_FINITE = {"inf", "-inf", "infinity", "-infinity", "nan", "-nan"}
_WORDS = _NOT_FINITE | {"epoch", "now", "today", "yesterday", "tomorrow"}


def bare(text):
    return text.strip(BLANKS)


def as_text(value):
    match value:
        case None:
            return None
        case str():
            return (bare(value) or None) if "\x00" not in value and not _has_surrogate(value) else UNSURE
        case bool():
            return str(value).lower()
        case int():
            return str(value) if abs(value) <= _INT64_MAX else UNSURE
        case _:
            return UNSURE


def as_code(value):
    text = as_text(value)
    return text.lower() if isinstance(text, str) else text


def as_id(value):  # noqa: PLR0911 - one case a line
    """An id; numbers count when they are whole, and what is written like an object or in powers of ten is none."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            is_whole = math.isfinite(value) and value.is_integer() and abs(value) < _EXACT_BELOW
            # As text a fraction may be a name, as a number it is none.
            return None if math.isnan(value) else str(int(value)) if is_whole else UNSURE
        case list() | dict():
            return BAD if value else UNSURE
    text = as_text(value)
    if not isinstance(text, str):
        return text
    if re.fullmatch(r"-?[0-9]+\.0+", text):
        return text.split(".")[0]
    if re.fullmatch(r"-?[0-9](\.[0-9]+)?[eE][+-][0-9]+", text):
        return BAD
    return UNSURE if text[0] in "[{" else text


def as_optional_id(value):
    found = as_id(value)
    return None if isinstance(found, str) and is_placeholder(found, is_person=False) else found


def is_placeholder(text, is_person):
    """What programmes write where they have no id."""
    text = text.lower()
    zeros = text.replace("-", "")
    return text in _NO_ID or (len(zeros) >= 8 and not zeros.strip("0")) or (is_person and text in _NOBODY)


def as_number(value):
    match value:
        case None:
            return None
        case float():
            return value
        case int() if not isinstance(value, bool) and abs(value) <= _INT64_MAX:
            return float(value)
        case str() if not bare(value):
            return None
        case str():
            is_number = _NUMBER.fullmatch(bare(value)) or bare(value).lower() in _NOT_FINITE
            return float(bare(value)) if is_number else _unless_words(value)
        case _:
            return UNSURE


def as_whole(value):  # noqa: PLR0911 - one case a line
    match value:
        case None:
            return None
        case bool():
            return UNSURE
        case int():
            return value if abs(value) <= _INT32_MAX else BAD
        case float():
            is_whole = math.isfinite(value) and value.is_integer() and abs(value) <= _INT32_MAX
            return int(value) if is_whole else BAD
        case str() if not bare(value):
            return None
        case str():
            return as_whole(float(bare(value))) if _NUMBER.fullmatch(bare(value)) else _unless_words(value)
        case _:
            return UNSURE


def as_truth(value):
    match value:
        case None:
            return None
        case bool():
            return value
        case str() if not bare(value):
            return None
        case str():
            return _TRUTHS.get(bare(value).lower(), BAD)
        case _:
            return UNSURE


def as_instant(value):
    match value:
        case None:
            return None
        case str() if not bare(value):
            return None
        case datetime():
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        case str():
            return _instant_of(bare(value))
        case _:
            return UNSURE


def as_texts(value):  # noqa: PLR0911 - one case a line
    match value:
        case None:
            return None
        case list():
            is_sure = all(isinstance(part, str) for part in value)
            return [bare(part) for part in value if bare(part)] if is_sure else UNSURE
        case str() if not bare(value):
            return None
        case str() if bare(value).startswith("["):
            try:
                return as_texts(json.loads(value))
            except ValueError:
                return UNSURE
        case str():
            return [bare(part) for part in value.split("|") if bare(part)]
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
        return BAD if text.lower() in _WORDS or not any(map(str.isdigit, text)) else UNSURE
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
    has_digit = any(map(str.isdigit, text))
    lower = text.lower()
    is_word = any(word in lower for word in _WORDS)
    return UNSURE if has_digit or is_word or not text.isascii() or not text.isprintable() or not text.strip() else BAD


def _has_surrogate(text):
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)
