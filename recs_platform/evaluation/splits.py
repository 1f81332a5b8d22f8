"""Which rows are held out to be predicted. Metrics of predictions are in `metrics`."""

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.evaluation.ties import tie_keys

OCCURRED_US = "occurred_us"
MIN_ITEMS = 5

_FIRST_US = "first_us"
_ORDER = "order"
_ITEM_COUNT = "item_count"


def per_user_holdout(interactions: pl.DataFrame, fraction: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split into (kept rows, held-out rows): each user's last `fraction` of distinct items, with all their rows.

    `interactions`: user_id, item_id, occurred_us and more. Items go by their first time, those of one instant without
    a pattern (`tie_keys`); of n items floor(fraction * n) are held out, at least one; a user with fewer than 5 items
    keeps all. It leaks across users: what one user kept may be later than what another held out. Row order is kept.
    Raises ValueError unless 0 < fraction < 1.

    >>> rows = pl.DataFrame({"user_id": ["a"] * 5, "item_id": list("vwxyz"), "occurred_us": [5, 4, 3, 2, 1]})
    >>> kept, held_out = per_user_holdout(rows, 0.2)
    >>> kept["item_id"].to_list(), held_out["item_id"].to_list()
    (['w', 'x', 'y', 'z'], ['v'])
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction}")
    # The tiny addend keeps 0.29 * 100 = 28.999999999999996 from losing an item.
    held_count = (pl.col(_ITEM_COUNT) * fraction + 1e-9).floor().clip(lower_bound=1)
    firsts = interactions.group_by(c.USER_ID, c.ITEM_ID).agg(pl.col(OCCURRED_US).min().alias(_FIRST_US))
    ties = tie_keys(firsts[c.USER_ID], firsts[c.ITEM_ID])
    last_items = (
        firsts.with_columns(ties)
        .sort(c.USER_ID, _FIRST_US, ties.name, c.ITEM_ID)
        .with_columns(pl.int_range(pl.len()).over(c.USER_ID).alias(_ORDER), pl.len().over(c.USER_ID).alias(_ITEM_COUNT))
        .filter((pl.col(_ITEM_COUNT) >= MIN_ITEMS) & (pl.col(_ORDER) >= pl.col(_ITEM_COUNT) - held_count))
    )
    keys = [c.USER_ID, c.ITEM_ID]
    return (
        interactions.join(last_items, on=keys, how="anti", maintain_order="left"),
        interactions.join(last_items, on=keys, how="semi", maintain_order="left"),
    )


def new_pairs(window: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Distinct user_id, item_id of `window` with weight > 0 that are not in `known`; sorted.

    `window`: user_id, item_id, weight; `known`: user_id, item_id (any interaction before the window).

    >>> window = pl.DataFrame({"user_id": ["a", "a", "a"], "item_id": ["x", "y", "z"], "weight": [1.0, 1.0, 0.0]})
    >>> new_pairs(window, pl.DataFrame({"user_id": ["a"], "item_id": ["x"]})).rows()
    [('a', 'y')]
    """
    keys = [c.USER_ID, c.ITEM_ID]
    positives = window.filter(pl.col(c.WEIGHT) > 0).select(keys).unique()
    return positives.join(known.select(keys), on=keys, how="anti").sort(keys)
