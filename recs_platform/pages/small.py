"""Small charts without a library: dots with their intervals, and distributions before and now. Lines: `charts`."""

from collections.abc import Sequence
from dataclasses import dataclass

from recs_platform.pages.tables import Format
from recs_platform.pages.templating import render

_WIDTH, _BASE = 240.0, 80.0
_LABELS_MAX = 4
_LABEL_LENGTH = 10


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its interval, None where it has none; a strong one is drawn dark."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    strong: bool = False


@dataclass(frozen=True)
class Histogram:
    """Shares of bins, before and now; each side sums to 1 at most.

    `ticks`: the edges of the bins, one more than bins; or names of the bins, one each.
    """

    name: str
    text: str
    before: Sequence[float]
    now: Sequence[float]
    ticks: Sequence[str]

    @property
    def bars(self) -> list[tuple[str, str, float]]:
        """x, width and height of each bar of before."""
        step, top = _WIDTH / max(1, len(self.before)), self._top
        return [
            (f"{place * step:.1f}", f"{max(0.5, step - 1):.1f}", round(_BASE * share / top, 1))
            for place, share in enumerate(self.before)
        ]

    @property
    def path(self) -> str:
        """The outline of now, a step a bin."""
        step, top = _WIDTH / max(1, len(self.now)), self._top
        heights = [_BASE - _BASE * share / top for share in self.now]
        steps = [f"V{height:.1f}H{(place + 1) * step:.1f}" for place, height in enumerate(heights)]
        return "M0 80" + "".join(steps) + "V80"

    @property
    def labels(self) -> list[tuple[str, str, str]]:
        """x, anchor and text: the ends of a range; a name below each category."""
        names = [str(name) for name in self.ticks]
        if len(names) > len(self.before):
            return [("0", "start", names[0]), (f"{_WIDTH:.0f}", "end", names[-1])]
        step = _WIDTH / max(1, len(names))
        anchor = "end" if self.is_slanted else "middle"
        return [(f"{(place + 0.5) * step:.1f}", anchor, _cut(name)) for place, name in enumerate(names)]

    @property
    def is_slanted(self) -> bool:
        """Whether names are too many to stand side by side."""
        return _LABELS_MAX < len(self.ticks) <= len(self.before)

    @property
    def _top(self) -> float:
        return max([*self.before, *self.now, 1e-9])


def interval_table(
    rows: Sequence[Interval],
    *,
    corner: str,
    title: str,
    form: Format,
    rule: float | None = None,
    figures: str = "95 % interval",
) -> str:
    """A row a value: its name, a dot with its interval on one scale, and both in figures; `rule` is a dashed line.

    `figures`: what they are.
    The scale holds 0 and every end. Empty without a row.
    """
    if not rows:
        return ""
    ends = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    least, greatest = min([0.0, *ends]), max([0.0, *ends])
    span = (greatest - least) * 1.04 or 1.0

    def place(value: float) -> str:
        return f"{100 * (value - least) / span + 1:.1f}"

    def width(low: float, high: float) -> str:
        return f"{100 * (high - low) / span:.1f}"

    return str(
        render(
            "interval_table.html",
            rows=rows,
            corner=corner,
            title=title,
            form=form,
            rule=rule,
            figures=figures,
            place=place,
            width=width,
        )
    )


def histograms(charts: Sequence[Histogram]) -> str:
    """Small charts side by side: bars are before, the line is now. Empty without one."""
    return str(render("histograms.html", charts=charts)) if charts else ""


def _cut(text: str) -> str:
    return text if len(text) <= _LABEL_LENGTH else text[: _LABEL_LENGTH - 1] + "…"
