"""Violations: rows of lists that break a rule, and incomplete lists."""

from collections.abc import Sequence

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext, RerankResult
from recs_platform.stages.reranking.own_rules import COMPLETE, apply_checked
from recs_platform.stages.reranking.rules.rule import Filter

_ROW = [c.USER_ID, c.ITEM_ID, c.RANK]


def violations(result: RerankResult, context: RerankContext, filters: Sequence[Filter]) -> dict[str, pl.DataFrame]:
    """Rows that break a promise, by the name of its check: `COMPLETE`, then that of each filter."""
    return {COMPLETE: incomplete_lists(result, context)} | {
        rule.check_name: _left_out(result.lists, context, rule) for rule in filters
    }


def incomplete_lists(result: RerankResult, context: RerankContext) -> pl.DataFrame:
    """Users without k distinct items at ranks 1 to k who are not in short_lists."""
    made = result.lists.group_by(c.USER_ID).agg(
        pl.len().alias("rows"),
        pl.col(c.ITEM_ID).n_unique().alias("items"),
        pl.col(c.RANK).min().alias("first"),
        pl.col(c.RANK).max().alias("last"),
    )
    k, everyone = context.k, context.users.to_frame(c.USER_ID).join(made, on=c.USER_ID, how="left").fill_null(0)
    is_whole = (pl.col("rows") == k) & (pl.col("items") == k) & (pl.col("first") == 1) & (pl.col("last") == k)
    return everyone.filter(~is_whole).join(result.short_lists, on=c.USER_ID, how="anti").sort(c.USER_ID)


def _left_out(lists: pl.DataFrame, context: RerankContext, rule: Filter) -> pl.DataFrame:
    rows = lists.select(_ROW)
    return rows.join(apply_checked(rule, rows, context), on=[c.USER_ID, c.ITEM_ID], how="anti").sort(_ROW)
