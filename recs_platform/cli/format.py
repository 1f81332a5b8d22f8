"""Values formatted for people in output about lists and releases. JSON, CSV and query tables are in `values`."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from recs_platform.cli.values import shown

# Fractions of larger numbers are noise.
_LARGE = 1000.0


def human(value: object) -> str:
    """A value as text: no brackets, no microseconds; instants in UTC. Text stays: an id may look like an instant.

    >>> human(["a", "b"]), human({"x": 1}), human([]), human(None), human(True), human(0.123456789), human(1234567)
    ('a, b', 'x 1', 'none', 'none', 'yes', '0.123', '1,234,567')
    >>> human(datetime(2017, 2, 20, 15, 30, 1, 5, tzinfo=UTC)), human("2017-02-20T15:30:01Z")
    ('2017-02-20 15:30', '2017-02-20T15:30:01Z')
    """
    match value:
        case Mapping():
            pairs = cast("Mapping[str, object]", value).items()
            return ", ".join(f"{shown(name)} {human(part)}" for name, part in pairs) or "none"
        case list() | tuple():
            return ", ".join(map(human, cast("Sequence[object]", value))) or "none"
        case _:
            return _scalar(value)


def _scalar(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    match value:
        case int():
            return f"{value:,}"
        case float():
            return number(value)
        case datetime():
            return minute(value)
        case _:
            return shown(value)


def minute(instant: datetime) -> str:
    """An instant to the minute, UTC; midnight as the date alone.

    >>> minute(datetime(2017, 2, 20, tzinfo=UTC))
    '2017-02-20'
    """
    utc = instant.astimezone(UTC)
    return f"{utc:%Y-%m-%d}" if utc.time() == datetime.min.time() else f"{utc:%Y-%m-%d %H:%M}"


def number(value: float) -> str:
    """Three significant digits, no exponent.

    >>> number(12345.6789), number(0.0123456), number(-7.0), number(0.00001234), number(float("nan"))
    ('12,346', '0.0123', '-7', '0.0000123', 'unknown')
    """
    if math.isnan(value):
        return "unknown"
    if math.isinf(value) or value == 0:
        return f"{value:g}"
    if abs(value) >= _LARGE:
        return f"{value:,.0f}"
    digits = max(0, 2 - _exponent(value))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share(value: float | None) -> str:
    """A share in per cent; `unknown` where it is None.

    >>> share(0.1234), share(1.0), share(None)
    ('12.3 %', '100.0 %', 'unknown')
    """
    return "unknown" if value is None else f"{value:.1%}".replace("%", " %")


def titled(item_id: str, title: object) -> str:
    """An item's title with its id.

    >>> titled("i1", "The Thing"), titled("i1", None)
    ('The Thing (i1)', 'i1')
    """
    return item_id if title is None else f"{title} ({item_id})"


def _exponent(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])
