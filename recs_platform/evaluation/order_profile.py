"""Whether the order in which users come upon items says anything: what sources that read sequences live on.

Each function takes interactions: user_id, item_id, occurred_us (microseconds since 1970), weight; one row an event. A
step is from one item to the next that the same user liked for the first time; of many users, 20,000 count.
"""

import numpy as np
import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.evaluation.splits import OCCURRED_US
from recs_platform.evaluation.ties import tie_keys

USERS_MAX = 20_000
_SEED = 0
_NEXT, _STEPS, _FORTH, _KEY = "_next", "_steps", "_forth", "_key"


def repeated_steps_ratio(interactions: pl.DataFrame) -> float | None:
    """Share of steps that another user took too, over the same share in shuffled histories: 1 = order says nothing.

    None where shuffled histories repeat none.
    """
    firsts = _first_likes(interactions)
    shuffled = firsts[np.random.default_rng(_SEED).permutation(firsts.height)].sort(c.USER_ID, maintain_order=True)
    by_chance = _repeated(_steps(shuffled))
    return _repeated(_steps(firsts)) / by_chance if by_chance else None


def one_way_share(interactions: pl.DataFrame) -> float | None:
    """How far steps between two items go one way: (2 p - 1) ** 2, p the share of the usual way; 0 both, 1 always one.

    Weighted by pairs of steps between the same two items, without the bias of small numbers; None without such pairs.

    >>> rows = [("a", "x", 0), ("a", "y", 1), ("b", "x", 0), ("b", "y", 1)]
    >>> log = pl.DataFrame(rows, ["user_id", "item_id", "occurred_us"], orient="row").with_columns(weight=pl.lit(1.0))
    >>> one_way_share(log)
    1.0
    """
    steps = _steps(_first_likes(interactions))
    is_forth = pl.col(c.ITEM_ID) < pl.col(_NEXT)
    pairs = (
        steps.group_by(
            pl.min_horizontal(c.ITEM_ID, _NEXT).alias(c.ITEM_ID), pl.max_horizontal(c.ITEM_ID, _NEXT).alias(_NEXT)
        )
        .agg(pl.col(_STEPS).sum(), pl.col(_STEPS).filter(is_forth).sum().alias(_FORTH))
        .sort(c.ITEM_ID, _NEXT)
    )
    count, forth = pairs[_STEPS].to_numpy(), pairs[_FORTH].to_numpy()
    both = int((count * (count - 1)).sum())
    return float((((2 * forth - count) ** 2 - count).sum()) / both) if both else None


def _first_likes(interactions: pl.DataFrame) -> pl.DataFrame:
    """user_id, item_id of the first time each user liked each item, in the order in which they did."""
    liked = interactions.filter(pl.col(c.WEIGHT) > 0)
    users = liked[c.USER_ID].unique().sort()
    if len(users) > USERS_MAX:
        users = users.gather(np.sort(np.random.default_rng(_SEED).permutation(len(users))[:USERS_MAX]))
        liked = liked.join(users.to_frame(), on=c.USER_ID, how="semi")
    firsts = liked.group_by(c.USER_ID, c.ITEM_ID).agg(pl.col(OCCURRED_US).min())
    keys = tie_keys(firsts[c.USER_ID], firsts[c.ITEM_ID]).alias(_KEY)
    return firsts.with_columns(keys).sort(c.USER_ID, OCCURRED_US, _KEY, c.ITEM_ID).select(c.USER_ID, c.ITEM_ID)


def _steps(histories: pl.DataFrame) -> pl.DataFrame:
    """item_id, the next one, and how many users went from one to the other; a user's rows stand together, in order."""
    following = histories.with_columns(pl.col(c.ITEM_ID).shift(-1).over(c.USER_ID).alias(_NEXT)).drop_nulls()
    return following.group_by(c.ITEM_ID, _NEXT).agg(pl.len().cast(pl.Int64).alias(_STEPS))


def _repeated(steps: pl.DataFrame) -> float:
    counts = steps[_STEPS].to_numpy()
    return float(counts[counts > 1].sum() / counts.sum()) if len(counts) else 0.0
