"""The rows that reorders are given, and these rows after one reorder after the other.

`rerank` keeps the last of them, `trace_item` looks where an item stands in each. What a rule does is in `rules`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.reranking.context import RerankContext, nothing_moved
from recs_platform.stages.reranking.exploration import Exploration
from recs_platform.stages.reranking.fallback import fill_lists
from recs_platform.stages.reranking.offers import with_offers
from recs_platform.stages.reranking.own_rules import apply_checked
from recs_platform.stages.reranking.rules import filters_of, reorders_of
from recs_platform.stages.reranking.rules.rule import Rule
from recs_platform.stages.reranking.rules.slate_rule import SlateReorder, arrange

_ROW_COLUMNS = (c.USER_ID, c.ITEM_ID, c.SCORE, c.SOURCES)


@dataclass(frozen=True)
class Ordered:
    """Rows in the order of a user's list, the rule that was applied last, and which of them which rule moved up."""

    rows: pl.DataFrame
    rule: str
    moved: pl.DataFrame


def orders(
    rows: pl.DataFrame,
    context: RerankContext,
    rules: Sequence[Rule],
    *,
    keep: int | None = None,
    after_each: bool = False,
) -> Iterator[Ordered]:
    """What `rows` have become after the reorders among `rules`, in their order; the last one is the order of the list.

    Neighbours that work on slates are one step, in which they share a pass over the rows; with `after_each` they are
    a step each. `keep`: rows of each user that the last step has to have, all where it is not given.
    """
    reorders = reorders_of(rules)
    for on_slates, group in groupby(reorders, key=lambda rule: isinstance(rule, SlateReorder)):
        if not on_slates:
            for rule in group:
                rows = apply_checked(rule, rows, context)
                yield Ordered(rows, rule.name, nothing_moved())
            continue
        before, together = rows, [rule for rule in group if isinstance(rule, SlateReorder)]
        # A rule keeps what those before it demand: they are asked again, with it as the last.
        for count in range(1 if after_each else len(together), len(together) + 1):
            last = together[count - 1]
            rows, moved = arrange(before, context, together[:count], keep if last is reorders[-1] else None)
            yield Ordered(rows, last.name, moved)


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


def cut(rows: pl.DataFrame, k: int) -> pl.DataFrame:
    """The first k rows of each user. Raises ContractError where they repeat an item."""
    kept = rows.filter(pl.int_range(pl.len()).over(c.USER_ID) < k)
    repeated = kept.height - kept.select(c.USER_ID, c.ITEM_ID).n_unique()
    if repeated:
        raise ContractError(f"{repeated} ranked rows repeat a user and item; rank each candidate once")
    return kept


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
    filled = fill_lists(cut(rows, deep.k), ranking, deep, filters)
    if filled.height:
        rows = pl.concat([rows, filled]).sort(c.USER_ID, maintain_order=True)
    return with_offers(rows, deep, demanding, filters)
