"""Whole pages: a title, an as-of, and sections."""

from __future__ import annotations

import base64
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
    as it is. `pictures`: PNG by name. `texts`: (heading, sentence, preformatted text).
    """

    heading: str
    text: str
    table: pl.DataFrame | None = None
    links: Sequence[tuple[str, str]] = ()
    figure: str = ""
    pictures: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    texts: Sequence[tuple[str, str, str]] = ()

    @property
    def encoded_pictures(self) -> dict[str, str]:
        """The pictures as base64."""
        return {name: base64.b64encode(png).decode() for name, png in self.pictures.items()}


def render_page(title: str, as_of: datetime, sections: Sequence[Section]) -> str:
    """One complete HTML document; every value is escaped."""
    return str(render("page.html", title=title, as_of=as_of, sections=sections, verdict=c.VERDICT))


def write_page(path: Path, title: str, as_of: datetime, sections: Sequence[Section]) -> str:
    """Write the page, creating its folder; returns the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_page(title, as_of, sections), encoding="utf-8")
    return path.name
