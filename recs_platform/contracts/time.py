"""Instants: how they and as-ofs are written and read. UTC everywhere.

The same forms are read from files by `stages/events/macros`, which shares INSTANT_PATTERN.
"""

import re
from datetime import UTC, date, datetime, timedelta

from recs_platform.contracts.errors import UsageError

MILLISECOND_NANOSECONDS = 1_000_000
SECOND_MILLISECONDS = 1_000
SECOND_MICROSECONDS = 1_000_000
SECOND_NANOSECONDS = 1_000_000_000
MINUTE_SECONDS = 60
HOUR_SECONDS = 60 * MINUTE_SECONDS
DAY_SECONDS = 24 * HOUR_SECONDS
MINUTE_MICROSECONDS = MINUTE_SECONDS * SECOND_MICROSECONDS
HOUR_MICROSECONDS = HOUR_SECONDS * SECOND_MICROSECONDS
DAY_MICROSECONDS = DAY_SECONDS * SECOND_MICROSECONDS

# Before it no clock gave an event its time: what says so has none, or counts from another year.
FIRST_CLOCK = datetime(1990, 1, 1, tzinfo=UTC)

# ISO 8601: a calendar, ordinal or week date, extended or basic; hours, minutes and seconds may be cut from the right;
# an offset may follow a blank. No names of zones but UTC: what they mean changes from machine to machine.
INSTANT_PATTERN = (
    r"(?:(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})|(?P<basic_day>[0-9]{8})"
    r"|(?P<ordinal>[0-9]{4}-?[0-9]{3})|(?P<week>[0-9]{4}-?[Ww][0-9]{2}-?[1-7]))"
    r"(?:[Tt ](?P<hour>[0-9]{2})(?::?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?)?"
    r"(?: ?(?P<utc>[Zz]|[Uu][Tt][Cc])| ?(?P<sign>[+-])(?P<offset_hours>[0-9]{2}):?(?P<offset_minutes>[0-9]{2})?)?)?"
)
INSTANT_PARTS = tuple(re.compile(INSTANT_PATTERN).groupindex)

_HOURS_MAX, _SIXTY = 24, 60


def read_instant(text: str) -> datetime | None:
    """An ISO 8601 instant in any of its short forms as UTC, None when the text is none; without an offset it is UTC.

    What is finer than a microsecond is cut off. `24:00` is the midnight that ends a day.

    >>> read_instant("2017-02-20T15:30:00 +0530").isoformat()
    '2017-02-20T10:00:00+00:00'
    >>> read_instant("20170220T1530z").isoformat(), read_instant("2017-02-20 15:30:00 Asia/Tokyo")
    ('2017-02-20T15:30:00+00:00', None)
    """
    found = re.fullmatch(INSTANT_PATTERN, text.strip())
    if found is None:
        return None
    part = {name: value or "" for name, value in found.groupdict().items()}
    hour, minute, second = (int(part[name] or 0) for name in ("hour", "minute", "second"))
    offset_hours, offset_minutes = int(part["offset_hours"] or 0), int(part["offset_minutes"] or 0)
    microsecond = int(part["fraction"][:6].ljust(6, "0"))
    is_clock = hour < _HOURS_MAX or (hour == _HOURS_MAX and not (minute or second or microsecond))
    if not is_clock or max(minute, second, offset_minutes) >= _SIXTY or offset_hours >= _HOURS_MAX:
        return None
    offset = timedelta(hours=offset_hours, minutes=offset_minutes)
    clock = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=microsecond)
    try:
        midnight = datetime.combine(_read_day(part), datetime.min.time(), UTC)
        return midnight + clock - (-offset if part["sign"] == "-" else offset)
    except (ValueError, OverflowError):
        return None


def parse_instant(text: str) -> datetime:
    """Read an instant of the command line: what files may hold, so `2017-02-20T15` too. Raises UsageError.

    >>> parse_instant("2017-02-20").isoformat()
    '2017-02-20T00:00:00+00:00'
    >>> parse_instant("2017-02-20T15").isoformat()
    '2017-02-20T15:00:00+00:00'
    """
    instant = read_instant(text)
    if instant is None:
        raise UsageError(f"not a date: {text!r}; write it as 2017-02-20 or 2017-02-20T15")
    return instant


def as_of_key(instant: datetime) -> str:
    """Partition key of an as-of: the date at midnight, else to the hour, else in full.

    >>> as_of_key(datetime(2017, 2, 20, tzinfo=UTC)), as_of_key(datetime(2017, 2, 20, 15, tzinfo=UTC))
    ('2017-02-20', '2017-02-20T15')
    """
    utc = instant.astimezone(UTC)
    if (utc.hour, utc.minute, utc.second, utc.microsecond) == (0, 0, 0, 0):
        return utc.strftime("%Y-%m-%d")
    if (utc.minute, utc.second, utc.microsecond) == (0, 0, 0):
        return utc.strftime("%Y-%m-%dT%H")
    return utc.replace(tzinfo=None).isoformat()


def _read_day(part: dict[str, str]) -> date:
    """Raises ValueError when there is no such day."""
    if part["ordinal"]:
        year, number = int(part["ordinal"][:4]), int(part["ordinal"][-3:])
        day = date(year, 1, 1) + timedelta(days=number - 1)
        if day.year != year:
            raise ValueError(part["ordinal"])
        return day
    if part["week"]:
        digits = part["week"].upper().replace("-", "").replace("W", "")
        return date.fromisocalendar(int(digits[:4]), int(digits[4:6]), int(digits[6]))
    return date.fromisoformat(part["day"] or part["basic_day"])
