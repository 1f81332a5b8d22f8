"""What is held out of the past to learn from, tune on or test at: in time, or of each user's last events.

What is made of it is decided elsewhere.
"""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import EVENTS
from recs_platform.evaluation.splits import new_pairs, per_user_holdout
from recs_platform.pipeline.platform import Platform
from recs_platform.warehouse.clauses import instant_literal
from recs_platform.warehouse.runner import ModelRun

HELD_OUT_FRACTION = 0.2
INTERACTIONS = "staging.stg_interactions"
PAIR = [c.USER_ID, c.ITEM_ID]
Protocol = Literal["global", "per_user"]


@dataclass(frozen=True)
class Split:
    """How a window's events are held out.

    `global`: events in `[cutoff, labels_end)`. `per_user`: each user's last fifth by time; `peels` = 2 takes the fifth
    before that one, with the last one unseen.
    """

    protocol: Protocol
    cutoff: datetime
    labels_end: datetime
    peels: int = 1

    @property
    def name(self) -> datetime:
        """The cutoff that rows carry. Windows of one as-of that differ in peels differ by a microsecond each."""
        return self.cutoff - timedelta(microseconds=self.peels - 1)

    @property
    def labels_known_at(self) -> datetime:
        """When the labels are known: what tells a ranker that may serve from one that is only tested."""
        return self.labels_end - timedelta(microseconds=self.peels - 1)


def per_user_splits(as_of: datetime) -> tuple[Split, Split]:
    """The split to test on, and the one before it to train on."""
    test = Split("per_user", as_of, as_of, peels=1)
    return test, replace(test, peels=2)


def global_splits(cutoffs: Sequence[datetime], horizon: timedelta) -> list[Split]:
    """A split for each cutoff."""
    return [Split("global", cutoff, cutoff + horizon) for cutoff in cutoffs]


def later_interactions(platform: Platform, split: Split, known_at: datetime) -> pl.DataFrame | None:
    """Interactions from the cutoff to the labels' end; none of their own where users' last events are held out."""
    if split.protocol == "per_user":
        return None
    with platform.model_run(split.labels_end, known_at, scratch=True) as run:
        since = instant_literal(split.cutoff)
        return run.query(f"select * from {run.require(INTERACTIONS)} where {c.OCCURRED_AT} >= {since}")  # noqa: S608


def hold_out(interactions: pl.DataFrame, later: pl.DataFrame | None, split: Split) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Interactions that may be known, and distinct new positives (user_id, item_id)."""
    if later is not None:
        return interactions, new_pairs(later, interactions)
    known, last = per_user_holdout(interactions, HELD_OUT_FRACTION)
    for _ in range(split.peels - 1):
        known, last = per_user_holdout(known, HELD_OUT_FRACTION)
    return known, new_pairs(last, known)


def without_held_out(run: ModelRun, known: pl.DataFrame) -> pl.DataFrame:
    """Raw events less those on pairs that are held out, their impressions included."""
    held_out = run.frame(INTERACTIONS, PAIR).join(known, on=PAIR, how="anti")
    resolved = run.frame("staging.stg_resolved_events", [c.EVENT_ID, *PAIR])
    return run.frame(EVENTS.name).join(resolved.join(held_out, on=PAIR, how="semi"), on=c.EVENT_ID, how="anti")
