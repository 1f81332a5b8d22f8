"""The page on segments: how the clusters were chosen, pictures, profiles, trials and explanations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recs_platform import pages
from recs_platform.contracts import columns as c
from recs_platform.pages import Section

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import polars as pl

    from recs_platform.stages.segments.factors import Explanation

TITLE = "Segments"
FEATURES_SHOWN = 5


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
    pages.write_page(path, TITLE, page.as_of, _sections(page))


def render_page(page: SegmentsPage) -> str:
    """One complete HTML document with its pictures inside; every value is escaped."""
    return pages.render_page(TITLE, page.as_of, _sections(page))


def _sections(page: SegmentsPage) -> list[Section]:
    import polars as pl

    profiles = page.profiles.filter(pl.col(c.RANK) <= FEATURES_SHOWN)
    return [
        Section("Segments", f"How the clusters were chosen: {page.reason}.", page.sizes),
        Section("Pictures", "A user is a dot; colours are segments.", pictures=page.plots),
        Section("Profiles", f"The {FEATURES_SHOWN} features in which a segment differs most from all users.", profiles),
        Section("Trials", "Every way of clustering that was tried, with the numbers it was judged by.", page.trials),
        Section(
            "Explanations",
            "A small decision tree for each target. It describes these users, not causes.",
            texts=[_explanation(each) for each in page.explanations],
        ),
    ]


def _explanation(found: Explanation) -> tuple[str, str, str]:
    text = (
        f"{found.accuracy:.0%} of {found.user_count} users are classified correctly; always naming the commonest value "
        f"would classify {found.commonest_share:.0%}."
    )
    return found.target, text, found.rules
