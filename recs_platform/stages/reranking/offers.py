"""Rows that rules may need although they were not ranked for the user; which items they are is in `offered_items`."""

from collections.abc import Sequence

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.facts import of_segment
from recs_platform.stages.reranking.own_rules import apply_checked
from recs_platform.stages.reranking.rules.rule import Filter
from recs_platform.stages.reranking.rules.slate_rule import SlateReorder

_LOWEST, _NTH, _USER = "_lowest", "_nth", "_user"
_PAIR = [c.USER_ID, c.ITEM_ID]


def with_offers(
    rows: pl.DataFrame, context: RerankContext, rules: Sequence[SlateReorder], filters: Sequence[Filter]
) -> pl.DataFrame:
    """Rows, and behind those of each user what the rules may need; scores go on below the lowest, in steps of 1.

    What passes no filter is not offered, nor what is ranked. `sources` names the first rule that needs the item.
    """
    offered = [rows.select(*_PAIR, pl.lit("").alias(c.RULE)).clear()]
    for rule in rules:
        offered.extend(_offered(rule, context))
    pairs = pl.concat(offered).unique(_PAIR, keep="first", maintain_order=True)
    # Of the ranked rows, which are hundreds a user, no table is made to look in: offered pairs are few.
    ranked = rows.select(_PAIR).join(pairs, on=_PAIR, how="semi")
    pairs = pairs.join(ranked, on=_PAIR, how="anti", maintain_order="left")
    for each in filters:
        pairs = apply_checked(each, pairs, context)
    if pairs.is_empty():
        return rows
    lowest = rows.group_by(c.USER_ID).agg(pl.col(c.SCORE).min().alias(_LOWEST))
    added = (
        pairs.with_columns((pl.int_range(pl.len()).over(c.USER_ID) + 1).alias(_NTH))
        .join(lowest, on=c.USER_ID, how="left", maintain_order="left")
        .select(
            *_PAIR,
            (pl.col(_LOWEST).fill_null(0.0) - pl.col(_NTH)).cast(pl.Float64).alias(c.SCORE),
            pl.concat_list(c.RULE).alias(c.SOURCES),
        )
    )
    return _behind(rows, added)


def _behind(rows: pl.DataFrame, added: pl.DataFrame) -> pl.DataFrame:
    """Rows, and behind those of each user what was added; both are sorted by user."""
    users = rows.select(pl.col(c.USER_ID).unique(maintain_order=True)).with_row_index(_USER)
    coded = added.join(users, on=c.USER_ID, how="left", maintain_order="left")
    if coded[_USER].null_count():  # of whom nothing was ranked
        return pl.concat([rows, added]).sort(c.USER_ID, maintain_order=True)
    # By number: texts of millions of rows take several times as long.
    own = rows.with_columns((pl.col(c.USER_ID).rle_id()).cast(pl.UInt32).alias(_USER))
    return pl.concat([own, coded.select(own.columns)]).sort(_USER, maintain_order=True).drop(_USER)


def _offered(rule: SlateReorder, context: RerankContext) -> list[pl.DataFrame]:
    """Pairs that one rule may need, by plan, with its name."""
    if rule.offers is None or not rule.is_used(context):
        return []
    plans, users = rule.plans(context), context.users.to_frame(c.USER_ID)
    placed = users.join(context.facts.segments, on=c.USER_ID, how="left", maintain_order="left")
    named = [segment for segment in plans if segment is not None]
    found = list[pl.DataFrame]()
    for segment, plan in plans.items():
        if plan.enabled:
            who = placed.filter(of_segment(segment, named)).select(c.USER_ID)
            pairs = rule.offers(who, context, plan).select(_PAIR)
            found.append(pairs.with_columns(pl.lit(rule.name).alias(c.RULE)))
    return found
