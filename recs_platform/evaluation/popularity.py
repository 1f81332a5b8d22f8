"""How fast popularity should forget: NDCG of one list for everybody, at several half-lives, at past cutoffs.

The list itself is made in `stages.retrieval.sources.popularity`, from the half-life that is chosen here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.time import DAY_MICROSECONDS, DAY_SECONDS, HOUR_SECONDS
from recs_platform.evaluation.metrics import user_metrics
from recs_platform.evaluation.splits import OCCURRED_US, new_pairs

# A quarter of an hour to three months; None counts every user alike, whenever it was.
HALF_LIVES_DAYS: tuple[float | None, ...] = (
    *(hours * HOUR_SECONDS / DAY_SECONDS for hours in (0.25, 1, 3, 12)), 1.0, 3.0, 7.0, 30.0, 90.0, None,
)  # fmt: skip
# Heads of lists: what a user has consumed is left out, and the next move up.
_SPARE = 50
_USERS_MAX = 5_000
_SCORE, _CODE, _ORDER = "_score", "_code", "_order"


@dataclass(frozen=True)
class HalfLifeTrial:
    """Mean NDCG over users and cutoffs of popularity with a half-life in days; None = for ever."""

    half_life_days: float | None
    ndcg: float
    users: int


def try_half_lives(
    interactions: pl.DataFrame,
    cutoffs: Sequence[datetime],
    *,
    horizon: timedelta,
    k: int,
    seed: int,
    half_lives_days: Sequence[float | None] = HALF_LIVES_DAYS,
) -> list[HalfLifeTrial]:
    """Try each half-life at each cutoff, on users with history and a new positive in `[cutoff, cutoff + horizon)`.

    `interactions`: user_id, item_id, occurred_at, occurred_us, weight. At most 5,000 users a cutoff, drawn by `seed`.
    Consumed items are left out of a user's list. Nothing to try on: no trials.
    """
    trials: dict[float | None, list[NDArray[np.float64]]] = {each: [] for each in half_lives_days}
    for cutoff in cutoffs:
        at = pl.col(c.OCCURRED_AT)
        known = interactions.filter(at < cutoff)
        held_out = _held_out(interactions.filter((at >= cutoff) & (at < cutoff + horizon)), known, seed)
        if held_out.is_empty():
            continue
        likes = _last_likes(known)
        theirs = known.join(held_out, on=c.USER_ID, how="semi").select(c.USER_ID, c.ITEM_ID).unique()
        for each in half_lives_days:
            lists = _lists(popularity_order(likes, each).head(k + _SPARE), held_out, theirs, k)
            metrics = user_metrics(lists, held_out, k)
            trials[each].append(metrics.filter(pl.col(c.METRIC) == "ndcg")[c.VALUE].to_numpy())
    return [
        HalfLifeTrial(each, float(np.concatenate(values).mean()), sum(map(len, values)))
        for each, values in trials.items()
        if values
    ]


def best_half_life(trials: Sequence[HalfLifeTrial]) -> HalfLifeTrial | None:
    """The one with the greatest NDCG; of equals the longest, which is the simplest. None without trials.

    >>> best_half_life([HalfLifeTrial(1.0, 0.2, 9), HalfLifeTrial(7.0, 0.2, 9), HalfLifeTrial(None, 0.1, 9)])
    HalfLifeTrial(half_life_days=7.0, ndcg=0.2, users=9)
    """
    return max(trials, key=lambda trial: (trial.ndcg, trial.half_life_days or np.inf), default=None)


def popularity_order(likes: pl.DataFrame, half_life_days: float | None) -> pl.DataFrame:
    """item_id of liked items, most popular first, ties by item; `likes`: user_id, item_id, occurred_us, a row a pair.

    An item scores the sum of 2 ** (-age / half-life) over the users who like it; with None their number.
    """
    items = likes[c.ITEM_ID].unique().sort()
    codes = likes.join(items.to_frame().with_row_index(_CODE), on=c.ITEM_ID, how="left", maintain_order="left")[_CODE]
    scores = np.bincount(codes.to_numpy(), weights=faded(likes[OCCURRED_US].to_numpy(), half_life_days))
    return pl.DataFrame({c.ITEM_ID: items, _SCORE: scores}).sort(_SCORE, c.ITEM_ID, descending=[True, False])


def faded(occurred_us: NDArray[np.int64], half_life_days: float | None) -> NDArray[np.float64]:
    """2 ** (-age / half-life) of each instant (n,), ages counted from the youngest; ones where it is None.

    >>> faded(np.array([0, DAY_MICROSECONDS]), 1.0).tolist(), faded(np.array([0, 5]), None).tolist()
    ([0.5, 1.0], [1.0, 1.0])
    """
    if half_life_days is None or not len(occurred_us):
        return np.ones(len(occurred_us))
    return np.exp2(-(occurred_us.max() - occurred_us) / DAY_MICROSECONDS / half_life_days)


def _last_likes(known: pl.DataFrame) -> pl.DataFrame:
    """The last positive of each user with each item."""
    liked = known.filter(pl.col(c.WEIGHT) > 0)
    return liked.group_by(c.USER_ID, c.ITEM_ID).agg(pl.col(OCCURRED_US).max()).sort(c.USER_ID, c.ITEM_ID)


def _held_out(later: pl.DataFrame, known: pl.DataFrame, seed: int) -> pl.DataFrame:
    pairs = new_pairs(later, known).join(known, on=c.USER_ID, how="semi").sort(c.USER_ID, c.ITEM_ID)
    users = pairs[c.USER_ID].unique().sort()
    if len(users) > _USERS_MAX:
        users = users.gather(np.sort(np.random.default_rng(seed).permutation(len(users))[:_USERS_MAX]))
    return pairs.join(users.to_frame(), on=c.USER_ID, how="semi")


def _lists(head: pl.DataFrame, held_out: pl.DataFrame, consumed: pl.DataFrame, k: int) -> pl.DataFrame:
    """The first `k` of the head for each user, less what they have consumed."""
    users = held_out.select(pl.col(c.USER_ID).unique().sort())
    offered = users.join(head.select(c.ITEM_ID).with_row_index(_ORDER), how="cross").join(
        consumed, on=[c.USER_ID, c.ITEM_ID], how="anti"
    )
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(c.USER_ID).alias(c.RANK)
    ranked = offered.sort(c.USER_ID, _ORDER).with_columns(rank)
    return ranked.filter(pl.col(c.RANK) <= k).select(c.USER_ID, c.ITEM_ID, c.RANK)
