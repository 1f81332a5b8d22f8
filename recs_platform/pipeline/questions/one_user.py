# ruff: noqa: S608  names come from models and contracts, values are literals
"""The SQL models of one user as of a release: of what everybody did, only that user's rows get into them.

What is the same whoever asks, such as the catalogue, is read whole. Questions are asked in `explain` and `person`.
"""

# pyarrow has no types.
# pyright: reportUnknownMemberType=false

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.rule_faults import surface_rules
from recs_platform.contracts.surface_settings import SurfaceSettings
from recs_platform.contracts.tables import EventType
from recs_platform.pipeline.as_of_run import CONSUMED, ITEMS, KNOWN_EVENTS, STAGED, USER_SEGMENTS
from recs_platform.pipeline.geo_availability import GeoAvailability, read_geo_availability
from recs_platform.pipeline.item_counts import with_counts
from recs_platform.pipeline.lists.context import rerank_context
from recs_platform.pipeline.lists.list_inputs import ranked_rows
from recs_platform.pipeline.lists.rule_facts import rule_facts
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.questions.find_user import IDENTITIES
from recs_platform.stages import reranking
from recs_platform.warehouse.clauses import relation, text_literal
from recs_platform.warehouse.runner import ModelRun

RESOLVED_EVENTS, OPTED_OUT = "staging.stg_resolved_events", "staging.stg_opted_out"
_USER_HISTORY = "raw.user_history"


@dataclass(frozen=True)
class OneUser:
    """What lists are made from, of one user: rows of `consumed`, `geo`, `facts` and `ranked` are theirs alone.

    `items`: the catalogue, with how many users liked each item. `ranked`: as `ranked_rows` gives them.
    """

    user_id: str
    items: pl.DataFrame
    consumed: pl.DataFrame
    geo: GeoAvailability
    facts: reranking.RuleFacts
    ranked: pl.DataFrame

    def context(self, platform: Platform) -> reranking.RerankContext:
        """The context of re-ranking the user's list."""
        users = pl.Series(c.USER_ID, [self.user_id])
        return rerank_context(platform, self.items, self.consumed, users, self.geo, self.facts)


@contextmanager
def user_models(platform: Platform, release: Manifest, user: str) -> Generator[ModelRun, None, None]:
    """The models, where staging knows no events, profile or segment of others; items are those that it knows then."""
    with platform.model_run(release.as_of, release.known_at) as run:
        _narrow(run, user)
        yield run


@contextmanager
def user_and_item_models(
    platform: Platform, release: Manifest, user: str
) -> Generator[tuple[ModelRun, pl.DataFrame], None, None]:
    """The same with the items that anybody's events and the catalogue name; and these, with user counts."""
    with platform.model_run(release.as_of, release.known_at) as run:
        of_all = {name: run.frame(name) for name in (IDENTITIES, OPTED_OUT)}
        of_all[ITEMS], items = _items(run)
    with platform.model_run(release.as_of, release.known_at) as run:
        for name, rows in of_all.items():
            run.register(name, rows)
        _narrow(run, user)
        yield run, items


def read_one_user(
    platform: Platform, run: ModelRun, items: pl.DataFrame, user: str, surface: SurfaceSettings | None = None
) -> OneUser:
    """Read from models of `user_and_item_models` what the user's list is made from, or that of a surface."""
    rules = platform.settings.rules
    facts = rule_facts(run, rules if surface is None else surface_rules(rules, surface), items)
    ranked = ranked_rows(run, pl.DataFrame({c.USER_ID: [user]}))
    return OneUser(user, items, run.frame(CONSUMED), read_geo_availability(run), facts, ranked)


def _narrow(run: ModelRun, user: str) -> None:
    """Leave nothing of others to the models that are computed from now on."""
    theirs = f"where {c.USER_ID} = {text_literal(user)}"
    run.require(OPTED_OUT)  # of all, for a statement may be made under another id
    ids = (
        f"select {text_literal(user)} union all "
        f"select {c.ANONYMOUS_ID} from {relation(run.require(IDENTITIES))} {theirs} and knowledge = 'as_of'"
    )
    names = run.query(ids).to_series().unique(maintain_order=True)
    under = f"where {c.USER_ID} in ({', '.join(text_literal(name) for name in names)})"
    run.require(RESOLVED_EVENTS)
    run.stand_in(KNOWN_EVENTS, f"from {relation(KNOWN_EVENTS)} {under}")
    # Ids pass from person to person: some of these events may be another's.
    for name in (RESOLVED_EVENTS, _USER_HISTORY, USER_SEGMENTS):
        run.stand_in(name, f"from {relation(run.require(name))} {theirs}")


def _items(run: ModelRun) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of staging.stg_items, and the same with user counts, by item: events are read once for both."""
    liked = f"{c.WEIGHT} > 0 and {c.EVENT_TYPE} <> {text_literal(EventType.IMPRESSION)}"
    seen = run.query(
        f"select {c.ITEM_ID}, min({c.OCCURRED_AT}) as {c.OCCURRED_AT}, "
        f"count(distinct {c.USER_ID}) filter (where {liked}) as {c.USER_COUNT} "
        f"from {relation(run.require(STAGED))} group by {c.ITEM_ID}"
    )
    # Of an item's events, the first is what staging looks at.
    run.stand_in(STAGED, f"select {c.ITEM_ID}, {c.OCCURRED_AT} from seen", seen=seen)
    items = run.frame(ITEMS)
    return items, with_counts(items, seen.select(c.ITEM_ID, pl.col(c.USER_COUNT).cast(pl.UInt32)))
