"""The page of the drift report: what drifted, furthest first, with distributions before and now; the rest folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.pages import Histogram, Section, histograms
from recs_platform.pages.templating import instant
from recs_platform.stages.reports.drift_measures import DriftConfig, by_distance, sample_rows

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.stages.reports.inputs import ReportInputs

_CHARTS_MAX = 12
_BINS = 24
_CATEGORIES_MAX = 8
_ROWS_DRAWN = 2_000
_TAILS = (0.01, 0.99)
_SHOWN = [
    c.TABLE_NAME, c.COLUMN_NAME, c.METHOD, c.VALUE, c.THRESHOLD, c.USUAL_DISTANCE, c.N_PERIODS, c.P_VALUE, c.GAIN_SHARE,
    c.SAMPLE_SIZE, c.UPSTREAM, c.PROPOSAL,
]  # fmt: skip


def sections(
    inputs: ReportInputs, drift: pl.DataFrame, config: DriftConfig, pages: Sequence[tuple[str, str]]
) -> list[Section]:
    """Sections of the page; `pages` are those of Evidently, (text, file name)."""
    if inputs.reference_as_of is None:
        return [Section("Features", "There is no earlier as-of to compare with.")]
    ordered = by_distance(drift)
    moved, still = ordered.filter(c.IS_DRIFTED), ordered.filter(~ordered[c.IS_DRIFTED])
    text = (
        f"Features as of {instant(inputs.as_of)} beside the same SQL as of {instant(inputs.reference_as_of)}, at most "
        f"{config.sample_rows:,} users or items a side. A feature drifted if it moved more than in the periods before, "
        f"or than chance moves it, by {config.distance:g} or more; so many features are looked at that single ones are "
        f"corrected for it: a quiet table raises an alarm {config.alarm_rate:.0%} of the time at most."
    )
    drifted = Section(
        "What drifted",
        f"{text} Of {drift.height} features {moved.height or 'none'} did.",
        table=moved.select(_SHOWN) if moved.height else None,
        links=pages,
        figure=histograms([_chart(inputs, row) for row in moved.head(_CHARTS_MAX).iter_rows(named=True)]),
    )
    rest = Section(
        "What did not",
        "Nearest to its threshold first; features without a value could not be compared.",
        folded=[(f"{still.height} features", still.select(_SHOWN[:-2]))],
    )
    return [drifted, rest]


def _chart(inputs: ReportInputs, row: dict[str, object]) -> Histogram:
    """Distributions of one feature: bars are the reference, the line is now."""
    table, name = str(row[c.TABLE_NAME]), str(row[c.COLUMN_NAME])
    before, now = (
        sample_rows(frames[table], _ROWS_DRAWN, seed=inputs.seed, columns=[name])[name].drop_nulls()
        for frames in (inputs.reference_features, inputs.current_features)
    )
    text = f"{row[c.METHOD]} {row[c.VALUE]:.2f}, limit {row[c.THRESHOLD]:.2f}; {row[c.PROPOSAL]}"
    if before.dtype.is_numeric():
        return _of_numbers(name, text, before, now)
    return _of_categories(name, text, before, now)


def _of_numbers(name: str, text: str, before: pl.Series, now: pl.Series) -> Histogram:
    import numpy as np
    import polars as pl

    left, right = (side.cast(pl.Float64).to_numpy() for side in (before, now))
    together = np.concatenate([left, right])
    low, high = np.quantile(together, _TAILS) if len(together) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    shares = [
        (np.histogram(side.clip(edges[0], edges[-1]), edges)[0] / max(1, len(side))).tolist() for side in (left, right)
    ]
    return Histogram(name, text, shares[0], shares[1], [f"{edge:.4g}" for edge in edges])


def _of_categories(name: str, text: str, before: pl.Series, now: pl.Series) -> Histogram:
    import polars as pl

    sides = [side.cast(pl.String).to_list() for side in (before, now)]
    counts = {value: [side.count(value) / max(1, len(side)) for side in sides] for value in {*sides[0], *sides[1]}}
    most = sorted(counts, key=lambda value: (-sum(counts[value]), value))[:_CATEGORIES_MAX]
    return Histogram(name, text, [counts[value][0] for value in most], [counts[value][1] for value in most], most)
