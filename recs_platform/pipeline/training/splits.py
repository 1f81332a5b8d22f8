"""Hold-outs: what of the past is held out to train on, tune on or test at; by time, or each user's last events."""
# pyarrow has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.shared_settings import Protocol
from recs_platform.contracts.tables import EVENTS
from recs_platform.evaluation.splits import new_pairs, per_user_holdout
from recs_platform.pipeline.as_of_run import INTERACTIONS, KNOWN_EVENTS, STAGED, AsOfRun
from recs_platform.stages import ranking
from recs_platform.warehouse.clauses import instant_literal, relation
from recs_platform.warehouse.runner import ModelRun

HELD_OUT_FRACTION = 0.2
PAIR = [c.USER_ID, c.ITEM_ID]
# Folds of a user's history, in time order: the last fifth of it, and the fifth of the rest that comes before.
EARLIER_FOLD, LAST_FOLD = 0, 1


@dataclass(frozen=True, order=True)
class Split:
    """How a window's events are held out; splits are ordered by cutoff, then fold.

    `global`: events in `[cutoff, labels_end)`. `per_user`: the fold of each user's history by time; where that is the
    earlier one, the last one is unseen.
    """

    cutoff: datetime
    fold: int
    protocol: Protocol
    labels_end: datetime


def per_user_splits(as_of: datetime) -> tuple[Split, Split]:
    """The split to test on, and the one before it to train on."""
    return Split(as_of, LAST_FOLD, "per_user", as_of), Split(as_of, EARLIER_FOLD, "per_user", as_of)


def global_splits(cutoffs: Sequence[datetime], horizon: timedelta) -> list[Split]:
    """A split for each cutoff."""
    return [Split(cutoff, LAST_FOLD, "global", cutoff + horizon) for cutoff in cutoffs]


def later_interactions(run: AsOfRun, split: Split) -> pl.DataFrame | None:
    """Interactions from the cutoff to the labels' end; none of their own where users' last events are held out."""
    later = later_events(run, split)
    return None if later is None else interactions_of(later)


def later_events(run: AsOfRun, split: Split) -> pl.DataFrame | None:
    """The same with impressions, in the columns of staging.stg_events."""
    if split.protocol == "per_user":
        return None
    with run.at(split.labels_end).models(scratch=True) as models:
        since = instant_literal(split.cutoff)
        return models.query(f"select * from {models.require(STAGED)} where {c.OCCURRED_AT} >= {since}")  # noqa: S608


def interactions_of(events: pl.DataFrame) -> pl.DataFrame:
    """What of staging.stg_events is in staging.stg_interactions."""
    return events.filter(pl.col(c.EVENT_TYPE) != ranking.IMPRESSION)


def hold_out(interactions: pl.DataFrame, later: pl.DataFrame | None, split: Split) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Interactions that may be known, and distinct new positives (user_id, item_id)."""
    if later is not None:
        return interactions, new_pairs(later, interactions)
    known, held_out = per_user_holdout(interactions, HELD_OUT_FRACTION)
    for _ in range(LAST_FOLD - split.fold):
        known, held_out = per_user_holdout(known, HELD_OUT_FRACTION)
    return known, new_pairs(held_out, known)


def leave_out(models: ModelRun, known: pl.DataFrame) -> None:
    """From here on there are no events on pairs that are held out, their impressions included.

    Not in the log as it came either, which models of the home may read.
    """
    held_out = models.frame(INTERACTIONS, PAIR).join(known, on=PAIR, how="anti")
    resolved = models.frame("staging.stg_resolved_events", [c.EVENT_ID, *PAIR])
    left_out = resolved.join(held_out, on=PAIR, how="semi").select(c.EVENT_ID)
    for name in (EVENTS.name, KNOWN_EVENTS):
        log = relation(models.require(name))
        models.stand_in(name, f"from {log} anti join left_out using ({c.EVENT_ID})", left_out=left_out)
