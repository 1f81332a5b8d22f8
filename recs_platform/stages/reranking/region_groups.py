"""Users grouped by what may be offered where they are, so that each group has one fallback ranking."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.regions import user_places

_GROUP = "_group"
_ITEMS = "_items"


def by_place(ranked: pl.DataFrame, context: RerankContext) -> Iterator[tuple[pl.DataFrame, RerankContext]]:
    """The ranked rows and the context of each group of users who may be offered the same; at least one group.

    In a group's context nothing that is barred for its users is available, and `barred` holds the reason: the rows of
    one of its places, none where nothing is. Where nothing is barred for anybody, the inputs as they are.
    """
    barred = context.barred.join(context.items.filter(pl.col(c.IS_AVAILABLE)), on=c.ITEM_ID, how="semi")
    if barred.is_empty() or context.users.is_empty():
        yield ranked, replace(context, barred=barred.clear())
        return
    users = _grouped(user_places(context.users, context.places), barred)
    rows, consumed = (frame.join(users, on=c.USER_ID) for frame in (ranked, context.consumed))
    for (group,), members in users.partition_by(_GROUP, as_dict=True, maintain_order=True).items():
        inside = pl.col(_GROUP) == group
        place = members[c.PLACE][0]
        there = barred.filter(pl.col(c.PLACE) == place)
        may = pl.col(c.IS_AVAILABLE) & ~pl.col(c.ITEM_ID).is_in(there[c.ITEM_ID].implode())
        yield (
            rows.filter(inside).select(ranked.columns),
            replace(
                context,
                items=context.items.with_columns(may.alias(c.IS_AVAILABLE)),
                consumed=consumed.filter(inside).select(context.consumed.columns),
                users=members[c.USER_ID],
                barred=there,
            ),
        )


def _grouped(users: pl.DataFrame, barred: pl.DataFrame) -> pl.DataFrame:
    """`users` with `_group`: equal where the same items are barred, 0 first by what is barred."""
    items = barred.group_by(c.PLACE).agg(pl.col(c.ITEM_ID).unique().sort().alias(_ITEMS))
    there = users.select(pl.col(c.PLACE).unique()).join(items, on=c.PLACE, how="left")
    sets = there.group_by(_ITEMS).agg(pl.col(c.PLACE)).sort(pl.col(c.PLACE).list.min())
    groups = sets.with_row_index(_GROUP).explode(c.PLACE)
    return users.join(groups.select(c.PLACE, _GROUP), on=c.PLACE, how="left", maintain_order="left")
