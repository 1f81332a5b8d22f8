"""The lists of an as-of: ranked rows re-ranked, filled, explained; users not active lately share some.

The stage is `stages.reranking`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from recs_platform.pipeline.lists.exploring import NOT_DRAWN, hold_out, rerank_explored, with_holdout_reasons
from recs_platform.pipeline.lists.rule_facts import rule_facts
from recs_platform.pipeline.lists.rules_kept import conflicts_of, held_out_of, with_moves
from recs_platform.pipeline.lists.sharing import share_lists_of, shared_violations, without_sharers
from recs_platform.pipeline.lists.surfaces import nothing_shown, surface_lists
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.inputs import IS_OPTED_OUT
from recs_platform.stages import reranking

REASON_DAYS = 28
_HISTORY = {
    c.USER_ID: pl.String, c.ITEM_ID: pl.String, c.EVENT_TYPE: pl.String, c.OCCURRED_US: pl.Int64, c.WEIGHT: pl.Float64,
}  # fmt: skip
_PROFILES = {c.USER_ID: pl.String, c.COUNTRY: pl.String, c.SEGMENT_ID: pl.String}


@dataclass(frozen=True)
class Lists:
    """Lists and short lists of one as-of, what they were made under, and by check the rows that break a promise.

    `shared` and `references`: rows of recommendations.shared_lists and of recommendations.list_references, without
    as_of; users in `references` are in none of the others. `context` is that of everybody. `conflicts`: rows of
    recommendations.rule_conflicts, `surfaces`: of recommendations.surface_lists, without as_of.
    """

    lists: pl.DataFrame
    short_lists: pl.DataFrame
    shared: pl.DataFrame
    references: pl.DataFrame
    context: reranking.RerankContext
    violations: Mapping[str, pl.DataFrame]
    conflicts: pl.DataFrame
    surfaces: pl.DataFrame


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
    items = with_user_counts(run.items, interactions)
    with run.models() as models:
        ranked = models.frame(RANKED.name)
        facts = rule_facts(models, platform.settings.rules, items)
        segments = models.frame("segments.user_segments", [c.USER_ID, c.SEGMENT_ID, c.SEGMENT_NAME])
        neighbours = models.frame(ITEM_NEIGHBOURS.name)
        # Not the run's: an opt-out that came meanwhile is obeyed.
        users = models.frame(USERS).sort(c.USER_ID)
    opted_out = users.filter(pl.col(IS_OPTED_OUT)).select(c.USER_ID)
    ranked = ranked.join(opted_out, on=c.USER_ID, how="anti")
    since_us = round((run.as_of - timedelta(days=REASON_DAYS)).timestamp() * SECOND_MICROSECONDS)
    context = rerank_context(platform, items, consumed, users[c.USER_ID], run_geo_availability(run), facts)
    rules, filters = home_rules(platform), list_filters(platform)
    shared = share_lists_of(run, context, rules, since_us)
    own = without_sharers(context, shared.references)
    rows = ranked.join(own.users.to_frame(c.USER_ID), on=c.USER_ID, how="semi")
    result = rerank_explored(run, rows.select(c.USER_ID, c.ITEM_ID, c.SCORE, c.RANK, c.SOURCES), own, rules)
    profiles = users.join(segments.join(opted_out, on=c.USER_ID, how="anti"), on=c.USER_ID, how="left")
    reasons = _Reasons(items, neighbours, reranking.item_popularity(interactions), since_us)
    is_holdout = pl.col(c.IS_HOLDOUT)
    explained = pl.concat([
        with_moves(reasons.add(result.lists.filter(~is_holdout), interactions, profiles), result.moved),
        with_holdout_reasons(reasons.of_nobody(result.lists.filter(is_holdout))),
    ])  # fmt: skip
    shared_lists = reasons.of_nobody(shared.lists.rename({c.LIST_ID: c.USER_ID})).rename({c.USER_ID: c.LIST_ID})
    version = pl.lit(ranked[c.RANKER_VERSION][0] if ranked.height else "none").alias(c.RANKER_VERSION)
    lists = explained.join(segments, on=c.USER_ID, how="left").with_columns(version)
    made = reranking.RerankResult(lists.sort(c.USER_ID, c.RANK), result.short_lists.sort(c.USER_ID))
    shared_lists = shared_lists.with_columns(*NOT_DRAWN, pl.lit(value=False).alias(c.IS_HOLDOUT), version)
    references = shared.references.join(segments.drop(c.SEGMENT_NAME), on=c.USER_ID, how="left", maintain_order="left")
    broken = reranking.violations(made, own, filters)
    broken_shared = shared_violations(shared_lists, references, run.as_of, context, filters)
    violations = {name: pl.concat([rows, broken_shared.get(name, rows.clear())]) for name, rows in broken.items()}
    shown = made.lists.filter(~pl.col(c.IS_HOLDOUT))
    unmet = conflicts_of(
        shown, replace(own, users=own.users.filter(~own.users.is_in(held_out_of(made.lists)))), filters
    )
    on_surfaces, unmet_there = _on_surfaces(run, ranked, context, profiles, rules, reasons)
    conflicts = pl.concat([unmet, *unmet_there])
    return Lists(
        made.lists, made.short_lists, shared_lists, references, context, violations, conflicts, on_surfaces
    )  # fmt: skip


def _on_surfaces(
    run: AsOfRun,
    ranked: pl.DataFrame,
    context: reranking.RerankContext,
    profiles: pl.DataFrame,
    rules: Sequence[reranking.Rule],
    reasons: "_Reasons",
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """Lists of every surface with their reasons, and what the rules ask for there that they do not hold."""
    rows = ranked.select(c.USER_ID, c.ITEM_ID, c.SCORE, c.RANK, c.SOURCES)
    # Whoever shares a list, or has an empty one, too.
    held_out = hold_out(run, context.users)
    is_theirs = pl.col(c.USER_ID).is_in(held_out.implode())
    shown, unmet = [nothing_shown()], list[pl.DataFrame]()
    for each in surface_lists(run, rows, context, profiles, rules, held_out):
        told = pl.concat([
            with_moves(reasons.add(each.lists.filter(~is_theirs), run.interactions, profiles), each.moved),
            with_holdout_reasons(reasons.of_nobody(each.lists.filter(is_theirs))),
        ])  # fmt: skip
        shown.append(told.with_columns(pl.lit(each.name).alias(c.SURFACE)).select(shown[0].columns))
        unmet.append(each.conflicts)
    return pl.concat(shown), unmet


@dataclass(frozen=True)
class _Reasons:
    """What reasons name beside users and what they did."""

    items: pl.DataFrame
    neighbours: pl.DataFrame
    popularity: pl.DataFrame
    since_us: int

    def of_nobody(self, lists: pl.DataFrame) -> pl.DataFrame:
        """The lists with reasons as if nothing were known of their users."""
        return self.add(lists, pl.DataFrame(schema=_HISTORY), pl.DataFrame(schema=_PROFILES))

    def add(self, lists: pl.DataFrame, history: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
        """The lists with reasons; `history` and `profiles` of all users."""
        return reranking.add_reasons(
            lists,
            history=history,
            neighbours=self.neighbours,
            items=self.items,
            users=profiles,
            segment_popularity=reranking.group_popularity(history, profiles, c.SEGMENT_ID, self.since_us),
            country_popularity=reranking.group_popularity(history, profiles, c.COUNTRY, self.since_us),
            popularity=self.popularity,
            window_days=REASON_DAYS,
        )
