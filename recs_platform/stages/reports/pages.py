"""HTML pages for reports: headings, sentences, tables, figures; no script. What they say is decided elsewhere."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2733; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: .5rem 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #dde3ea; }
th { text-align: left; font-weight: 600; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.pass { color: #1a7f37; } td.warn { color: #9a6700; } td.block { color: #b42318; } td.no_data { color: #6b7785; }
table.heat th, table.heat td { padding: .25rem .45rem; font-size: .85rem; }
table.heat td { text-align: right; font-variant-numeric: tabular-nums; border-bottom: 1px solid #fff; }
table.heat tr:first-child th { vertical-align: bottom; }
table.heat tr:first-child th span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
table.heat td.none, table.bars td.none { color: #b6c0ca; text-align: center; }
table.bars td { font-variant-numeric: tabular-nums; white-space: nowrap; }
.track { display: inline-block; width: 7rem; height: .7rem; margin-right: .6rem; background: #eef2f6; }
.bar { display: block; height: 100%; background: #3b82c4; }
figure { margin: 1rem 0 1.5rem; } figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { width: 100%; height: auto; } svg { font: 12px system-ui, sans-serif; fill: #55626f; }
"""


@dataclass(frozen=True)
class Section:
    """A heading, a sentence, and a table or a figure or neither; `links` are (text, file name in the same folder).

    `figure`: markup from `charts`, which goes into the page as it is.
    """

    heading: str
    text: str
    table: pl.DataFrame | None = None
    links: Sequence[tuple[str, str]] = field(default=())
    figure: str = ""


def render_page(title: str, as_of: datetime, sections: Sequence[Section]) -> str:
    """One complete HTML document; every value is escaped."""
    heading = html.escape(title)
    body = "\n".join(_section(section) for section in sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{heading}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{heading}</h1>\n"
        f"<p>As of {html.escape(as_of.isoformat())}.</p>\n{body}\n</body>\n</html>\n"
    )


def write_page(path: Path, title: str, as_of: datetime, sections: Sequence[Section]) -> str:
    """Write the page, creating its folder; returns the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(title, as_of, sections), encoding="utf-8")
    return path.name


def _section(section: Section) -> str:
    links = "".join(f'<p><a href="{html.escape(href)}">{html.escape(text)}</a></p>\n' for text, href in section.links)
    table = "" if section.table is None else _table(section.table)
    return (
        f"<h2>{html.escape(section.heading)}</h2>\n<p>{html.escape(section.text)}</p>\n{links}{section.figure}{table}"
    )


def _table(frame: pl.DataFrame) -> str:
    if frame.is_empty():
        return "<p>No rows.</p>"
    header = "".join(f"<th>{html.escape(name)}</th>" for name in frame.columns)
    rows = "\n".join(
        "<tr>" + "".join(_cell(name, value) for name, value in zip(frame.columns, row, strict=True)) + "</tr>"
        for row in frame.iter_rows()
    )
    return f"<table>\n<tr>{header}</tr>\n{rows}\n</table>"


def _cell(name: str, value: object) -> str:
    text = html.escape(_text(value))
    if name == c.VERDICT:
        return f'<td class="{text}">{text}</td>'
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td class="number">{text}</td>'
    return f"<td>{text}</td>"


def _text(value: object) -> str:
    match value:
        case None:
            return "–"  # noqa: RUF001  a dash, as tables write it
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4f}"
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
