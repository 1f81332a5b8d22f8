"""Lines over time and curves as SVG, drawn by Matplotlib, as markup for a section's figure. Small ones: `small`."""
# matplotlib's signatures are partly untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

from markupsafe import Markup

from recs_platform.contracts.time import as_of_key
from recs_platform.pages.tables import Format
from recs_platform.pages.templating import render

Point = tuple[datetime, float]

_WIDTH, _HEIGHT = 10.8, 3.2  # inches
# Stand-ins: what is drawn in them becomes a variable of the page's style, which follows the reader's light or dark.
_STRONG, _GRID, _TEXT = "#010203", "#030201", "#020103"
_VARIABLES = {_STRONG: "var(--ink)", _GRID: "var(--line)", _TEXT: "var(--muted)"}
# Told apart by most eyes (Okabe and Ito 2008); the second round is dashed.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")
_AROUND = timedelta(days=1)
_NAMED_MAX = 5
_SALT = "recs_platform"
_METADATA = ("Date", "Creator", "Format", "Type")


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
    with _figure() as (figure, drawing):
        axes = figure.add_subplot(xlabel=x, ylabel=y)
        across, up, texts = zip(*points, strict=True)
        axes.plot(across, up, marker="o", markersize=4, color=_COLOURS[0])
        for at, value, text in zip(across, up, texts, strict=True):
            axes.annotate(text, (at, value), xytext=(5, 5), textcoords="offset points", fontsize=8)
        axes.grid(color=_GRID)
        axes.spines[["top", "right"]].set_visible(False)
    return drawing[0]


def _svg(lines: Sequence[Line], form: Format) -> str:
    with _figure() as (figure, drawing):
        axes = figure.add_subplot()
        others = [line for line in lines if not line.strong]
        for line in lines:
            instants, values = zip(*line.points, strict=True)
            axes.plot(instants, values, label=line.name, marker="o", markersize=4, **_style(line, others))
        axes.set_ylim(bottom=0)
        _set_dates(axes, sorted({at for line in lines for at, _ in line.points}))
        axes.yaxis.set_major_formatter(lambda value, _: form(value))  # pyright: ignore[reportUnknownLambdaType]
        axes.grid(axis="y", color=_GRID)
        axes.spines[["top", "right", "left"]].set_visible(False)
        figure.legend(loc="outside right upper", frameon=False)
    return drawing[0]


def _set_dates(axes: Any, instants: Sequence[datetime]) -> None:  # noqa: ANN401 - matplotlib is imported late
    """Few instants are named themselves: of one an axis would show years or hours."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if len(instants) == 1:
        axes.set_xlim(instants[0] - _AROUND, instants[0] + _AROUND)
    if instants[-1] - instants[0] <= (len(instants) - 1) * _AROUND and len(instants) <= _NAMED_MAX:
        axes.set_xticks(instants, [as_of_key(at) for at in instants])
        return
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


@contextmanager
def _figure() -> Generator[tuple[Any, list[str]], None, None]:
    """An empty figure, and where its markup will be once it has been drawn."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    coloured = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor")
    style = dict.fromkeys(coloured, _TEXT)
    with mpl.rc_context({"svg.hashsalt": _SALT, "svg.fonttype": "none", "font.family": "sans-serif", **style}):
        figure, drawing = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained"), list[str]()
        yield figure, drawing
        written = StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
        drawing.append(_for_page(written.getvalue()))


def _for_page(text: str) -> str:
    """The drawing with the page's colours, and ids that no other drawing of the page has."""
    text = text[text.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>c{mark}-", text)
    return re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text))


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
