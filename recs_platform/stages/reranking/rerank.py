"""Re-ranking: rules in order, the cut to k, filling, an account of what is short. Rules and places are elsewhere."""

from collections.abc import Sequence

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.reranking.context import RerankContext, RerankResult
from recs_platform.stages.reranking.filling import build_shelf, fill_lists
from recs_platform.stages.reranking.own_rules import apply_own
from recs_platform.stages.reranking.places import by_place
from recs_platform.stages.reranking.rules import RULES
from recs_platform.stages.reranking.rules.rule import Rule

__all__ = ["RerankContext", "RerankResult", "rerank"]

_CONSUMED_COUNT = "_consumed_count"
_ROW_COLUMNS = (c.USER_ID, c.ITEM_ID, c.SCORE, c.SOURCES)


def rerank(ranked: pl.DataFrame, context: RerankContext, own_rules: Sequence[Rule] = ()) -> RerankResult:
    """Make one list for each user of `context.users`.

    Args:
        ranked: `user_id`, `item_id`, `score`, `rank`, `sources`; one row a user and item, in any order. Users without
            rows are served from the fallback.
        context: Items, users and limits; see RerankContext.
        own_rules: Rules of the home, applied after `RULES`.

    Returns:
        k distinct items a user, none consumed (unless repeats are allowed), all available and none barred where the
        user is; fewer only when fewer are eligible, and then `short_lists` says so. Ranked items come before filled
        ones. The row order of the inputs changes nothing.

    Raises:
        ContractError: `ranked` names users that are not to be served, or repeats an item in a list.
    """
    strangers = ranked.filter(~pl.col(c.USER_ID).is_in(context.users.implode()))[c.USER_ID].n_unique()
    if strangers:
        raise ContractError(f"{strangers} ranked users are not among the {len(context.users)} to serve; pass them all")
    results = [_rerank_alike(rows, group, own_rules) for rows, group in by_place(ranked, context)]
    if len(results) == 1:
        return results[0]
    return RerankResult(
        pl.concat([result.lists for result in results]).sort(c.USER_ID, c.RANK),
        pl.concat([result.short_lists for result in results]).sort(c.USER_ID),
    )


def _rerank_alike(ranked: pl.DataFrame, context: RerankContext, own_rules: Sequence[Rule]) -> RerankResult:
    """Lists of users who may all be offered what is available."""
    kept = _cut(_apply_rules(ranked, context, own_rules), context.k)
    shelf = build_shelf(context)
    lists = _number(pl.concat([kept, fill_lists(kept, shelf, context)]))
    return RerankResult(lists, _short_lists(lists, shelf, context))


def _apply_rules(ranked: pl.DataFrame, context: RerankContext, own_rules: Sequence[Rule]) -> pl.DataFrame:
    rows = ranked.sort(c.USER_ID, c.RANK, c.ITEM_ID).select(_ROW_COLUMNS)
    for rule in RULES:
        rows = rule.apply(rows, context)
    for rule in own_rules:
        rows = apply_own(rule, rows, context)
    return rows


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


def _short_lists(lists: pl.DataFrame, shelf: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """Counted from what is available and consumed, not from the lists: the two must agree, and tests say so."""
    lengths = lists.group_by(c.USER_ID).agg(pl.len().cast(pl.Int64).alias(c.LIST_LENGTH))
    short = (
        pl.DataFrame({c.USER_ID: context.users})
        .join(lengths, on=c.USER_ID, how="left")
        .with_columns(pl.col(c.LIST_LENGTH).fill_null(0))
        .filter(pl.col(c.LIST_LENGTH) < context.k)
        .sort(c.USER_ID)
    )
    consumed = (
        context.consumed.join(short, on=c.USER_ID, how="semi")
        .join(shelf, on=c.ITEM_ID, how="semi")
        .group_by(c.USER_ID)
        .agg(pl.col(c.ITEM_ID).n_unique().cast(pl.Int64).alias(_CONSUMED_COUNT))
    )
    taken = pl.lit(0, pl.Int64) if context.allow_repeats else pl.col(_CONSUMED_COUNT).fill_null(0)
    eligible = shelf.height - taken
    there = f"{shelf.height} are available" + ("" if context.barred.is_empty() else " where the user is")
    text = f"only {{}} of {context.k} items: {there} and the user has consumed {{}} of them"
    return short.join(consumed, on=c.USER_ID, how="left", maintain_order="left").select(
        c.USER_ID,
        c.LIST_LENGTH,
        eligible.alias(c.ELIGIBLE_COUNT),
        pl.format(text, c.LIST_LENGTH, taken).alias(c.REASON),
    )
