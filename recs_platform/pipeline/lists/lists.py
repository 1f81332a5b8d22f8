"""The lists of an as-of: ranked rows re-ranked, filled, explained. The stage is `stages.reranking`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import ITEM_NEIGHBOURS, RANKED
from recs_platform.contracts.time import SECOND_MICROSECONDS
from recs_platform.pipeline.as_of_run import USERS, AsOfRun
from recs_platform.pipeline.geo_availability import run_geo_availability
from recs_platform.pipeline.item_counts import with_user_counts
from recs_platform.pipeline.lists.context import rerank_context
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import IS_OPTED_OUT
from recs_platform.stages import reranking

REASON_DAYS = 28


@dataclass(frozen=True)
class Lists:
    """Lists and short lists of one as-of, what they were made under, and by check the rows that break a promise."""

    lists: pl.DataFrame
    short_lists: pl.DataFrame
    context: reranking.RerankContext
    violations: Mapping[str, pl.DataFrame]


def list_filters(platform: Platform) -> tuple[reranking.Filter, ...]:
    """Every filter that lists obey: those of the package, then those of the home."""
    return reranking.filters_of((*reranking.RULES, *platform.own_rules.rules))


def home_rules(platform: Platform) -> tuple[reranking.Rule, ...]:
    """Rules of the home, for lists. Raises ContractError where one is broken: without it lists may show anything."""
    broken = platform.own_rules.broken
    if broken:
        raise ContractError(
            f"rules of the home cannot be used, and no list is made without them: {'; '.join(broken.values())}; mend "
            f"the file or take it out of {platform.home.rules}"
        )
    return platform.own_rules.rules


def make_lists(run: AsOfRun) -> Lists:
    """Re-rank the champion's order, serve everybody, give each row its reason, segment and propensity.

    Users without consent are served from the fallback, whatever was ranked, and get no personal reason.
    """
    platform, interactions, consumed = run.platform, run.interactions, run.consumed
    with run.models() as models:
        ranked = models.frame(RANKED.name)
        segments = models.frame("segments.user_segments", [c.USER_ID, c.SEGMENT_ID, c.SEGMENT_NAME])
        neighbours = models.frame(ITEM_NEIGHBOURS.name)
        # Not the run's: an opt-out that came meanwhile is obeyed.
        users = models.frame(USERS).sort(c.USER_ID)
    items = with_user_counts(run.items, interactions)
    opted_out = users.filter(pl.col(IS_OPTED_OUT)).select(c.USER_ID)
    ranked = ranked.join(opted_out, on=c.USER_ID, how="anti")
    context = rerank_context(platform, items, consumed, users[c.USER_ID], run_geo_availability(run))
    rows = ranked.select(c.USER_ID, c.ITEM_ID, c.SCORE, c.RANK, c.SOURCES)
    result = reranking.rerank(rows, context, home_rules(platform))
    consented = segments.join(opted_out, on=c.USER_ID, how="anti")
    profiles = users.join(consented, on=c.USER_ID, how="left")
    since_us = round((run.as_of - timedelta(days=REASON_DAYS)).timestamp() * SECOND_MICROSECONDS)
    explained = reranking.add_reasons(
        result.lists,
        history=interactions,
        neighbours=neighbours,
        items=items,
        users=profiles,
        segment_popularity=reranking.group_popularity(interactions, profiles, c.SEGMENT_ID, since_us),
        country_popularity=reranking.group_popularity(interactions, profiles, c.COUNTRY, since_us),
        popularity=reranking.item_popularity(interactions),
        window_days=REASON_DAYS,
    )
    version = ranked[c.RANKER_VERSION][0] if ranked.height else "none"
    lists = explained.join(segments, on=c.USER_ID, how="left").with_columns(
        pl.lit(1.0).alias(c.PROPENSITY), pl.lit(version).alias(c.RANKER_VERSION)
    )
    made = reranking.RerankResult(lists.sort(c.USER_ID, c.RANK), result.short_lists.sort(c.USER_ID))
    return Lists(made.lists, made.short_lists, context, reranking.violations(made, context, list_filters(platform)))
