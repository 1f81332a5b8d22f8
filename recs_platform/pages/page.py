"""Whole pages: a head with facts and verdicts, contents, sections. Tables and charts are made in the files beside."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.pages.templating import render

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl


@dataclass(frozen=True)
class Section:
    """A heading and a sentence, then whatever is given, in the order of the fields.

    `links`: (text, file name in the same folder). `figure`: markup from `charts` or `tables`, which goes into the page
    as it is. `pictures`: PNG by name. `texts`: (heading, sentence, preformatted text). `folded`: (summary, table) that
    a reader unfolds.
    """

    heading: str
    text: str
    table: pl.DataFrame | None = None
    links: Sequence[tuple[str, str]] = ()
    figure: str = ""
    pictures: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    texts: Sequence[tuple[str, str, str]] = ()
    folded: Sequence[tuple[str, pl.DataFrame]] = ()

    @property
    def encoded_pictures(self) -> dict[str, str]:
        """The pictures as base64."""
        return {name: base64.b64encode(png).decode() for name, png in self.pictures.items()}


@dataclass(frozen=True)
class Head:
    """What stands above the sections.

    `facts`: what the page was made from, by name; one that is not known yet may be stamped later. `verdicts`: rows
    with subject, verdict, message, value, threshold and sample_size. `index`: address of the page of all pages.
    """

    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    verdicts: pl.DataFrame | None = None
    index: str = ""


def render_page(title: str, as_of: datetime | None, sections: Sequence[Section], head: Head | None = None) -> str:
    """One complete HTML document; every value is escaped."""
    return str(
        render(
            "page.html",
            title=title,
            as_of=as_of,
            sections=sections,
            anchors=_anchors([section.heading for section in sections]),
            verdict=c.VERDICT,
            head=head or Head(),
        )
    )


def write_page(
    path: Path, title: str, as_of: datetime | None, sections: Sequence[Section], head: Head | None = None
) -> str:
    """Write the page, creating its folder; returns the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(title, as_of, sections, head), encoding="utf-8")
    return path.name


def stamped(page: str, facts: Mapping[str, str]) -> str:
    """The page with facts of its head that became known after it was written; others are left as they are."""
    for name, value in facts.items():
        marker = re.escape(f'data-fact="{html.escape(name)}">')
        page = re.sub(f"({marker})[^<]*", lambda found, text=value: found[1] + html.escape(text), page, count=1)
    return page


def _anchors(headings: Sequence[str]) -> list[str]:
    """Ids of headings: their words; a second one alike gets its number.

    >>> _anchors(["By segment", "By segment", "<>"])
    ['by-segment', 'by-segment-2', 'section-3']
    """
    found: list[str] = []
    for number, heading in enumerate(headings, start=1):
        words = "-".join(re.findall(r"[a-z0-9]+", heading.lower())) or "section"
        is_free = words != "section" and words not in found
        found.append(words if is_free else f"{words}-{number}")
    return found
