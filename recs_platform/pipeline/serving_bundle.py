"""What the serving bundle of an as-of is made from. Encoding and sealing are in `stages.releases.bundle`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.regions import REGION_EXCLUSIONS, USER_REGIONS
from recs_platform.contracts.tables import ITEM_NEIGHBOURS, RANKED
from recs_platform.contracts.time import SECOND_MICROSECONDS
from recs_platform.pipeline.as_of_run import CONSUMED, INTERACTIONS, ITEMS, USERS, AsOfRun
from recs_platform.pipeline.geo_availability import run_geo_availability
from recs_platform.pipeline.item_counts import with_user_counts
from recs_platform.pipeline.lists.boards import surface_boards, surface_contexts
from recs_platform.pipeline.lists.context import rerank_context
from recs_platform.pipeline.lists.lists import list_filters
from recs_platform.pipeline.lists.offered_online import hidden_on, offered_by
from recs_platform.pipeline.lists.rule_facts import rule_facts
from recs_platform.pipeline.retrieval.embeddings import embeddings_key, sealed_embeddings
from recs_platform.pipeline.retrieval.inputs import IS_OPTED_OUT
from recs_platform.stages.releases.bundle import BundleContent, BundleRules
from recs_platform.stages.releases.bundle.boards import Board
from recs_platform.stages.releases.bundle.content import EVERYBODY, context_of
from recs_platform.stages.reranking import RerankContext, group_popularity, item_popularity

ITEM_TRANSITIONS = "features.item_transitions"
# Tables that a bundle is made from, beside the lists.
BUNDLE_READS = (
    *(RANKED.name, ITEM_NEIGHBOURS.name, ITEM_TRANSITIONS, "features.user_features", "segments.user_segments"),
    *(INTERACTIONS, CONSUMED, ITEMS, USERS, USER_REGIONS, REGION_EXCLUSIONS),
)
# The vectors of the first of these that was fitted say which items are alike within a session.
_VECTOR_SOURCES = ("als", "content")
_FALLBACK_DAYS = 28
_FALLBACK_DEPTH = 200
# A ranking of a group tells something of its members: none counts fewer than five users.
_GROUP_USERS_MIN = 5
_CONTEXTS = ((c.COUNTRY, c.COUNTRY), (c.REGION, c.REGION), (c.DEVICE, c.TOP_DEVICE))


def bundle_content(run: AsOfRun, lists: pl.DataFrame, surfaces: pl.DataFrame | None = None) -> BundleContent:
    """Everything online serving needs of this as-of; `lists`, and those of `surfaces`, are the release's."""
    settings, geo = run.platform.settings, run_geo_availability(run)
    with run.models() as models:
        ranked = models.frame(RANKED.name, [c.USER_ID, c.ITEM_ID, c.SCORE, c.RANK, c.SOURCES])
        neighbours = models.frame(ITEM_NEIGHBOURS.name, [c.ITEM_ID, c.NEIGHBOUR_ID, c.SCORE, c.RANK])
        transitions = models.frame(ITEM_TRANSITIONS, [c.ITEM_ID, c.NEXT_ITEM_ID, c.PROBABILITY, c.RANK])
        places = models.frame("features.user_features", [c.USER_ID, c.REGION, c.TOP_DEVICE])
        # Not the run's: an opt-out that came meanwhile is obeyed.
        users = models.frame(USERS)
        items = with_user_counts(run.items, run.interactions)
        facts = rule_facts(models, settings.rules, items)
        segments = models.frame("segments.user_segments", [c.USER_ID, c.SEGMENT_ID])
    opted_out = users.filter(pl.col(IS_OPTED_OUT))[c.USER_ID].sort()
    context = rerank_context(run.platform, items, run.consumed, users[c.USER_ID], geo, facts)
    filters = list_filters(run.platform)
    held_out = lists.filter(c.IS_HOLDOUT)[c.USER_ID].unique().sort()
    ranked = ranked.filter(~pl.col(c.USER_ID).is_in(held_out.implode()))  # popular items only, here too
    ranked, offered = offered_by(filters, ranked, context)
    vector_ids, vectors = _vectors(run)
    profiles = users.drop(c.REGION).join(places, on=c.USER_ID, how="left")
    fallbacks = _fallbacks(run, profiles, offered)
    contexts = surface_contexts(run, context)
    boards = _boards(run, contexts, users, segments)
    return BundleContent(
        lists=lists,
        ranked=ranked,
        consumed=run.consumed.clear() if settings.allow_repeats else run.consumed,
        items=offered,
        vector_ids=vector_ids,
        vectors=vectors,
        neighbours=neighbours,
        transitions=transitions,
        fallbacks=fallbacks,
        user_regions=geo.user_regions,
        exclusions=geo.exclusions,
        opted_out=opted_out.to_list(),
        rules=BundleRules(settings.k, settings.max_per_category, settings.allow_repeats),
        held_out=held_out.to_list(),
        surfaces=_by_surface(surfaces),
        boards=boards,
        hidden=hidden_on(context, contexts, filters, fallbacks, boards),
    )


