"""The page: each metric by release, by group and by segment, with intervals; what the log cannot tell says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.pages import Interval, Line, Section, amount, interval_table, line_chart, percent
from recs_platform.stages.reports.business.measures import (
    BEFORE,
    CLICKS,
    CONVERSIONS,
    DWELL,
    EVERYBODY,
    LAST,
    RECOMMENDED_CLICKS,
    RETURNS,
    VISITS,
)

if TYPE_CHECKING:
    import polars as pl

# The interval of fewer users says how few they are and hides the others; the folded rows have all.
_DRAWN_FROM = 10
Form = Callable[[float], str]
_TEXTS: dict[str, tuple[str, str, Form]] = {
    CLICKS: (
        "Click-through rate",
        "Share of impressions that were answered by anything but a dismissal within 24 hours.",
        percent,
    ),
    RECOMMENDED_CLICKS: (
        "Click-through rate of recommendations",
        "The same of impressions of items that were in the user's newest list.",
        percent,
    ),
    CONVERSIONS: ("Conversion", "Share of active users with a purchase or subscription.", percent),
    DWELL: ("Dwell", "Mean seconds of the events that say how long they took.", amount),
    RETURNS: ("Return", "Share of weeks with an event that another followed in the next week.", percent),
    VISITS: ("Visits", "Visits a week of users who were active within the four weeks.", amount),
}


def in_words(metric: str, value: float) -> str:
    """A value of a metric as it is read: a share in percent, anything else as a number."""
    return _TEXTS[metric][2](value)


def sections(business: pl.DataFrame) -> list[Section]:
    """A section a metric, with charts where anything is known, then every row folded."""
    found = [_section(business.filter(business[c.METRIC] == metric), metric) for metric in _TEXTS]
    shown = business.drop(c.AS_OF)
    return [*found, Section("Every number", "Intervals draw users.", folded=[(counted(shown.height, "row"), shown)])]


def _section(rows: pl.DataFrame, metric: str) -> Section:
    title, text, form = _TEXTS[metric]
    everyone = rows.filter((rows[c.PERIOD] == LAST) & (rows[c.SEGMENT] == EVERYBODY) & (rows[c.GROUP] == EVERYBODY))
    known = everyone[c.VALUE].drop_nulls()
    if known.is_empty():
        reasons = everyone[c.MESSAGE].drop_nulls()
        return Section(title, f"{text} {reasons[0] if len(reasons) else 'There are no events.'}")
    recent = rows.filter(rows[c.PERIOD].is_in([LAST, BEFORE]))
    bars = [
        Interval(_name(row), row[c.VALUE], row[c.CI_LOW], row[c.CI_HIGH], strong=_is_everybody(row))
        for row in recent.iter_rows(named=True)
        if row[c.VALUE] is not None and (_is_everybody(row) or row[c.N_USERS] >= _DRAWN_FROM)
    ]
    table = interval_table(bars, corner="28 days", title=title, form=form, rule=float(known[0]))
    return Section(title, text, figure=_by_release(rows, title, form) + table)


def _by_release(rows: pl.DataFrame, title: str, form: Form) -> str:
    """A line a group over the releases; nothing where there is only one."""
    from recs_platform.contracts.time import parse_instant

    released = rows.filter(
        ~rows[c.PERIOD].is_in([LAST, BEFORE]) & (rows[c.SEGMENT] == EVERYBODY) & rows[c.VALUE].is_not_null()
    ).sort(c.PERIOD)
    if released[c.PERIOD].n_unique() <= 1:
        return ""
    lines = [
        Line(
            str(group),
            [(parse_instant(period), value) for period, value in part.select(c.PERIOD, c.VALUE).iter_rows()],
            strong=group == EVERYBODY,
        )
        for (group,), part in released.group_by(c.GROUP, maintain_order=True)
    ]
    return line_chart(lines, title=f"{title} by release", form=form)


def _name(row: dict[str, object]) -> str:
    who = row[c.SEGMENT] if row[c.SEGMENT] != EVERYBODY else row[c.GROUP]
    named = "everybody" if who == EVERYBODY else str(who)
    when = ", the 28 days before" if row[c.PERIOD] == BEFORE else ""
    return f"{named}{when} (n = {row[c.N_USERS]:,})"


def _is_everybody(row: dict[str, object]) -> bool:
    return row[c.SEGMENT] == EVERYBODY and row[c.GROUP] == EVERYBODY and row[c.PERIOD] == LAST
