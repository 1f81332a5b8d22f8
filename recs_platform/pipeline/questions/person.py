# ruff: noqa: S608  names come from models and contracts, values are literals
"""All that is known of one user as of the release in force, and what they are shown and why.

It is what a request for access to personal data asks for. One pair of a user and an item is in `explain`; the page is
in `person_page`.
"""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import CANDIDATES, CONSENTS
from recs_platform.contracts.time import as_of_key
from recs_platform.lake.artifacts import artifact, is_sealed
from recs_platform.pipeline.as_of_run import CATALOGUE
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.find_user import IDENTITIES
from recs_platform.pipeline.questions.one_user import RESOLVED_EVENTS, user_models
from recs_platform.stages import ranking
from recs_platform.stages.features import feature_tables, ranking_rows_sql
from recs_platform.stages.releases import (
    current_release,
    read_served,
    read_served_expiry,
    read_served_surfaces,
    read_short_lists,
)
from recs_platform.warehouse.clauses import instant_literal, relation, text_literal
from recs_platform.warehouse.runner import ModelRun

CONTRIBUTIONS_SHOWN = 3
_SHOWN = (c.RANK, c.TITLE, c.CATEGORY, c.ITEM_ID, c.SCORE, c.REASON, c.SOURCES, c.PROPENSITY)
_SHOWN_ON_SURFACES = (c.SURFACE, c.RANK, c.TITLE, c.CATEGORY, c.ITEM_ID, c.REASON)


@dataclass(frozen=True)
class Person:
    """A user: frames of rows, those of events newest first; `profile` and `features` by column.

    `list_rows`: the list in force with titles, `surface_rows` the same of surfaces; `expires_at`: until when they are
    meant, None where nothing is said; `contributions` (rank, item_id, title, feature, value, contribution): what moved
    the ranker's score of each of its items most, none where the item is not among the stored candidates.
    """

    user_id: str
    release: Manifest
    profile: Mapping[str, Any]
    ids: pl.DataFrame
    consents: pl.DataFrame
    events: pl.DataFrame
    segments: pl.DataFrame
    affinities: pl.DataFrame
    features: Mapping[str, Any]
    list_rows: pl.DataFrame
    surface_rows: pl.DataFrame
    expires_at: datetime | None
    why_short: str | None
    contributions: pl.DataFrame

    @property
    def as_of(self) -> datetime:
        return self.release.as_of

    def values(self) -> dict[str, Any]:
        """All of it as plain values."""
        tables = ("ids", "consents", "events", "segments", "affinities", "contributions")
        return {
            c.USER_ID: self.user_id,
            c.AS_OF: as_of_key(self.as_of),
            c.RELEASE_ID: self.release.version,
            "profile": dict(self.profile),
            "features": dict(self.features),
            **{name: getattr(self, name).to_dicts() for name in tables},
            "items": self.list_rows.to_dicts(),
            "surfaces": self.surface_rows.to_dicts(),
            c.EXPIRES_AT: None if self.expires_at is None else self.expires_at.isoformat(),
            "why_short": self.why_short,
        }


def read_person(platform: Platform, user: str) -> Person:
    """Read all that is known of a user of the release in force; `user` is the id in it, as `find_user` gives it."""
    release = current_release(platform.home)
    short = read_short_lists(platform.home, release.version).filter(pl.col(c.USER_ID) == user)
    with user_models(platform, release, user) as run:
        titles = run.frame(CATALOGUE, [c.ITEM_ID, c.TITLE, c.CATEGORY])
        listed = _titled(read_served(platform.home, release.version, user=user), titles, _SHOWN)
        ids = _ids(run, user)
        return Person(
            user_id=user,
            release=release,
            profile=_row(run, "staging.stg_users", user),
            ids=ids,
            consents=_consents(run, user),
            events=_events(run, user),
            segments=_rows(run, "segments.segment_members", user, [c.SEGMENTATION, c.SEGMENT_ID, c.SEGMENT_NAME]),
            affinities=_rows(run, "features.user_affinities", user, ["dimension", c.VALUE, "share", c.RANK]),
            features=_row(run, "features.user_features", user),
            list_rows=listed,
            surface_rows=_titled(
                read_served_surfaces(platform.home, release.version, user=user), titles, _SHOWN_ON_SURFACES
            ),
            expires_at=read_served_expiry(platform.home, release.version, user),
            why_short=None if short.is_empty() else str(short[c.REASON][0]),
            contributions=_contributions(platform, run, user, release, listed),
        )


