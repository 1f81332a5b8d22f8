"""Users grouped by what may be offered where they are. Where that is, and what is barred there, is told in SQL."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.places import UNKNOWN_PLACE


def offers_by_group(
    user_ids: pl.Series,
    item_ids: pl.Series,
    available: NDArray[np.bool_],
    places: pl.DataFrame | None,
    barred: pl.DataFrame | None,
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Group of each user (n_users,), and what may be offered to each group: bool (n_groups, n_items), n_groups > 0.

    `user_ids`, `item_ids`: ascending; `available`: flags of the items. `places`: user_id (distinct), place; a user
    without a row is at UNKNOWN_PLACE. `barred`: place, item_id; ids that are not known change nothing. Places where the
    same may be offered are one group; groups are in the order of their rows.
    """
    if barred is None or barred.is_empty() or user_ids.is_empty():
        return np.zeros(len(user_ids), dtype=np.int32), available[None]
    place = _places(user_ids, places)
    names = place.unique().sort()
    pairs = barred.filter(pl.col(c.PLACE).is_in(names.implode()) & pl.col(c.ITEM_ID).is_in(item_ids.implode()))
    offered = np.tile(available, (len(names), 1))
    offered[_codes(pairs[c.PLACE], names), _codes(pairs[c.ITEM_ID], item_ids)] = False
    packed, group_of = np.unique(np.packbits(offered, axis=1), axis=0, return_inverse=True)
    groups = np.unpackbits(packed, axis=1, count=len(item_ids)).astype(np.bool_)
    return group_of[_codes(place, names)].astype(np.int32), groups


def _places(user_ids: pl.Series, places: pl.DataFrame | None) -> pl.Series:
    """The place of each user, in the order of the ids."""
    if places is None:
        return pl.repeat(UNKNOWN_PLACE, len(user_ids), dtype=pl.String, eager=True)
    users = pl.DataFrame({c.USER_ID: user_ids})
    told = users.join(
        places.select(c.USER_ID, c.PLACE), on=c.USER_ID, how="left", maintain_order="left", validate="m:1"
    )
    return told[c.PLACE].fill_null(UNKNOWN_PLACE)


def _codes(values: pl.Series, known: pl.Series) -> NDArray[np.int64]:
    """Place of each of `values` in `known` (distinct), which holds them all."""
    return values.cast(pl.Enum(known)).to_physical().cast(pl.Int64).to_numpy()
