"""Lines over time as SVG, drawn by Matplotlib, as markup for a section's figure."""
# matplotlib's signatures are partly untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import StringIO
from typing import Any

from markupsafe import Markup

from recs_platform.pages.tables import Format
from recs_platform.pages.templating import render

Point = tuple[datetime, float]

_WIDTH, _HEIGHT = 10.8, 3.2  # inches
_STRONG, _GRID = "#1c2733", "#dde3ea"
# Told apart by most eyes (Okabe and Ito 2008); the second round is dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")
_SALT = "recs_platform"


@dataclass(frozen=True)
class Line:
    """One line of a chart: (UTC instant, value), ascending; a strong one is drawn dark and thick."""

    name: str
    points: Sequence[Point]
    strong: bool = False


def line_chart(lines: Sequence[Line], *, title: str, form: Format) -> str:
    """Lines over time from 0 upwards, with a legend; empty without a point. The same values give the same text."""
    drawn = [line for line in lines if line.points]
    if not drawn:
        return ""
    return str(render("figure.html", title=title, drawing=Markup(_svg(drawn, form))))  # noqa: S704  Matplotlib escapes


def curve_chart(points: Sequence[tuple[float, float, str]], *, x: str, y: str) -> str:
    """A curve through points (x, y, what is written beside it) in the order given; empty without a point."""
    if not points:
        return ""
    return str(render("figure.html", title=f"{y} against {x}", drawing=Markup(_curve(points, x, y))))  # noqa: S704


def _curve(points: Sequence[tuple[float, float, str]], x: str, y: str) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": _SALT, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        axes = figure.add_subplot(xlabel=x, ylabel=y)
        across, up, texts = zip(*points, strict=True)
        axes.plot(across, up, marker="o", markersize=4, color=_COLOURS[0])
        for at, value, text in zip(across, up, texts, strict=True):
            axes.annotate(text, (at, value), xytext=(5, 5), textcoords="offset points", fontsize=8)
        axes.grid(color=_GRID)
        axes.spines[["top", "right"]].set_visible(False)
        drawing = StringIO()
        figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None})
    text = drawing.getvalue()
    return text[text.index("<svg") :]


def _svg(lines: Sequence[Line], form: Format) -> str:
    import matplotlib as mpl
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": _SALT, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        axes = figure.add_subplot()
        others = [line for line in lines if not line.strong]
        for line in lines:
            instants, values = zip(*line.points, strict=True)
            axes.plot(instants, values, label=line.name, marker="o", markersize=4, **_style(line, others))
        axes.set_ylim(bottom=0)
        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.yaxis.set_major_formatter(lambda value, _: form(value))
        axes.grid(axis="y", color=_GRID)
        axes.spines[["top", "right", "left"]].set_visible(False)
        figure.legend(loc="outside right upper", frameon=False)
        drawing = StringIO()
        figure.savefig(drawing, format="svg", metadata={"Date": None, "Creator": None})
    text = drawing.getvalue()
    return text[text.index("<svg") :]


def _style(line: Line, others: Sequence[Line]) -> dict[str, Any]:
    """Colour and stroke of a line, by its index among those that are not strong."""
    if line.strong:
        return {"color": _STRONG, "linewidth": 2.5}
    index = others.index(line)
    dashed = (index // len(_COLOURS)) % 2
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "linewidth": 1.4,
        "linestyle": "--" if dashed else "-",
    }
