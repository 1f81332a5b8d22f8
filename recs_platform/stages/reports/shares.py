"""Exposure of categories and creators: shown beside their share of the catalogue and of consumption, never judged.

Popularity tiers, which are judged, are in `exposure`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from recs_platform.contracts import columns as c
from recs_platform.stages.reports.exposure import EXPOSURE, VS_CATALOGUE, VS_INTERACTIONS
from recs_platform.stages.reports.quality import NO_GROUP, OTHER
from recs_platform.stages.reports.verdicts import DIMENSION, NO_DATA, RATIO, REFERENCE

if TYPE_CHECKING:
    import polars as pl

SHARED_ATTRIBUTES = (c.CATEGORY, c.CREATOR)
GROUPS_MAX = 12
_PLACES, _ITEMS = "places", "items"


def share_rows(
    lists: pl.DataFrame, item_counts: pl.DataFrame, items: pl.DataFrame, *, seed: int
) -> Iterator[dict[str, Any]]:
    """Rows of `reports.bias`, dimension `exposure`, attributes category and creator, without as_of; none without lists.

    `lists`: user_id, item_id; `item_counts`: item_id, interaction_count; `items`: item_id, category, creator. A row's
    value is the group's share of list places, with an interval that draws users; its reference the group's share of
    interactions, or of items. The groups with most places are told, at most 12, the others together as `other`; an
    attribute that no item has gives no rows.
    """
    import polars as pl

    if lists.is_empty():
        return
    known = item_counts.join(items.select(c.ITEM_ID, *SHARED_ATTRIBUTES), on=c.ITEM_ID, how="left")
    for attribute in SHARED_ATTRIBUTES:
        if known[attribute].null_count() < known.height:
            named = known.with_columns(pl.col(attribute).fill_null(NO_GROUP).alias(c.GROUP))
            yield from _attribute_rows(lists, named, attribute, seed=seed)


def _attribute_rows(lists: pl.DataFrame, named: pl.DataFrame, attribute: str, *, seed: int) -> Iterator[dict[str, Any]]:
    import polars as pl

    from recs_platform.evaluation.bootstrap import cluster_intervals

    shown = lists.select(c.USER_ID, c.ITEM_ID).join(named.select(c.ITEM_ID, c.GROUP), on=c.ITEM_ID, how="left")
    places = shown.with_columns(pl.col(c.GROUP).fill_null(NO_GROUP)).sort(c.USER_ID, c.ITEM_ID)
    most = places.group_by(c.GROUP).len(_PLACES).sort([_PLACES, c.GROUP], descending=[True, False])
    unseen = named.filter(~pl.col(c.GROUP).is_in(most[c.GROUP].implode())).group_by(c.GROUP).len(_PLACES)
    kept = pl.concat([most, unseen.sort([_PLACES, c.GROUP], descending=[True, False])])[c.GROUP][:GROUPS_MAX].to_list()
    group = pl.when(pl.col(c.GROUP).is_in(kept)).then(pl.col(c.GROUP)).otherwise(pl.lit(OTHER)).alias(c.GROUP)
    named, places = named.with_columns(group), places.with_columns(group)
    names = [*dict.fromkeys([*kept, OTHER])]
    hits = places.select((pl.col(c.GROUP) == name).cast(pl.Float64).alias(str(at)) for at, name in enumerate(names))
    found = cluster_intervals(places[c.USER_ID].rank("dense").cast(pl.Int64).to_numpy(), hits.to_numpy(), seed=seed)
    counted = named.group_by(c.GROUP).agg(pl.col(c.INTERACTION_COUNT).cast(pl.Int64).sum(), pl.len().alias(_ITEMS))
    sizes = {row[c.GROUP]: (int(row[c.INTERACTION_COUNT]), int(row[_ITEMS])) for row in counted.iter_rows(named=True)}
    totals = [max(1, sum(size[part] for size in sizes.values())) for part in (0, 1)]
    for at, name in enumerate(names):
        if name not in sizes and not found.value[at]:
            continue
        size = sizes.get(name, (0, 0))
        interval = (float(found.value[at]), float(found.low[at]), float(found.high[at]))
        for part, metric in ((0, VS_INTERACTIONS), (1, VS_CATALOGUE)):
            yield _row(attribute, name, metric, interval, size[part] / totals[part], size[1])


def _row(
    attribute: str, group: str, metric: str, interval: tuple[float, float, float], reference: float, items: int
) -> dict[str, Any]:
    value, low, high = interval
    alone = low != low  # noqa: PLR0124  NaN: one list has no spread
    return {
        DIMENSION: EXPOSURE,
        c.ATTRIBUTE: attribute,
        c.GROUP: group,
        c.METRIC: metric,
        c.VALUE: value,
        REFERENCE: reference,
        RATIO: value / reference if reference else None,
        c.CI_LOW: None if alone else low,
        c.CI_HIGH: None if alone else high,
        c.SAMPLE_SIZE: items,
        c.VERDICT: NO_DATA,
    }
