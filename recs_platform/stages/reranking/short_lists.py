"""Short lists: who has fewer than k items, and which filters left how many."""

from collections.abc import Sequence

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.fallback import count_eligible
from recs_platform.stages.reranking.rules import RULES, consumed
from recs_platform.stages.reranking.rules.rule import Filter

_LEFT_OUT = "_left_out_{}"


def short_lists(
    lists: pl.DataFrame, ranking: pl.DataFrame, context: RerankContext, filters: Sequence[Filter]
) -> pl.DataFrame:
    """Users with fewer than k items: `user_id`, `list_length`, `eligible_count`, `reason`; by user.

    Counted from the fallback ranking and the filters, not from the lists: the two must agree, and tests say so.
    """
    lengths = lists.group_by(c.USER_ID).agg(pl.len().cast(pl.Int64).alias(c.LIST_LENGTH))
    short = (
        pl.DataFrame({c.USER_ID: context.users})
        .join(lengths, on=c.USER_ID, how="left")
        .with_columns(pl.col(c.LIST_LENGTH).fill_null(0))
        .filter(pl.col(c.LIST_LENGTH) < context.k)
        .sort(c.USER_ID)
    )
    by_pair = [rule for rule in filters if rule.by != "item"]
    eligible, counted = _eligible(short, ranking, context, by_pair), short
    for number, rule in enumerate(by_pair):
        left = count_eligible(short, ranking, context, rule)
        out = (ranking.height - pl.col("len").fill_null(0).cast(pl.Int64)).alias(_LEFT_OUT.format(number))
        counted = counted.join(left, on=c.USER_ID, how="left", maintain_order="left").with_columns(out).drop("len")
    reason = _reason(ranking, context, filters, by_pair)
    return counted.join(eligible, on=c.USER_ID, how="left", maintain_order="left").select(
        c.USER_ID, c.LIST_LENGTH, pl.col("len").fill_null(0).cast(pl.Int64).alias(c.ELIGIBLE_COUNT), reason
    )


def _eligible(
    short: pl.DataFrame, ranking: pl.DataFrame, context: RerankContext, by_pair: Sequence[Filter]
) -> pl.DataFrame:
    """How many items pass all filters: `user_id`, `len`."""

    def apply_all(pairs: pl.DataFrame, given: RerankContext) -> pl.DataFrame:
        for rule in by_pair:
            pairs = rule.apply(pairs, given)
        return pairs

    return count_eligible(short, ranking, context, Filter("all", apply_all))


def _reason(
    ranking: pl.DataFrame, context: RerankContext, filters: Sequence[Filter], by_pair: Sequence[Filter]
) -> pl.Expr:
    """One sentence: how many items there are, and what the user's filters leave out of them."""
    own = [rule for rule in filters if rule not in RULES]
    where = "" if context.exclusions.is_empty() else " where the user is"
    names = [f"{rule.name!r}" for rule in own if rule.by == "item"]
    passed = f" and pass the rules {', '.join(names)}" if names else ""
    there = f"{ranking.height} are available{where}{passed}"
    text = f"only {{}} of {context.k} items: {there} and the user has consumed {{}} of them"
    values = [pl.col(c.LIST_LENGTH), pl.col(_LEFT_OUT.format(by_pair.index(consumed.RULE)))]
    for rule in own:
        if rule in by_pair:
            text += f"; the rule {rule.name!r} leaves out {{}}"
            values.append(pl.col(_LEFT_OUT.format(by_pair.index(rule))))
    return pl.format(text, *values).alias(c.REASON)
