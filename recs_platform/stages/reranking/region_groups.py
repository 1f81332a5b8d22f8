"""Users grouped by what may be offered in their region, so that each group has one fallback ranking."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.stages.reranking.context import RerankContext
from recs_platform.stages.reranking.rules.regions import availability_regions

_GROUP = "_group"
_ITEMS = "_items"


def by_region_group(ranked: pl.DataFrame, context: RerankContext) -> Iterator[tuple[pl.DataFrame, RerankContext]]:
    """The ranked rows and the context of each group of users who may be offered the same; at least one group.

    In a group's context nothing that is excluded for its users is available, and `exclusions` holds the reason: the
    rows of one of its regions, none where nothing is. Where nothing is excluded for anybody, the inputs as they are.
    """
    exclusions = context.exclusions.join(context.items.filter(pl.col(c.IS_AVAILABLE)), on=c.ITEM_ID, how="semi")
    if exclusions.is_empty() or context.users.is_empty():
        yield ranked, replace(context, exclusions=exclusions.clear())
        return
    users = _grouped(availability_regions(context.users, context.user_regions), exclusions)
    rows, consumed = (frame.join(users, on=c.USER_ID) for frame in (ranked, context.consumed))
    for (group,), members in users.partition_by(_GROUP, as_dict=True, maintain_order=True).items():
        inside = pl.col(_GROUP) == group
        region = members[c.AVAILABILITY_REGION][0]
        there = exclusions.filter(pl.col(c.AVAILABILITY_REGION) == region)
        may = pl.col(c.IS_AVAILABLE) & ~pl.col(c.ITEM_ID).is_in(there[c.ITEM_ID].implode())
        yield (
            rows.filter(inside).select(ranked.columns),
            replace(
                context,
                items=context.items.with_columns(may.alias(c.IS_AVAILABLE)),
                consumed=consumed.filter(inside).select(context.consumed.columns),
                users=members[c.USER_ID],
                exclusions=there,
            ),
        )


def _grouped(users: pl.DataFrame, exclusions: pl.DataFrame) -> pl.DataFrame:
    """`users` with `_group`: equal where the same items are excluded, 0 first by region."""
    items = exclusions.group_by(c.AVAILABILITY_REGION).agg(pl.col(c.ITEM_ID).unique().sort().alias(_ITEMS))
    there = users.select(pl.col(c.AVAILABILITY_REGION).unique()).join(items, on=c.AVAILABILITY_REGION, how="left")
    sets = there.group_by(_ITEMS).agg(pl.col(c.AVAILABILITY_REGION)).sort(pl.col(c.AVAILABILITY_REGION).list.min())
    groups = sets.with_row_index(_GROUP).explode(c.AVAILABILITY_REGION)
    return users.join(
        groups.select(c.AVAILABILITY_REGION, _GROUP), on=c.AVAILABILITY_REGION, how="left", maintain_order="left"
    )
