"""The page on one user. It names them: forgetting removes all such pages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.home import Home
from recs_platform.contracts.manifests import content_key
from recs_platform.pages import Head, Section, write_page
from recs_platform.pipeline.questions.person import Person
from recs_platform.stages.reports.report import INDEX_ADDRESS

EVENTS_SHOWN = 100
AFFINITIES_SHOWN = 15


def write_person_page(home: Home, person: Person) -> Path:
    """Write what is known of a user under `reports/users`; the file's name, a hash, shows no id."""
    path = home.user_pages / f"{content_key({c.USER_ID: person.user_id})}.html"
    head = Head(index=INDEX_ADDRESS)
    write_page(path, f"User {person.user_id}", person.as_of, _sections(person), head)
    path.chmod(0o600)
    return path


def _sections(person: Person) -> list[Section]:
    shown = min(person.events.height, EVENTS_SHOWN)
    return [
        Section(
            "What is recommended, and why",
            _told(person),
            _read_from_the_left(person.list_rows.with_columns(pl.col(c.SOURCES).list.join(", "))),
        ),
        *_on_surfaces(person),
        Section(
            "What moved the ranker's scores",
            "The features that moved the ranker's own score of each item most, in units of it; items that the ranker "
            "did not score are absent. Where ranking.contenders chose another order for such users, the score in the "
            "list is 1 / (60 + rank) in that order; items that fill the list have a number below all others, no score.",
            _by_title(person.contributions),
        ),
        Section("Segments", "Groups that the user belongs to.", person.segments),
        Section(
            "Tastes",
            "Share of what they consumed, the most recent counting most.",
            person.affinities.head(AFFINITIES_SHOWN),
        ),
        Section("Profile", "As the newest row about the user says.", _by_name(person.profile)),
        Section("Ids", "Anonymous and device ids that turned out to be theirs.", person.ids),
        Section("Consents", "Given and withdrawn, the newest first.", person.consents),
        Section("Events by type", "All events before the as-of.", _counts(person.events)),
        Section(
            "Events",
            f"The newest {shown} of {person.events.height}; --json has them all.",
            person.events.head(EVENTS_SHOWN),
        ),
        Section("Features", "What the ranker may know of the user.", _by_name(person.features)),
    ]


def _told(person: Person) -> str:
    until = "" if person.expires_at is None else f", meant until {person.expires_at:%Y-%m-%d %H:%M} UTC"
    said = f"The list of release {person.release.version}{until}."
    return f"{said} {person.why_short}" if person.why_short else said


def _on_surfaces(person: Person) -> list[Section]:
    """What is shown in other places; no section where there are none."""
    if person.surface_rows.is_empty():
        return []
    return [
        Section(
            "In other places, and why",
            "Lists of the surfaces of the settings.",
            _read_from_the_left(person.surface_rows),
        )
    ]


def _read_from_the_left(rows: pl.DataFrame) -> pl.DataFrame:
    """What is recommended, then why: a phone shows these without scrolling. Columns without a value are left out."""
    first = [name for name in (c.SURFACE, c.RANK) if name in rows.columns]
    what = [c.ITEM_ID] if rows[c.TITLE].null_count() else [c.TITLE]
    last = [name for name in (c.SOURCES,) if name in rows.columns]
    others = [name for name in rows.columns if name not in (*first, *what, c.REASON, *last)]
    told = [name for name in others if rows[name].null_count() < rows.height]
    return rows.select(*first, *what, c.REASON, *told, *last)


def _by_title(rows: pl.DataFrame) -> pl.DataFrame:
    """Items by their titles, or by their ids where one has none."""
    return rows.drop(c.TITLE if rows[c.TITLE].null_count() else c.ITEM_ID)


def _by_name(values: Mapping[str, Any]) -> pl.DataFrame:
    pairs = [(name, None if value is None else str(value)) for name, value in values.items()]
    return pl.DataFrame(pairs, schema={"name": pl.String, c.VALUE: pl.String}, orient="row")


def _counts(events: pl.DataFrame) -> pl.DataFrame:
    instants = (pl.col(c.OCCURRED_AT).min().alias("first"), pl.col(c.OCCURRED_AT).max().alias("last"))
    return (
        events.group_by(c.EVENT_TYPE)
        .agg(pl.len().alias("events"), *instants)
        .sort("events", c.EVENT_TYPE, descending=[True, False])
    )
