"""Edge cases: what made-up users at the edges would be given, judged. How their lists are made is the pipeline's work.

A report of its own: it speaks of single lists and what may break in them, not of groups of people, as `bias` does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.contracts.tables import EDGE_CASES
from recs_platform.pages import Section, amount, bar_table, percent
from recs_platform.stages.reports.edge_lists import EdgeLists
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.verdicts import NO_DATA, Judgement, contract_frame, verdict_rows

if TYPE_CHECKING:
    from recs_platform.stages.reports.inputs import ReportInputs

NAME = "edge_cases"
FALLBACK = "fallback"
_SUBJECT = "made-up users"
_OF_FALLBACK, _LIKE_POPULAR = "of the fallback", "as popular alone"
_CATEGORIES, _LENGTH, _OFFERED = "categories", "items", "candidates"


def run(inputs: ReportInputs) -> ReportResult:
    """A verdict a made-up user: it warns of a list that is short, breaks a rule or has scores that are no numbers."""
    made = inputs.edge_lists
    rows = [] if made is None else [_row(made, person) for person in made.people.iter_rows(named=True)]
    frame = contract_frame([{c.AS_OF: inputs.as_of, **row} for row in rows], EDGE_CASES)
    judged = [_judgement(row) for row in rows] or [Judgement(_SUBJECT, NO_DATA, "Nothing may be recommended.")]
    verdicts = verdict_rows(NAME, judged, as_of=inputs.as_of)
    page = write_report(inputs, NAME, "Edge cases", [] if made is None else sections(made, frame), verdicts)
    return ReportResult(EDGE_CASES.name, frame, verdicts, page, numbers=_numbers(frame))


def _row(made: EdgeLists, person: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of one of them."""
    is_theirs = pl.col(c.USER_ID) == person[c.USER_ID]
    listed, popular = made.lists.filter(is_theirs), made.popular.filter(is_theirs)
    short = made.short_lists.filter(is_theirs)
    scores = listed[c.SCORE].cast(pl.Float64).to_list()
    row: dict[str, Any] = {
        c.NAME: person[c.NAME],
        c.PROFILE: person[c.MESSAGE],
        c.EVENT_COUNT: _number(made.events.filter(is_theirs), c.EVENT_COUNT),
        c.OFFER_COUNT: _number(made.offered.filter(is_theirs), c.OFFER_COUNT),
        c.LIST_LENGTH: listed.height,
        c.ELIGIBLE_COUNT: short[c.ELIGIBLE_COUNT][0] if short.height else None,
        c.SOURCES: _sources(listed),
        c.FALLBACK_SHARE: _share(listed, pl.col(c.SOURCES).list.contains(FALLBACK)),
        c.POPULAR_SHARE: _share(listed, pl.col(c.ITEM_ID).is_in(popular[c.ITEM_ID].implode())),
        c.CATEGORY_COUNT: listed[c.CATEGORY].drop_nulls().n_unique(),
        c.SCORE_MIN: min(scores, default=None),
        c.SCORE_MAX: max(scores, default=None),
        c.BROKEN_RULES: ", ".join(sorted(name for name, rows in made.broken.items() if rows.filter(is_theirs).height)),
    }
    faults = _faults(row, scores, made.k)
    row[c.BROKEN_RULES] = row[c.BROKEN_RULES] or None
    reason = f"{short[c.REASON][0]}" if short.height else None
    return row | {c.VERDICT: "warn" if faults else "pass", c.MESSAGE: "; ".join(faults) or reason}


def _faults(row: Mapping[str, Any], scores: list[float | None], k: int) -> list[str]:
    """What is wrong with a list; one that holds all that its user may be shown is not too short."""
    found: list[str] = []
    due = k if row[c.ELIGIBLE_COUNT] is None else min(k, row[c.ELIGIBLE_COUNT])
    if row[c.LIST_LENGTH] < due:
        found.append(f"{counted(row[c.LIST_LENGTH], 'item')} where {due} were due")
    if row[c.BROKEN_RULES]:
        found.append(f"breaks {row[c.BROKEN_RULES]}")
    strange = sum(score is None or not math.isfinite(score) for score in scores)
    if strange:
        found.append(f"{counted(strange, 'score')} that are no finite numbers")
    return found


