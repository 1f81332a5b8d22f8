"""The probability that a listed item is chosen, learned at the trials before the first test and told of the tests."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.tables import TESTED_LISTS
from recs_platform.evaluation.probability import Calibration, learn_calibration
from recs_platform.pipeline.training.measurements import Frames, measured_once
from recs_platform.pipeline.training.recipes import ranker_at, serving_basis
from recs_platform.pipeline.training.schedule import TrainingSchedule
from recs_platform.pipeline.training.splits import Split
from recs_platform.pipeline.training.trials import choose_as_of, chosen_by_group, competing, orders_lists
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.window_metrics import listed_items
from recs_platform.pipeline.training.windows import read_window
from recs_platform.stages import ranking

_IS_SCORED = pl.col(c.SCORE).is_not_null()


@dataclass(frozen=True)
class TrialCalibration:
    """What trials taught, and the cutoff of the first test after them."""

    calibration: Calibration
    since: datetime


def learn_from_trials(
    windows: WindowCache, schedule: TrainingSchedule, progress: Callable[[str], None]
) -> TrialCalibration | None:
    """What the lists of the trials before the first test teach; None where there are none, or too few were chosen.

    The lists are those of the contenders chosen before that test, by rankers that could have existed at each trial.
    """
    tests = schedule.first_tests()
    if schedule.protocol == "per_user" or not tests:
        return None
    instant = tests[0].cutoff
    rows = choose_as_of(windows, schedule, instant, progress)
    chosen = chosen_by_group(rows, competing(windows.run))
    listed = [_listed(windows, schedule, split, chosen) for split in schedule.trials_before(instant)]
    known = [rows for rows in listed if rows is not None]
    if not known:
        return None
    learned = pl.concat(known).filter(_IS_SCORED)
    found = learn_calibration(*(learned[name].to_numpy() for name in (c.SCORE, c.RANK, c.WAS_CHOSEN)))
    return None if found is None else TrialCalibration(found, instant)


def with_probability(listed: pl.DataFrame, learned: TrialCalibration | None) -> pl.DataFrame:
    """The same rows of TESTED_LISTS with the probability, where there is a score and the test is none before `since`.

    Older tests lie before, or among, the trials that it was learned at.
    """
    if learned is None:
        return listed
    scores, ranks = listed[c.SCORE].fill_null(0).to_numpy(), listed[c.RANK].to_numpy()
    told = pl.Series(c.PROBABILITY, learned.calibration.probabilities(scores, ranks), pl.Float64)
    is_told = _IS_SCORED & (pl.col(c.CUTOFF) >= learned.since)
    return listed.with_columns(pl.when(is_told).then(pl.lit(told)).alias(c.PROBABILITY))


def _listed(
    windows: WindowCache, schedule: TrainingSchedule, split: Split, chosen: dict[str, ranking.Contender]
) -> pl.DataFrame | None:
    """Items of the lists at one trial; None where the recipe in force has no ranker of then. Measured once a home."""
    run = windows.run
    trained = ranker_at(windows, serving_basis(run), split, schedule.trial_training(split))
    if trained is None:
        return None
    measure = partial(_measure, windows, split, trained, chosen)
    return measured_once(run, "listed", windows.take(split), orders_lists(trained, chosen), measure)[TESTED_LISTS.table]


def _measure(windows: WindowCache, split: Split, trained: Manifest, chosen: dict[str, ranking.Contender]) -> Frames:
    run = windows.run
    tested = read_window(run.platform, windows.take(split).version)
    return {TESTED_LISTS.table: listed_items(run, split, tested, trained, chosen)}
