"""Tables of numbers that are seen before they are read: shaded cells and bars, as markup for a section's figure."""

from collections.abc import Callable, Mapping, Sequence

from recs_platform.pages.templating import render

Format = Callable[[float], str]
Cells = Mapping[tuple[str, str], float]

# From this share of the full colour on, white text is read more easily than dark text.
_DARK = 0.7


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


def decimals(value: float) -> str:
    """A number near 0 or 1 as text, to three places.

    >>> decimals(0.12345), decimals(-0.5)
    ('.123', '-.500')
    """
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def heat_table(rows: Sequence[str], columns: Sequence[str], cells: Cells, *, corner: str, form: Format) -> str:
    """A table whose cells have the more colour the greater their value; a dot where there is none."""
    greatest = max(cells.values(), default=0.0)

    def heat(value: float) -> float:
        return max(0.0, value / greatest) if greatest > 0 else 0.0

    return str(
        render(
            "heat_table.html", rows=rows, columns=columns, cells=cells, corner=corner, form=form, heat=heat, dark=_DARK
        )
    )


def bar_table(
    rows: Sequence[str],
    columns: Sequence[tuple[str, Format]],
    cells: Cells,
    *,
    corner: str,
    together: bool = False,
) -> str:
    """A table with a bar in each cell: shares against 1, a column with values above 1 against its greatest.

    `together`: bars of all columns are against the greatest cell of the table, so that they compare.
    """
    tops = {name: max([1.0, *(cells[row, name] for row in rows if (row, name) in cells)]) for name, _ in columns}
    if together:
        tops = dict.fromkeys(tops, max([*cells.values()], default=1.0) or 1.0)

    def width(value: float, column: str) -> str:
        return f"{100 * max(0.0, min(1.0, value / tops[column])):.1f}"

    return str(render("bar_table.html", rows=rows, columns=columns, cells=cells, corner=corner, width=width))
