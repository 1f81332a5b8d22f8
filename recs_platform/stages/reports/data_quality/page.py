"""The page: a section a kind with what is unusual first, each value on the band of its past; all rows folded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.contracts.tables import EVENTS
from recs_platform.pages import Interval, Line, Section, amount, interval_table, line_chart, percent
from recs_platform.stages.reports.data_quality.facts import (
    DUPLICATES,
    EVERY,
    FRESHNESS,
    INTEGRITY,
    NULLS,
    QUARANTINE,
    RANGES,
    VOLUMES,
    DataQualityConfig,
)
from recs_platform.stages.reports.verdicts import NO_DATA

_ROWS_MAX = 12
_LINES_MAX = 8
Form = Callable[[float], str]
_ORDER = ("warn", "pass", NO_DATA)


def sections(rows: pl.DataFrame, daily: pl.DataFrame, as_of: datetime, config: DataQualityConfig) -> list[Section]:
    """A section a kind; of ranges a table only, whose values have no common scale."""
    return [_section(rows.filter(pl.col(c.KIND) == kind), kind, daily, as_of, config) for kind in _texts(config)]


def _texts(config: DataQualityConfig) -> dict[str, tuple[str, str]]:
    """Heading and sentence of each kind, in the order of the page."""
    nulls = f"""Share of rows without a value, of the newest day or ingestion, beside those before it; warns above the
        band, which is {percent(config.null_share)} wide at least. Filled of expected: values beside what the same event
        types, or earlier ingestions, let expect."""
    ranges = f"""Mean of the newest day beside the days before, warns from a change of {percent(config.mean_change)};
        least and greatest value warn {config.range_factor:g} widths beyond the range of those days."""
    volumes = f"""Events of the newest day that is over, beside its weekday in the weeks before, or days; warns
        below 1/{config.volume_factor:g} and above {config.volume_factor:g} times, further where days differ more."""
    freshness = f"""Days without an event until the as-of, beside the longest gap before; days since a file came when
        the run began, warns from {config.gap_factor:g} times the longest wait before."""
    unknown = f"""Share of events whose item is in no catalogue, whose user in no profile; warns above the band, which
        is {percent(config.unknown_share)} wide at least."""
    found = {
        NULLS: ("Nulls", nulls),
        RANGES: ("Ranges", ranges),
        VOLUMES: ("Volumes", volumes),
        FRESHNESS: ("Freshness", freshness),
        DUPLICATES: ("Duplicates", "Share of events that were there already, of each source's newest ingestion."),
        INTEGRITY: ("Referential integrity", unknown),
        QUARANTINE: ("Quarantine", "Share of rows that were rejected, of each source's newest ingestion."),
    }
    return {kind: (title, " ".join(text.split())) for kind, (title, text) in found.items()}


def _section(rows: pl.DataFrame, kind: str, daily: pl.DataFrame, as_of: datetime, config: DataQualityConfig) -> Section:
    title, text = _texts(config)[kind]
    ordered = _ordered(rows)
    # What could not be judged has no band to be drawn on; it is among the folded rows, with the reason.
    known = ordered.filter(pl.col(c.VERDICT) != NO_DATA, pl.col(c.USUAL_VALUE).is_not_null())
    shown = ordered.drop(c.AS_OF, c.KIND)
    folded = [(counted(shown.height, "row"), shown)] if shown.height else []
    said = text if known.height else f"{text} There is nothing to compare yet."
    if kind == RANGES:
        return Section(title, said, table=_ranges(known) if known.height else None, folded=folded)
    lines = _by_day(daily, as_of) if kind == VOLUMES else ""
    form = amount if kind in {VOLUMES, FRESHNESS} else percent
    bars = [_bar(row) for row in _each_column_first(known).head(_ROWS_MAX).iter_rows(named=True)]
    figure = interval_table(bars, corner=title.lower(), title="now, on its usual band", form=form, figures="now, band")
    return Section(title, said, figure=lines + figure, folded=folded)


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    """What warns first, then by how surprising it is, then by whose it is."""
    place = pl.col(c.VERDICT).replace_strict(_ORDER, range(len(_ORDER)), return_dtype=pl.Int32)
    moved = (pl.col(c.VALUE) - pl.col(c.USUAL_VALUE)).abs() * -1
    keys = [
        place,
        pl.col(c.P_VALUE),
        moved,
        pl.col(c.TABLE_NAME),
        pl.col(c.COLUMN_NAME),
        pl.col(c.SOURCE),
        pl.col(c.SEGMENT),
    ]
    return rows.sort(*keys, pl.col(c.METRIC), nulls_last=True)


def _each_column_first(rows: pl.DataFrame) -> pl.DataFrame:
    """The first row of each column and source, then the others: one that is gone everywhere would fill the table.

    What warns stays before what does not.
    """
    nth = pl.int_range(pl.len()).over(c.VERDICT, c.TABLE_NAME, c.COLUMN_NAME, c.SOURCE)
    return rows.sort(pl.col(c.VERDICT) != "warn", nth > 0, maintain_order=True)


def _bar(row: dict[str, Any]) -> Interval:
    low = row[c.USUAL_LOW] if row[c.USUAL_LOW] is not None else 0.0
    top = row[c.USUAL_HIGH] if row[c.USUAL_HIGH] is not None else max(row[c.USUAL_VALUE], low)
    is_share = row[c.METRIC].endswith("share")
    return Interval(_name(row), row[c.VALUE], low, min(top, 1.0) if is_share else top, strong=row[c.VERDICT] == "warn")


def _name(row: dict[str, Any]) -> str:
    """Whose the value is: the column first, `raw.` left out as every table has it."""
    table = row[c.TABLE_NAME].split(".")[-1]
    whole = row[c.COLUMN_NAME] == EVERY
    parts = [
        table if whole else row[c.COLUMN_NAME],
        *(row[name] for name in (c.SEGMENT, c.SOURCE) if row[name] != EVERY),
    ]
    if not whole and table != EVENTS.table:
        parts[0] = f"{parts[0]} of {table}"
    metric = row[c.METRIC]
    return ", ".join(parts) + ("" if metric.endswith(("_share", "_count")) else f": {metric.replace('_', ' ')}")


def _ranges(known: pl.DataFrame) -> pl.DataFrame:
    shown = [c.COLUMN_NAME, c.SOURCE, c.SEGMENT, c.METRIC, c.VALUE, c.USUAL_LOW, c.USUAL_HIGH, c.VERDICT]
    return known.select(shown).head(2 * _ROWS_MAX)


def _by_day(daily: pl.DataFrame, as_of: datetime) -> str:
    """A line a source: events of each day, the newest left out, which may not be over."""
    by_day = daily.group_by(c.SOURCE, c.DAYS_AGO).agg(pl.sum(c.EVENT_COUNT)).filter(pl.col(c.DAYS_AGO) > 0)
    largest = (
        by_day.group_by(c.SOURCE).agg(pl.sum(c.EVENT_COUNT)).sort(c.EVENT_COUNT, c.SOURCE, descending=[True, False])
    )
    lines = [
        Line(
            source,
            [
                (as_of - timedelta(days=ago + 1), float(events))
                for ago, events in by_day.filter(pl.col(c.SOURCE) == source)
                .sort(c.DAYS_AGO, descending=True)
                .select(c.DAYS_AGO, c.EVENT_COUNT)
                .iter_rows()
            ],
        )
        for source in largest[c.SOURCE].head(_LINES_MAX)
    ]
    return line_chart(lines, title="Events by day", form=amount)
