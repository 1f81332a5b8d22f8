"""A grid of verdicts: a row an as-of, a column a report. Tables of numbers are in `tables`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recs_platform.pages.templating import render


@dataclass(frozen=True)
class Badge:
    """A verdict, with what it says on hovering, and the page it opens; no page where `href` is empty."""

    verdict: str
    text: str = ""
    href: str = ""


def verdict_grid(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Mapping[tuple[str, str], Badge],
    *,
    corner: str,
    notes: Mapping[str, tuple[str, str]],
) -> str:
    """The grid; a dot where there is no verdict.

    `notes` (text, address or nothing) stand below the names of rows, which are ids of the page.
    """
    return str(render("verdict_grid.html", rows=rows, columns=columns, cells=cells, corner=corner, notes=notes))
