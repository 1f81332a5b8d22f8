"""A drawn split of pairs in which both tastes and order tell what comes next. Nothing is measured here."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.timing import SEED
from recs_platform.contracts import columns as c
from recs_platform.contracts.time import DAY_MICROSECONDS

# About 0.8 M pairs remain to train on.
USERS, ITEMS = 30_000, 41_000
TEST_SHARE = 0.1
ITEMS_A_CLUSTER = 100
# Steps of a user, before what is met again is dropped: a lognormal between two bounds.
STEPS_MEDIAN, STEPS_SPREAD, STEPS_MIN, STEPS_MAX = 27, 0.75, 10, 400
TASTES, FOLLOWS, ANYTHING = 3, 0.2, 0.05
FIRST_US, YEAR_US = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1e6), 365 * DAY_MICROSECONDS
Codes = NDArray[np.int64]


def write_split(train: Path, test: Path, scale: float) -> int:
    """Write the earlier pairs and the latest tenth of them; returns how many there are to train on."""
    drawn = draw_pairs(max(50, int(USERS * scale)), max(5 * ITEMS_A_CLUSTER, int(ITEMS * scale)))
    cut = drawn.select(pl.col(c.OCCURRED_AT).quantile(1 - TEST_SHARE, "lower")).item()
    earlier = drawn.filter(pl.col(c.OCCURRED_AT) < cut)
    earlier.write_parquet(train)
    drawn.filter(pl.col(c.OCCURRED_AT) >= cut).write_parquet(test)
    return earlier.height


def draw_pairs(users: int, items: int) -> pl.DataFrame:
    """user_id, item_id, occurred_at: the first time that a user met an item, in a year.

    A user draws from three clusters; some clusters, and some items of each, are more popular. A fifth of the time what
    follows is one of the two successors of the item before, wherever they lie; now and then it is any item.
    """
    rng = np.random.default_rng(SEED)
    steps = rng.lognormal(np.log(STEPS_MEDIAN), STEPS_SPREAD, users).clip(STEPS_MIN, STEPS_MAX).astype(np.int64)
    tastes = (items // ITEMS_A_CLUSTER * rng.random((users, TASTES)) ** 1.5).astype(np.int64)
    successors = rng.integers(items, size=(items, 2))
    at = _liked(tastes, items, rng)
    who, met = [np.arange(users)], [at]
    for step in range(1, STEPS_MAX):
        on = np.flatnonzero(steps > step)
        chance = rng.random(len(on))
        follow = successors[at[on], rng.integers(2, size=len(on))]
        anything = rng.integers(items, size=len(on))
        at = at.copy()
        at[on] = np.select(
            [chance < FOLLOWS, chance < FOLLOWS + ANYTHING], [follow, anything], _liked(tastes[on], items, rng)
        )
        who.append(on)
        met.append(at[on])
    return _timed(np.concatenate(who), np.concatenate(met), rng)


def _liked(tastes: Codes, items: int, rng: np.random.Generator) -> Codes:
    """One item of one of each row's clusters, code = cluster + clusters x place, low places more often."""
    clusters = items // ITEMS_A_CLUSTER
    cluster = tastes[np.arange(len(tastes)), rng.integers(TASTES, size=len(tastes))]
    return cluster + clusters * (ITEMS_A_CLUSTER * rng.random(len(tastes)) ** 3).astype(np.int64)


def _timed(who: Codes, met: Codes, rng: np.random.Generator) -> pl.DataFrame:
    """Each user's steps, which are given in order, at instants drawn from the year."""
    order = np.argsort(who, kind="stable")
    who, met, instants = who[order], met[order], rng.integers(YEAR_US, size=len(who))
    instants = instants[np.lexsort((instants, who))]
    frame = pl.DataFrame({c.USER_ID: who, c.ITEM_ID: met, c.OCCURRED_AT: FIRST_US + instants})
    return frame.unique([c.USER_ID, c.ITEM_ID], keep="first", maintain_order=True).with_columns(
        pl.col(c.OCCURRED_AT).cast(pl.Datetime("us", "UTC"))
    )
