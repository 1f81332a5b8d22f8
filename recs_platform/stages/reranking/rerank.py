"""Re-ranking: filters, reorders, the cut to k, the fallback, and why lists are short."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.reranking.context import RerankContext, RerankResult, nothing_moved
from recs_platform.stages.reranking.exploration import Exploration, explore
from recs_platform.stages.reranking.fallback import fallback_ranking, fill_lists
from recs_platform.stages.reranking.offers import with_offers
from recs_platform.stages.reranking.own_rules import apply_checked
from recs_platform.stages.reranking.region_groups import by_region_group
from recs_platform.stages.reranking.rules import RULES, filters_of, reorders_of
from recs_platform.stages.reranking.rules.rule import Rule
from recs_platform.stages.reranking.rules.slate_rule import SlateReorder, arrange
from recs_platform.stages.reranking.short_lists import short_lists

__all__ = ["RerankContext", "RerankResult", "rerank"]

_ROW_COLUMNS = (c.USER_ID, c.ITEM_ID, c.SCORE, c.SOURCES)


def rerank(
    ranked: pl.DataFrame,
    context: RerankContext,
    own_rules: Sequence[Rule] = (),
    exploration: Exploration | None = None,
) -> RerankResult:
    """Make one list for each user of `context.users`.

    Args:
        ranked: `user_id`, `item_id`, `score`, `rank`, `sources`; one row a user and item, in any order. Users without
            rows are served from the fallback.
        context: Items, users and limits; see RerankContext.
        own_rules: Rules of the home: their filters come after those of `RULES`, their reorders likewise.
        exploration: How the last places are drawn by chance; the lists then have two columns more, see `explore`.

    Returns:
        k distinct items a user, all of which pass every filter; fewer only when fewer do, and then `short_lists` says
        so. Ranked items come before those of the fallback. The row order of the inputs changes nothing.

    Raises:
        ContractError: `ranked` names users that are not to be served, or repeats an item in a list.
    """
    strangers = ranked.filter(~pl.col(c.USER_ID).is_in(context.users.implode()))[c.USER_ID].n_unique()
    if strangers:
        raise ContractError(f"{strangers} ranked users are not among the {len(context.users)} to serve; pass them all")
    rules = (*RULES, *own_rules)
    groups = by_region_group(ranked, context)
    results = [_rerank_alike(rows, group, rules, exploration) for rows, group in groups]
    if len(results) == 1:
        return results[0]
    return RerankResult(
        pl.concat([result.lists for result in results]).sort(c.USER_ID, c.RANK),
        pl.concat([result.short_lists for result in results]).sort(c.USER_ID),
        pl.concat([result.moved for result in results]),
    )


def _rerank_alike(
    ranked: pl.DataFrame, context: RerankContext, rules: Sequence[Rule], exploration: Exploration | None
) -> RerankResult:
    """Lists of users who may all be offered what is available."""
    filters = filters_of(rules)
    context, deep = with_places(context, exploration)
    ranking = fallback_ranking(context, filters)
    rows = rows_to_order(ranked, ranking, context, deep, rules)
    rows, moved = _reordered(rows, context, rules, deep.k)
    kept = _cut(rows, deep.k)
    lists = _number(pl.concat([kept, fill_lists(kept, ranking, deep, filters)]))
    if exploration is not None:
        lists = explore(lists, context, exploration)
    moved = moved.join(lists, on=[c.USER_ID, c.ITEM_ID], how="semi")
    return RerankResult(lists, short_lists(lists, ranking, context, filters), moved)


def with_places(context: RerankContext, exploration: Exploration | None) -> tuple[RerankContext, RerankContext]:
    """The context with the places that chance draws, and with as many places as are looked at for that."""
    if exploration is None:
        return context, context
    context = replace(context, drawn=min(exploration.settings.slots, context.k))
    return context, replace(context, k=exploration.depth(context.k))


def rows_to_order(
    ranked: pl.DataFrame, ranking: pl.DataFrame, context: RerankContext, deep: RerankContext, rules: Sequence[Rule]
) -> pl.DataFrame:
    """What reorders are given: ranked rows that pass the filters, filled up where rules need it.

    `ranking`: that of the fallback; `deep`: the context with as many places as are looked at.
    """
    rows = ranked.sort(c.USER_ID, c.RANK, c.ITEM_ID).select(_ROW_COLUMNS)
    for rule in filters_of(rules):
        rows = apply_checked(rule, rows, context)
    return _with_what_rules_need(rows, ranking, deep, rules)


def _with_what_rules_need(
    rows: pl.DataFrame, ranking: pl.DataFrame, deep: RerankContext, rules: Sequence[Rule]
) -> pl.DataFrame:
    """Rows filled from the fallback and with what rules demand, so that these see what the list may hold."""
    demanding = [
        rule for rule in rules if isinstance(rule, SlateReorder) and rule.demands is not None and rule.is_used(deep)
    ]
    if not demanding:
        return rows
    filters = filters_of(rules)
    filled = fill_lists(_cut(rows, deep.k), ranking, deep, filters)
    if filled.height:
        rows = pl.concat([rows, filled]).sort(c.USER_ID, maintain_order=True)
    return with_offers(rows, deep, demanding, filters)


def _reordered(
    rows: pl.DataFrame, context: RerankContext, rules: Sequence[Rule], keep: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows in the order of the reorders, those that work on slates in one pass; and which rows which rule moved up.

    At least the first `keep` of each user.
    """
    moved = list[pl.DataFrame]()
    reorders = reorders_of(rules)
    for on_slates, group in groupby(reorders, key=lambda rule: isinstance(rule, SlateReorder)):
        if on_slates:
            together = [rule for rule in group if isinstance(rule, SlateReorder)]
            is_last = together[-1] is reorders[-1]
            rows, by = arrange(rows, context, together, keep if is_last else None)
            moved.append(by)
        else:
            for rule in group:
                rows = apply_checked(rule, rows, context)
    # What the last rule did is told.
    latest = pl.concat([nothing_moved(), *moved[::-1]])
    return rows, latest.unique([c.USER_ID, c.ITEM_ID], keep="first", maintain_order=True)


def _cut(rows: pl.DataFrame, k: int) -> pl.DataFrame:
    kept = rows.filter(pl.int_range(pl.len()).over(c.USER_ID) < k)
    repeated = kept.height - kept.select(c.USER_ID, c.ITEM_ID).n_unique()
    if repeated:
        raise ContractError(f"{repeated} ranked rows repeat a user and item; rank each candidate once")
    return kept


def _number(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(c.USER_ID, maintain_order=True).select(
        c.USER_ID,
        pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(c.USER_ID).alias(c.RANK),
        c.ITEM_ID,
        c.SCORE,
        c.SOURCES,
    )