def _number(rows: pl.DataFrame, column: str) -> int:
    return int(rows[column].sum())


def _share(rows: pl.DataFrame, is_one: pl.Expr) -> float | None:
    return None if rows.is_empty() else float(rows.select(is_one.mean()).item())


def _sources(listed: pl.DataFrame) -> str | None:
    """How many items each source offered, the most first; an item may be of several."""
    counts = listed.select(pl.col(c.SOURCES).list.explode()).to_series().drop_nulls().value_counts(name="n")
    named = counts.sort("n", c.SOURCES, descending=[True, False]).iter_rows()
    return ", ".join(f"{source} {n}" for source, n in named) or None


def _judgement(row: Mapping[str, Any]) -> Judgement:
    length = row[c.LIST_LENGTH]
    told = f"{row[c.PROFILE]}: {counted(length, 'item')}"
    if length:
        told += (
            f" of {counted(row[c.CATEGORY_COUNT], 'category', 'categories')}, {percent(row[c.FALLBACK_SHARE])} of the "
            f"fallback, {percent(row[c.POPULAR_SHARE])} as popular alone, scores {_told(row[c.SCORE_MIN])} to "
            f"{_told(row[c.SCORE_MAX])}"
        )
    said = f"{told}; {row[c.MESSAGE]}." if row[c.MESSAGE] else f"{told}."
    return Judgement(row[c.NAME], row[c.VERDICT], said, float(length), None, row[c.EVENT_COUNT])


def _told(score: float | None) -> str:
    return "unknown" if score is None else f"{score:.3g}"


def sections(made: EdgeLists, rows: pl.DataFrame) -> list[Section]:
    """Lists side by side, then each with its titles."""
    names = rows[c.NAME].to_list()
    cells = {
        (row[c.NAME], column): float(row[name])
        for row in rows.iter_rows(named=True)
        for column, name in (
            (_LENGTH, c.LIST_LENGTH),
            (_CATEGORIES, c.CATEGORY_COUNT),
            (_OF_FALLBACK, c.FALLBACK_SHARE),
            (_LIKE_POPULAR, c.POPULAR_SHARE),
            (_OFFERED, c.OFFER_COUNT),
        )
        if row[name] is not None
    }
    forms = {_LENGTH: amount, _CATEGORIES: amount, _OF_FALLBACK: percent, _LIKE_POPULAR: percent, _OFFERED: amount}
    figure = bar_table(names, [*forms.items()], cells, corner="made-up user")
    text = (
        "Users who do not exist, carried through the sources, ranker and rules of this as-of, and kept nowhere. "
        f"A list is {made.k} items long where so many may be shown; one that is shorter, breaks a rule or has a score "
        "that is no finite number warns. As popular alone: the share of items that the fallback would have shown too."
    )
    shown = [c.RANK, c.TITLE, c.ITEM_ID, c.CATEGORY, c.SCORE, c.SOURCES]
    folded = [
        (
            f"{person[c.NAME]}: {person[c.MESSAGE]}",
            made.lists.filter(pl.col(c.USER_ID) == person[c.USER_ID])
            .sort(c.RANK)
            .select(shown)
            .with_columns(pl.col(c.SOURCES).list.join(", ")),
        )
        for person in made.people.iter_rows(named=True)
    ]
    table = rows.drop(c.AS_OF)
    return [
        Section("Lists side by side", text, figure=figure),
        Section("Their lists", "Items of each list, as they would be shown.", folded=folded),
        Section("Every number", "One row a made-up user.", folded=[(counted(table.height, "row"), table)]),
    ]


def _numbers(rows: pl.DataFrame) -> dict[str, float]:
    """Lists with a fault, and how much of all of them is popular alone."""
    if rows.is_empty():
        return {}
    shares = rows[c.POPULAR_SHARE].drop_nulls()
    faulty = float(rows.filter(pl.col(c.VERDICT) == "warn").height)
    return {"lists_with_fault": faulty} | (
        {"popular_share": float(sum(shares.to_list()) / len(shares))} if len(shares) else {}
    )
