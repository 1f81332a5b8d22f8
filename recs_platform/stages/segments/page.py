"""The page on segments: one HTML file with its pictures inside, no script. What it says is decided elsewhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from recs_platform.stages.segments.factors import Explanation

FEATURES_SHOWN = 5

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2733; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; margin: .5rem 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #dde3ea; }
th { text-align: left; font-weight: 600; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: #f4f6f8; padding: .7rem; overflow-x: auto; } img { max-width: 100%; }
"""


@dataclass(frozen=True)
class SegmentsPage:
    """All the page shows: sizes (segment_id, segment_name, user_count, user_share), rows of the tables, PNG by name."""

    as_of: datetime
    reason: str
    sizes: pl.DataFrame
    trials: pl.DataFrame
    profiles: pl.DataFrame
    explanations: Sequence[Explanation]
    plots: Mapping[str, bytes]


def write_page(path: Path, page: SegmentsPage) -> None:
    """Write the page, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(page), encoding="utf-8")


def render_page(page: SegmentsPage) -> str:
    """One complete HTML document; every value is escaped."""
    import polars as pl

    told = page.profiles.filter(pl.col(c.RANK) <= FEATURES_SHOWN)
    sections = (
        _section("Segments", f"How the clusters were chosen: {page.reason}.", _table(page.sizes)),
        _section("Pictures", "A user is a dot; colours are segments.", "\n".join(map(_image, page.plots.items()))),
        _section(
            "What sets them apart", f"The {FEATURES_SHOWN} features that differ most from all users.", _table(told)
        ),
        _section("What was tried", "Every way of clustering, with the numbers it was judged by.", _table(page.trials)),
        _section(
            "What tells them apart",
            "A small decision tree for each target. It describes these users; it says nothing of causes.",
            "\n".join(map(_explanation, page.explanations)),
        ),
    )
    body = "\n".join(sections)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Segments</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>Segments</h1>\n"
        f"<p>As of {html.escape(page.as_of.isoformat())}.</p>\n{body}\n</body>\n</html>\n"
    )


def _section(heading: str, text: str, content: str) -> str:
    return f"<h2>{html.escape(heading)}</h2>\n<p>{html.escape(text)}</p>\n{content or '<p>Nothing.</p>'}"


def _image(picture: tuple[str, bytes]) -> str:
    name, png = picture
    return f'<p><img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(png).decode()}"></p>'


def _explanation(told: Explanation) -> str:
    text = (
        f"{told.accuracy:.0%} of {told.user_count} users are placed rightly; always naming the commonest value would"
        f" place {told.commonest_share:.0%}."
    )
    return f"<h3>{html.escape(told.target)}</h3>\n<p>{text}</p>\n<pre>{html.escape(told.rules)}</pre>"


def _table(frame: pl.DataFrame) -> str:
    if frame.is_empty():
        return "<p>No rows.</p>"
    header = "".join(f"<th>{html.escape(name)}</th>" for name in frame.columns)
    rows = "\n".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in frame.iter_rows())
    return f"<table>\n<tr>{header}</tr>\n{rows}\n</table>"


def _cell(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return f"<td>{'–' if value is None else 'yes' if value else 'no'}</td>"  # noqa: RUF001  a dash, as tables write it
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    kind = ' class="number"' if isinstance(value, int | float) else ""
    return f"<td{kind}>{html.escape(text)}</td>"