def _boards(
    run: AsOfRun, contexts: Mapping[str, RerankContext], users: pl.DataFrame, segments: pl.DataFrame
) -> Mapping[str, Board]:
    """What takes the place of rows of surfaces; of users who opted out no segment is looked at."""
    permitted = segments.join(users.filter(pl.col(IS_OPTED_OUT)), on=c.USER_ID, how="anti")
    return surface_boards(run, contexts, users.join(permitted, on=c.USER_ID, how="left"))


def _by_surface(rows: pl.DataFrame | None) -> Mapping[str, pl.DataFrame]:
    """Lists of each surface; nothing of them was drawn by chance."""
    if rows is None or rows.is_empty():
        return {}
    whole = rows.with_columns(pl.lit(1.0).alias(c.PROPENSITY))
    found = whole.partition_by(c.SURFACE, as_dict=True, maintain_order=True)
    return {str(surface): of_surface for (surface,), of_surface in found.items()}


def _vectors(run: AsOfRun) -> tuple[Sequence[str], np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
    """Ids and vectors of the first vector source there is; a column of zeros and no id where none is fitted."""
    found = sealed_embeddings(run.platform, embeddings_key(run))
    names = [name for name in (*_VECTOR_SOURCES, *sorted(found)) if name in found]
    if not names:
        return (), np.zeros((0, 1), dtype=np.float32)
    chosen = found[names[0]]
    return [str(item) for item in chosen.item_ids], chosen.item_factors.astype(np.float32)


def _fallbacks(run: AsOfRun, profiles: pl.DataFrame, offered: pl.DataFrame) -> Mapping[str, Sequence[str]]:
    """Popular available items of everybody, by country, by region and by device, best first, ties by item."""
    since_us = round((run.as_of - timedelta(days=_FALLBACK_DAYS)).timestamp() * SECOND_MICROSECONDS)
    available = offered.filter(pl.col(c.IS_AVAILABLE)).select(c.ITEM_ID)
    history = run.interactions.join(available, on=c.ITEM_ID, how="semi")
    rankings: dict[str, Sequence[str]] = {EVERYBODY: _everybody(history, available, since_us)}
    for name, column in _CONTEXTS:
        counts = group_popularity(history, profiles, column, since_us).filter(pl.col(c.USER_COUNT) >= _GROUP_USERS_MIN)
        best = counts.sort(column, c.USER_COUNT, c.ITEM_ID, descending=[False, True, False])
        for (value,), rows in best.group_by(column, maintain_order=True):
            rankings[context_of(name, str(value))] = rows[c.ITEM_ID].head(_FALLBACK_DEPTH).to_list()
    return rankings


def _everybody(history: pl.DataFrame, available: pl.DataFrame, since_us: int) -> list[str]:
    """Recent popularity, then that of all time, then the rest of the catalogue: as long as there are items."""
    recent = item_popularity(history, since_us).rename({c.USER_COUNT: "_recent"})
    return (
        available.join(recent, on=c.ITEM_ID, how="left")
        .join(item_popularity(history), on=c.ITEM_ID, how="left")
        .sort("_recent", c.USER_COUNT, c.ITEM_ID, descending=[True, True, False], nulls_last=True)[c.ITEM_ID]
        .head(_FALLBACK_DEPTH * 5)
        .to_list()
    )
