"""Re-ranking: filters, reorders, the cut to k, the fallback, and why lists are short."""

from collections.abc import Sequence

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.reranking.context import RerankContext, RerankResult, nothing_moved
from recs_platform.stages.reranking.exploration import Exploration, explore
from recs_platform.stages.reranking.fallback import fallback_ranking, fill_lists
from recs_platform.stages.reranking.region_groups import by_region_group
from recs_platform.stages.reranking.reordering import cut, orders, rows_to_order, with_places
from recs_platform.stages.reranking.rules import RULES, filters_of
from recs_platform.stages.reranking.rules.rule import Rule
from recs_platform.stages.reranking.short_lists import short_lists

__all__ = ["RerankContext", "RerankResult", "rerank"]


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
    kept = cut(rows, deep.k)
    lists = _number(pl.concat([kept, fill_lists(kept, ranking, deep, filters)]))
    if exploration is not None:
        lists = explore(lists, context, exploration)
    moved = moved.join(lists, on=[c.USER_ID, c.ITEM_ID], how="semi")
    return RerankResult(lists, short_lists(lists, ranking, context, filters), moved)


def _reordered(
    rows: pl.DataFrame, context: RerankContext, rules: Sequence[Rule], keep: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows in the order of the reorders, at least the first `keep` of each user; and which rows which rule moved up."""
    moved = list[pl.DataFrame]()
    for step in orders(rows, context, rules, keep=keep):
        rows = step.rows
        moved.append(step.moved)
    # What the last rule did is told.
    latest = pl.concat([nothing_moved(), *moved[::-1]])
    return rows, latest.unique([c.USER_ID, c.ITEM_ID], keep="first", maintain_order=True)


def _number(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(c.USER_ID, maintain_order=True).select(
        c.USER_ID,
        pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(c.USER_ID).alias(c.RANK),
        c.ITEM_ID,
        c.SCORE,
        c.SOURCES,
    )
