"""Instants: how an as-of is written and read. UTC everywhere; nothing here reads a clock."""

from datetime import UTC, datetime

from recs_platform.contracts.errors import UsageError

DAY_SECONDS = 86_400


def parse_instant(text: str) -> datetime:
    """Read a date (midnight UTC), `2017-02-20T15` or any ISO instant; naive means UTC. Raises UsageError.

    >>> parse_instant("2017-02-20").isoformat()
    '2017-02-20T00:00:00+00:00'
    >>> parse_instant("2017-02-20T15").isoformat()
    '2017-02-20T15:00:00+00:00'
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"not a date: {text!r}; write it as 2017-02-20 or 2017-02-20T15") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


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
