"""Users grouped by what may be offered in their region. Regions and exclusions come from the models of SQL."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.regions import UNKNOWN_REGION


def offers_by_region_group(
    user_ids: pl.Series,
    item_ids: pl.Series,
    available: NDArray[np.bool_],
    user_regions: pl.DataFrame | None,
    exclusions: pl.DataFrame | None,
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Group of each user (n_users,), and what may be offered to each group: bool (n_groups, n_items), n_groups > 0.

    `user_ids`, `item_ids`: ascending; `available`: flags of the items. `user_regions`: user_id (distinct),
    availability_region; a user without a row is in UNKNOWN_REGION. `exclusions`: availability_region, item_id; ids
    that are not known change nothing. Regions where the same may be offered are one group; groups are in the order of
    their rows.
    """
    if exclusions is None or exclusions.is_empty() or user_ids.is_empty():
        return np.zeros(len(user_ids), dtype=np.int32), available[None]
    regions = _regions(user_ids, user_regions)
    names = regions.unique().sort()
    pairs = exclusions.filter(
        pl.col(c.AVAILABILITY_REGION).is_in(names.implode()) & pl.col(c.ITEM_ID).is_in(item_ids.implode())
    )
    offered = np.tile(available, (len(names), 1))
    offered[_codes(pairs[c.AVAILABILITY_REGION], names), _codes(pairs[c.ITEM_ID], item_ids)] = False
    packed, group_of = np.unique(np.packbits(offered, axis=1), axis=0, return_inverse=True)
    groups = np.unpackbits(packed, axis=1, count=len(item_ids)).astype(np.bool_)
    return group_of[_codes(regions, names)].astype(np.int32), groups


def _regions(user_ids: pl.Series, user_regions: pl.DataFrame | None) -> pl.Series:
    """The region of each user, in the order of the ids."""
    if user_regions is None:
        return pl.repeat(UNKNOWN_REGION, len(user_ids), dtype=pl.String, eager=True)
    known = pl.DataFrame({c.USER_ID: user_ids}).join(
        user_regions.select(c.USER_ID, c.AVAILABILITY_REGION),
        on=c.USER_ID,
        how="left",
        maintain_order="left",
        validate="m:1",
    )
    return known[c.AVAILABILITY_REGION].fill_null(UNKNOWN_REGION)


def _codes(values: pl.Series, known: pl.Series) -> NDArray[np.int64]:
    """Index of each of `values` in `known` (distinct), which holds them all."""
    return values.cast(pl.Enum(known)).to_physical().cast(pl.Int64).to_numpy()