def _rows(run: ModelRun, table: str, user: str, columns: list[str]) -> pl.DataFrame:
    selected = ", ".join(columns)
    named = relation(run.require(table))
    return run.query(f"select {selected} from {named} where {c.USER_ID} = {text_literal(user)} order by all")


def _row(run: ModelRun, table: str, user: str) -> Mapping[str, Any]:
    found = run.query(f"select * from {relation(run.require(table))} where {c.USER_ID} = {text_literal(user)}")
    hidden = {c.USER_ID, c.AS_OF}
    return {name: value for name, value in found.row(0, named=True).items() if name not in hidden} if len(found) else {}


def _ids(run: ModelRun, user: str) -> pl.DataFrame:
    """Ids that turned out to be the user's."""
    return run.query(
        f"select {c.ANONYMOUS_ID}, starts_at, ends_at from {relation(run.require(IDENTITIES))} "
        f"where knowledge = 'as_of' and {c.USER_ID} = {text_literal(user)} order by all"
    )


def _consents(run: ModelRun, user: str) -> pl.DataFrame:
    return run.query(
        f"select purpose, granted, {c.OCCURRED_AT} from {relation(run.require(CONSENTS.name))} "
        f"where {c.USER_ID} = {text_literal(user)} and {c.OCCURRED_AT} < {instant_literal(run.as_of)} "
        f"order by {c.OCCURRED_AT} desc, purpose"
    )


def _events(run: ModelRun, user: str) -> pl.DataFrame:
    events, items = relation(run.require(RESOLVED_EVENTS)), relation(run.require(CATALOGUE))
    return run.query(
        f"select e.{c.OCCURRED_AT}, e.{c.EVENT_TYPE}, e.{c.ITEM_ID}, i.{c.TITLE}, i.{c.CATEGORY}, e.{c.VALUE}, "
        f"e.{c.DEVICE}, e.country, e.{c.SOURCE} "
        f"from {events} as e left join {items} as i on e.{c.ITEM_ID} = i.{c.ITEM_ID} "
        f"where e.{c.USER_ID} = {text_literal(user)} order by e.{c.OCCURRED_AT} desc, e.{c.ITEM_ID}, e.{c.EVENT_TYPE}"
    )


def _titled(rows: pl.DataFrame, titles: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    return rows.join(titles, on=c.ITEM_ID, how="left", maintain_order="left").select(columns)


def _contributions(
    platform: Platform, run: ModelRun, user: str, release: Manifest, listed: pl.DataFrame
) -> pl.DataFrame:
    """What moved the score of each listed item most; each in units of the ranker's raw score."""
    named = {c.RANK: pl.Int32, c.ITEM_ID: pl.String, c.TITLE: pl.String}
    empty = pl.DataFrame(schema={**named, "feature": pl.String, c.VALUE: pl.Float64, "contribution": pl.Float64})
    version = str(release.parameters[c.RANKER_VERSION])
    if listed.is_empty() or not is_sealed(platform.home.artifacts, ranking.RANKER, version):
        return empty
    folder = artifact(platform.home.artifacts, ranking.RANKER, version)
    run.require(CANDIDATES.name)
    for table in feature_tables(platform.feature_set):
        run.require(table)
    rows = run.query(
        f"select * from ({ranking_rows_sql(platform.feature_set, platform.models)}) "
        f"where {c.USER_ID} = {text_literal(user)}"
    )
    scorer = ranking.load_ranker(folder)
    found = [empty]
    for shown in listed.select(*named).iter_rows(named=True):
        row = rows.filter(pl.col(c.ITEM_ID) == shown[c.ITEM_ID])
        if row.height:
            most = ranking.explain_score(scorer, row).head(CONTRIBUTIONS_SHOWN)
            which = [pl.lit(shown[name], dtype).alias(name) for name, dtype in named.items()]
            found.append(most.select(*which, "feature", c.VALUE, "contribution"))
    return pl.concat(found)
