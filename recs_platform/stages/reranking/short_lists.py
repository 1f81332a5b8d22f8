"""Short lists: who has fewer than k items, and which filters left how many."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.own_rules import apply_checked
from recs_platform.stages.reranking.rules import ALWAYS, consumed
from recs_platform.stages.reranking.rules.rule import Filter

_CONSUMED = "_consumed"
_PAIRS_AT_ONCE = 4_000_000


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
    own = [rule for rule in filters if rule not in ALWAYS and rule.is_on(context)]
    counted = _count_consumed(short, ranking, context)
    eligible = ranking.height - pl.col(_CONSUMED)
    by_pair = [rule for rule in own if rule.by != "item"]
    if by_pair:
        counted = counted.join(_count_own(short, ranking, context, by_pair), on=c.USER_ID, maintain_order="left")
        eligible -= pl.sum_horizontal(_left_out(rule) for rule in by_pair)
    return counted.select(
        c.USER_ID, c.LIST_LENGTH, eligible.alias(c.ELIGIBLE_COUNT), _reason(ranking, context, own).alias(c.REASON)
    )


def _count_consumed(short: pl.DataFrame, ranking: pl.DataFrame, context: RerankContext) -> pl.DataFrame:
    """`short` with how many items of the ranking each user may not be shown again."""
    if context.allow_repeats:
        return short.with_columns(pl.lit(0, pl.Int64).alias(_CONSUMED))
    counts = (
        context.consumed.join(short, on=c.USER_ID, how="semi")
        .join(ranking, on=c.ITEM_ID, how="semi")
        .group_by(c.USER_ID)
        .agg(pl.col(c.ITEM_ID).n_unique().cast(pl.Int64).alias(_CONSUMED))
    )
    return short.join(counts, on=c.USER_ID, how="left", maintain_order="left").with_columns(
        pl.col(_CONSUMED).fill_null(0)
    )


def _count_own(
    short: pl.DataFrame, ranking: pl.DataFrame, context: RerankContext, rules: Sequence[Filter]
) -> pl.DataFrame:
    """How many items each other filter leaves out after those before it: `user_id`, a column a rule."""
    theirs = replace(context, consumed=context.consumed.join(short, on=c.USER_ID, how="semi"))
    items, counted = ranking.select(c.ITEM_ID), list[pl.DataFrame]()
    for users in short.iter_slices(max(1, _PAIRS_AT_ONCE // max(1, ranking.height))):
        pairs = consumed.RULE.apply(users.select(c.USER_ID).join(items, how="cross"), theirs)
        counts, before = users.select(c.USER_ID), _per_user(pairs)
        for rule in rules:
            pairs = apply_checked(rule, pairs, theirs)
            after = _per_user(pairs)
            left_out = before.join(after, on=c.USER_ID, how="left").select(
                c.USER_ID, (pl.col("len") - pl.col("len_right").fill_null(0)).cast(pl.Int64).alias(_name(rule))
            )
            counts, before = counts.join(left_out, on=c.USER_ID, how="left", maintain_order="left"), after
        counted.append(counts.fill_null(0))
    nothing = pl.DataFrame(schema={c.USER_ID: pl.String, **{_name(rule): pl.Int64 for rule in rules}})
    return pl.concat([nothing, *counted])


def _per_user(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.group_by(c.USER_ID).len()


def _name(rule: Filter) -> str:
    return f"_left_out_{rule.name}"


def _left_out(rule: Filter) -> pl.Expr:
    return pl.col(_name(rule))


def _reason(ranking: pl.DataFrame, context: RerankContext, own: Sequence[Filter]) -> pl.Expr:
    """One sentence: how many items there are, and what is left out of them for the user."""
    where = "" if context.exclusions.is_empty() else " where the user is"
    names = [f"{rule.name!r}" for rule in own if rule.by == "item"]
    passed = f" and pass the rules {', '.join(names)}" if names else ""
    there = f"{ranking.height} are available{where}{passed}"
    text = f"only {{}} of {context.k} items: {there} and the user has consumed {{}} of them"
    values = [pl.col(c.LIST_LENGTH), pl.col(_CONSUMED)]
    for rule in own:
        if rule.by != "item":
            text += f"; the rule {rule.name!r} leaves out {{}}"
            values.append(_left_out(rule))
    return pl.format(text, *values)
