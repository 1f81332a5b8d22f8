"""Tables of numbers that are seen before they are read: shaded cells and bars. What they show is decided elsewhere.

HTML text: every name is escaped, and the same values give the same text.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

Format = Callable[[float], str]
Cells = Mapping[tuple[str, str], float]

_DARK = 0.55
_HOT = (23, 92, 148)
_INK = "#1c2733"


def percent(value: float) -> str:
    """A share as text.

    >>> percent(0.1234), percent(0.9999), percent(1.0)
    ('12.3 %', '99.99 %', '100.0 %')
    """
    text = f"{100 * value:.1f}"
    return f"{100 * value:.2f} %" if text == "100.0" and value < 1 else f"{text} %"


def amount(value: float) -> str:
    """A count or size as text, thousands apart.

    >>> amount(1234567.0), amount(3.25)
    ('1,234,567', '3.25')
    """
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004


def heat_table(rows: Sequence[str], columns: Sequence[str], cells: Cells, *, corner: str, form: Format) -> str:
    """A table whose cells are the darker the greater their value, the greatest darkest; a dash where there is none."""
    greatest = max(cells.values(), default=0.0)
    head = "".join(f"<th><span>{html.escape(name)}</span></th>" for name in columns)
    body = "\n".join(
        f"<tr><th>{html.escape(row)}</th>"
        + "".join(_heat_cell(cells.get((row, column)), greatest, form) for column in columns)
        + "</tr>"
        for row in rows
    )
    return f'<table class="heat">\n<tr><th>{html.escape(corner)}</th>{head}</tr>\n{body}\n</table>'


def bar_table(rows: Sequence[str], columns: Sequence[tuple[str, Format]], cells: Cells, *, corner: str) -> str:
    """A table with a bar in each cell: shares against 1, a column with values above 1 against its greatest."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name, _ in columns)
    tops = {name: max([1.0, *(cells[row, name] for row in rows if (row, name) in cells)]) for name, _ in columns}
    body = "\n".join(
        f"<tr><th>{html.escape(row)}</th>"
        + "".join(_bar_cell(cells.get((row, name)), tops[name], form) for name, form in columns)
        + "</tr>"
        for row in rows
    )
    return f'<table class="bars">\n<tr><th>{html.escape(corner)}</th>{head}</tr>\n{body}\n</table>'


def _heat_cell(value: float | None, greatest: float, form: Format) -> str:
    if value is None:
        return '<td class="none">·</td>'
    heat = value / greatest if greatest > 0 else 0.0
    red, green, blue = (round(255 + (end - 255) * heat) for end in _HOT)
    ink = "#fff" if heat > _DARK else _INK
    return f'<td style="background:rgb({red},{green},{blue});color:{ink}">{html.escape(form(value))}</td>'


def _bar_cell(value: float | None, top: float, form: Format) -> str:
    if value is None:
        return '<td class="none">·</td>'
    width = 100 * max(0.0, min(1.0, value / top))
    return (
        f'<td><span class="track"><span class="bar" style="width:{width:.1f}%"></span></span>'
        f"{html.escape(form(value))}</td>"
    )
