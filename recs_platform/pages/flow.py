"""How many go into each step of a way and what comes out, as boxes in a row; markup for a section's figure."""

from collections.abc import Sequence
from dataclasses import dataclass

from recs_platform.pages.templating import render


@dataclass(frozen=True)
class Step:
    """One box: a heading, what it comes to, and lines below."""

    heading: str
    amount: str
    lines: Sequence[str] = ()


def flow_chart(steps: Sequence[Step]) -> str:
    """The steps from left to right, one below the other on a narrow page."""
    return str(render("flow.html", steps=steps))
