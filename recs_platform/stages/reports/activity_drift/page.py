"""The page: a section a kind, what moved furthest first as bars before and a line now, all rows folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.pages import Histogram, Section, histograms
from recs_platform.stages.reports.activity_drift.kinds import KINDS
from recs_platform.stages.reports.activity_drift.measures import Compared
from recs_platform.stages.reports.activity_drift.periods import EVERY, Mix, Spread

if TYPE_CHECKING:
    import polars as pl

_CHARTS_MAX = 8
_VALUES_MAX = 8
_BINS = 20
# What a reader calls the methods.
_DISTANCES = {"jensenshannon": "Jensen-Shannon distance", "wasserstein": "Wasserstein distance"}
_HIDDEN = (c.AS_OF, c.KIND, c.PROFILE, c.RANKER_VERSION)


def sections(compared: Sequence[Compared], rows: pl.DataFrame) -> list[Section]:
    """A section a kind; `rows` are those of `compared`, in the same order."""
    found: list[Section] = []
    told = list(zip(compared, rows.iter_rows(named=True), strict=True))
    for kind in KINDS:
        own = [(one, row) for one, row in told if row[c.KIND] == kind.name]
        charts = [_chart(one, row) for one, row in sorted(own, key=_order) if row[c.VALUE] is not None]
        said = kind.text if charts else f"{kind.text} Too little could be compared yet."
        table = rows.filter(rows[c.KIND] == kind.name).drop(*_HIDDEN)
        folded = [(counted(table.height, "row"), table)] if table.height else []
        found.append(Section(kind.title, said, figure=histograms(charts[:_CHARTS_MAX]), folded=folded))
    return found


def _order(told: tuple[Compared, dict[str, Any]]) -> tuple[bool, bool, float]:
    """What drifted first, then everybody, then whatever is furthest."""
    _, row = told
    is_part = row[c.SEGMENT] != EVERY or row[c.SOURCE] != EVERY
    return not row[c.IS_DRIFTED], is_part, -(row[c.VALUE] or 0.0) / (row[c.THRESHOLD] or 1.0)


def _chart(one: Compared, row: dict[str, Any]) -> Histogram:
    parts = [row[c.DIMENSION], *(name for name in (row[c.SEGMENT], row[c.SOURCE]) if name != EVERY)]
    distance = f"{_DISTANCES[row[c.METHOD]]} {row[c.VALUE]:.2f}"
    told = f"{distance}, limit {row[c.THRESHOLD]:.2f}; {one.compared_with}"
    text = f"{told}; {row[c.PROPOSAL]}" if row[c.PROPOSAL] else told
    name = ", ".join(parts)
    return _of_spread(one.of, name, text) if isinstance(one.of, Spread) else _of_mix(one.of, one, name, text)


def _of_mix(mix: Mix, one: Compared, name: str, text: str) -> Histogram:
    now = mix.now.shares
    sums = {value: one.before.get(value, 0.0) + now.get(value, 0.0) for value in {*one.before, *now}}
    most = sorted(sums, key=lambda value: (-sums[value], value))[:_VALUES_MAX]
    if one.measured.value is not None and len(sums) > len(most):
        furthest = max(sums, key=lambda value: abs(one.before.get(value, 0.0) - now.get(value, 0.0)))
        most = most if furthest in most else [*most[:-1], furthest]
    return Histogram(name, text, [one.before.get(value, 0.0) for value in most], [now.get(v, 0.0) for v in most], most)


def _of_spread(spread: Spread, name: str, text: str) -> Histogram:
    import numpy as np

    before, now = spread.past[0], spread.now
    low, high = float(min(before[1], now[1])), float(max(before[-2], now[-2]))
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    left, right = (
        (np.histogram(each.clip(edges[0], edges[-1]), edges)[0] / len(each)).tolist() for each in (before, now)
    )
    return Histogram(name, text, left, right, [f"{edge:.3g}" for edge in edges])
