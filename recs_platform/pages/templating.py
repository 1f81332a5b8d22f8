"""The Jinja2 environment of the pages: every value is escaped, and one that is missing is an error."""

import math
from datetime import datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("recs_platform.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shown"] = shown
    environment.filters["instant"] = instant
    environment.tests["a_number"] = is_number
    return environment


def render(template: str, **values: object) -> Markup:
    """The text of a template of this room, safe to put into a page."""
    return Markup(_environment().get_template(template).render(**values))  # noqa: S704  the template escapes its values


# Four places would show nothing of it; of a count or an amount they would be no news.
_SMALL, _GREAT = 0.00005, 100


def shown(value: object) -> str:
    """A value as tables write it.

    >>> shown(None), shown(float("nan")), shown(True), shown(0.123456), shown(7), shown(1.63e-08), shown(0.0)
    ('–', '–', 'yes', '0.1235', '7', '1.6e-08', '0.0000')
    >>> shown(4102.0), shown(1234.56), shown(-100.0), shown(99.5), shown(float("inf"))
    ('4,102', '1,234.6', '-100', '99.5000', 'inf')
    """  # noqa: RUF002  a dash, as tables write it
    match value:
        case None:
            return "–"  # noqa: RUF001
        case bool():
            return "yes" if value else "no"
        case float():
            return _float(value)
        case datetime():
            return instant(value)
        case _:
            return str(value)


def _float(value: float) -> str:
    if math.isnan(value):
        return shown(None)
    if abs(value) >= _GREAT:
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.1f}"
    return f"{value:.1e}" if 0 < abs(value) < _SMALL else f"{value:.4f}"


def instant(value: datetime) -> str:
    """An instant as people read it, as short as it is exact.

    >>> instant(datetime(2031, 2, 20)), instant(datetime(2031, 2, 20, 15, 30))
    ('2031-02-20', '2031-02-20 15:30')
    """
    is_date = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
    return f"{value:%Y-%m-%d}" if is_date else f"{value:%Y-%m-%d %H:%M}"


def is_number(value: object) -> bool:
    """Whether a cell is set to the right."""
    return isinstance(value, int | float) and not isinstance(value, bool)
