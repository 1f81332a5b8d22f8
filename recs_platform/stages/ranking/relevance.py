"""What training rows are worth: the grade of each, how much it counts, and the place that explains some of the clicks.

All of it is switched by RankerConfig; the rows themselves are chosen in `training`.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.stages.ranking.history_groups import HISTORY_GROUPS, history_group
from recs_platform.stages.ranking.training import GROUP_KEYS

# The least strength, in event weights, of the second grade and of the third.
GRADE_STRENGTHS = (3.0, 5.0)
# Places beyond are one: few are shown there.
POSITION_MAX = 50
_DAY_US = 86_400_000_000.0
_HISTORY = "distinct_item_count"


def grades(rows: pl.DataFrame, *, graded: bool, refusals_are_negatives: bool) -> NDArray[np.int8]:
    """Index into `forest.GRADE_GAINS` of each row (n,): 0 or 1 by `label`, where `graded` higher by `strength`.

    With `refusals_are_negatives` what was dismissed or left at once is 0, chosen or not.
    """
    label = rows[c.LABEL].cast(pl.Int8).to_numpy()
    if graded:
        strength = rows[c.STRENGTH].fill_null(0).to_numpy()
        label = label * (1 + np.searchsorted(GRADE_STRENGTHS, strength, side="right")).astype(np.int8)
    if refusals_are_negatives:
        label = np.where(rows[c.IS_REFUSED].fill_null(value=False).to_numpy(), np.int8(0), label)
    return label.astype(np.int8)


def importance(
    rows: pl.DataFrame, *, recency_half_life_days: float | None, balance: float
) -> NDArray[np.float64] | None:
    """How much each row counts (n,), mean 1; None where all count alike.

    By half for each `recency_half_life_days` before the latest cutoff; `balance` from 0, all users alike, to 1, all
    groups of users by length of history alike.
    """
    weights = np.ones(rows.height)
    if recency_half_life_days is not None:
        instants = rows[c.CUTOFF].dt.epoch("us").to_numpy()
        weights *= 0.5 ** ((instants.max(initial=0) - instants) / _DAY_US / recency_half_life_days)
    if balance and _HISTORY in rows.columns:
        weights *= _by_group(rows) ** balance
    if recency_half_life_days is None and not balance:
        return None
    return weights / weights.mean() if rows.height else weights


def positions(rows: pl.DataFrame) -> NDArray[np.int32]:
    """Place at which each row was shown (n,), from 1, POSITION_MAX at most, 0 where none is known."""
    return rows[c.SHOWN_POSITION].fill_null(0).clip(0, POSITION_MAX).cast(pl.Int32).to_numpy()


def _by_group(rows: pl.DataFrame) -> NDArray[np.float64]:
    """The inverse of the share of groups to learn from that the row's group of users has."""
    group = history_group(rows[_HISTORY].fill_null(0).cast(pl.Int64).to_numpy())
    first = rows.select(pl.int_range(pl.len()).over(GROUP_KEYS) == 0).to_series().to_numpy()
    counts = np.bincount(group[first], minlength=len(HISTORY_GROUPS))
    return counts.sum() / np.maximum(counts, 1)[group]
