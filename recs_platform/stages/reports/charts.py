"""Lines over time as SVG text, for the pages of reports. What they show is decided elsewhere.

No script and no file beside the page; every name is escaped, and the same values give the same text.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from recs_platform.stages.reports.shading import Format

Point = tuple[datetime, float]

WIDTH, HEIGHT = 1080, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 170, 12, 30
_LABEL_STEP = 14.0
_TICKS, _DATES = 4, 8
_STRONG = "#1c2733"
# Told apart by most eyes; the second round is dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")


@dataclass(frozen=True)
class Line:
    """One line of a chart: (UTC instant, value), ascending; a strong one is drawn dark and thick."""

    name: str
    points: Sequence[Point]
    strong: bool = False


def line_chart(lines: Sequence[Line], *, title: str, form: Format) -> str:
    """Lines over time from 0 upwards, named at their right ends; empty without a point."""
    drawn = [line for line in lines if line.points]
    if not drawn:
        return ""
    instants = sorted({instant for line in drawn for instant, _ in line.points})
    top = _round_up(max(value for line in drawn for _, value in line.points))
    span = (instants[-1] - instants[0]).total_seconds()

    def x(instant: datetime) -> float:
        share = (instant - instants[0]).total_seconds() / span if span else 0.5
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - value / top * (HEIGHT - _TOP - _BOTTOM)

    styles = _styles(drawn)
    parts = [
        *_grid(top, y, form),
        *_dates(instants, x),
        *(_polyline(line, styles[line.name], x, y, form) for line in drawn),
        *_names(drawn, styles, y),
    ]
    return (
        f'<figure><figcaption>{html.escape(title)}</figcaption>\n<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{html.escape(title)}">\n' + "\n".join(parts) + "\n</svg></figure>"
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 2.5, 4, 5, 8, 10 times a power of ten, so that ticks are round; 1 for nothing above 0."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 4, 5, 8, 10) if step * power >= value * (1 - 1e-9))


def _styles(lines: Sequence[Line]) -> dict[str, tuple[str, str]]:
    """Colour and further attributes of each line, by its place among those that are not strong."""
    styles: dict[str, tuple[str, str]] = {line.name: (_STRONG, ' stroke-width="3"') for line in lines if line.strong}
    for place, line in enumerate(line for line in lines if not line.strong):
        dashed = ' stroke-dasharray="6 4"' if (place // len(_COLOURS)) % 2 else ""
        styles[line.name] = (_COLOURS[place % len(_COLOURS)], f' stroke-width="1.6"{dashed}')
    return styles


def _grid(top: float, y: Callable[[float], float], form: Format) -> list[str]:
    ticks = [top * step / _TICKS for step in range(_TICKS + 1)]
    return [
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#dde3ea"/>'
        f'<text x="{_LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{html.escape(form(tick))}</text>'
        for tick in ticks
    ]


def _dates(instants: Sequence[datetime], x: Callable[[datetime], float]) -> list[str]:
    every = max(1, math.ceil(len(instants) / _DATES))
    shown = instants[::-1][::every][::-1]
    return [
        f'<text x="{x(instant):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{_when(instant)}</text>' for instant in shown
    ]


def _when(instant: datetime) -> str:
    utc = instant.astimezone(UTC)
    return f"{utc:%Y-%m-%d}" if (utc.hour, utc.minute) == (0, 0) else f"{utc:%m-%d %H:%M}"


def _polyline(
    line: Line, style: tuple[str, str], x: Callable[[datetime], float], y: Callable[[float], float], form: Format
) -> str:
    colour, more = style
    path = " ".join(f"{x(instant):.1f},{y(value):.1f}" for instant, value in line.points)
    dots = "".join(
        f'<circle cx="{x(instant):.1f}" cy="{y(value):.1f}" r="{4 if line.strong else 3}" fill="{colour}">'
        f"<title>{html.escape(line.name)}, {_when(instant)}: {html.escape(form(value))}</title></circle>"
        for instant, value in line.points
    )
    return f'<polyline points="{path}" fill="none" stroke="{colour}"{more}/>{dots}'


def _names(lines: Sequence[Line], styles: Mapping[str, tuple[str, str]], y: Callable[[float], float]) -> list[str]:
    """Names at the heights of the last points, moved apart where they would lie on each other."""
    ordered = sorted(lines, key=lambda line: (y(line.points[-1][1]), line.name))
    lowest = HEIGHT - _BOTTOM
    heights: list[float] = []
    for line in ordered:
        wanted = y(line.points[-1][1])
        heights.append(max(wanted, heights[-1] + _LABEL_STEP) if heights else wanted)
    for place in range(len(heights) - 1, -1, -1):
        below = heights[place + 1] - _LABEL_STEP if place + 1 < len(heights) else lowest
        heights[place] = min(heights[place], below)
    heavy = {line.name: ' font-weight="600"' if line.strong else "" for line in ordered}
    return [
        f'<text x="{WIDTH - _RIGHT + 12}" y="{height + 4:.1f}" fill="{styles[line.name][0]}"{heavy[line.name]}>'
        f"{html.escape(line.name)}</text>"
        for line, height in zip(ordered, heights, strict=True)
    ]
