"""The lists of an as-of: ranked rows re-ranked, filled, explained. Composes the stage with the lake's tables."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import ITEM_NEIGHBOURS, RANKED
from recs_platform.contracts.time import SECOND_MICROSECONDS
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.geo_availability import Places, run_places
from recs_platform.pipeline.lists.context import rerank_context, with_user_counts
from recs_platform.pipeline.retrieval.inputs import IS_OPTED_OUT
from recs_platform.stages import reranking

REASON_DAYS = 28


@dataclass(frozen=True)
class Lists:
    """Lists and short lists of one as-of, beside what they must not break."""

    lists: pl.DataFrame
    short_lists: pl.DataFrame
    consumed: pl.DataFrame
    items: pl.DataFrame
    users: pl.Series
    places: Places
    allow_repeats: bool

    def violations(self, k: int) -> dict[str, pl.DataFrame]:
        """Rows that break a promise, by the name of the promise."""
        shown = [c.USER_ID, c.ITEM_ID, c.RANK]
        unavailable = self.items.filter(~pl.col("is_available"))
        consumed = (
            self.lists.clear()
            if self.allow_repeats
            else self.lists.join(self.consumed, on=[c.USER_ID, c.ITEM_ID], how="semi")
        )
        return {
            "lists_are_complete": self._incomplete(k),
            "nothing_consumed": consumed.select(shown),
            "only_available": pl.concat(
                [self.lists.join(unavailable, on=c.ITEM_ID, how="semi").select(shown), self._barred().select(shown)]
            ),
        }

    def _barred(self) -> pl.DataFrame:
        """Rows of items that may not be offered where their user is."""
        there = reranking.user_places(self.users, self.places.users)
        return self.lists.join(there, on=c.USER_ID).join(self.places.barred, on=[c.PLACE, c.ITEM_ID], how="semi")

    def _incomplete(self, k: int) -> pl.DataFrame:
        made = self.lists.group_by(c.USER_ID).agg(
            pl.len().alias("rows"),
            pl.col(c.ITEM_ID).n_unique().alias("items"),
            pl.col(c.RANK).min().alias("first"),
            pl.col(c.RANK).max().alias("last"),
        )
        everyone = self.users.to_frame(c.USER_ID).join(made, on=c.USER_ID, how="left").fill_null(0)
        is_whole = (pl.col("rows") == k) & (pl.col("items") == k) & (pl.col("first") == 1) & (pl.col("last") == k)
        return everyone.filter(~is_whole).join(self.short_lists, on=c.USER_ID, how="anti").sort(c.USER_ID)


def make_lists(run: AsOfRun) -> Lists:
    """Re-rank the champion's order, serve everybody, give each row its reason, segment and propensity.

    Users without consent are served from the fallback, whatever was ranked, and get no reason that tells of them.
    """
    platform, interactions, consumed, places = run.platform, run.interactions, run.consumed, run_places(run)
    with run.models() as models:
        ranked = models.frame(RANKED.name)
        segments = models.frame("segments.user_segments", [c.USER_ID, c.SEGMENT_ID, c.SEGMENT_NAME])
        neighbours = models.frame(ITEM_NEIGHBOURS.name)
    items, users = with_user_counts(run.items, interactions), run.users.sort(c.USER_ID)
    opted_out = users.filter(pl.col(IS_OPTED_OUT)).select(c.USER_ID)
    ranked = ranked.join(opted_out, on=c.USER_ID, how="anti")
    context = rerank_context(platform, items, consumed, users[c.USER_ID], places)
    rows = ranked.select(c.USER_ID, c.ITEM_ID, c.SCORE, c.RANK, c.SOURCES)
    result = reranking.rerank(rows, context, platform.own_rules.rules)
    telling = segments.join(opted_out, on=c.USER_ID, how="anti")
    profiles = users.join(telling, on=c.USER_ID, how="left")
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
    return Lists(
        lists=lists.sort(c.USER_ID, c.RANK),
        short_lists=result.short_lists.sort(c.USER_ID),
        consumed=consumed,
        items=items,
        users=users[c.USER_ID],
        places=places,
        allow_repeats=platform.settings.allow_repeats,
    )
