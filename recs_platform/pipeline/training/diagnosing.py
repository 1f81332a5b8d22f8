"""The newest ranker that was tried on a window after all it learned from, diagnosed there; measured once a home.

How is in `stages.ranking.diagnosis`.
"""

from collections.abc import Callable

import polars as pl

from recs_platform.contracts.manifests import Manifest
from recs_platform.lake.artifacts import artifact
from recs_platform.pipeline.training.measurements import measured_once
from recs_platform.pipeline.training.rankers import ranker_basis, seal_rankers
from recs_platform.pipeline.training.recipes import ranker_at
from recs_platform.pipeline.training.schedule import TrainingSchedule
from recs_platform.pipeline.training.splits import Split
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.windows import read_window
from recs_platform.stages import ranking

FEATURES = 15
_CURVE, _IMPORTANCE, _LOST = "curve", "importance", "lost"


def seal_serving_ranker(
    windows: WindowCache, schedule: TrainingSchedule, progress: Callable[[str], None]
) -> tuple[Manifest, bool]:
    """The ranker trained for the as-of, and whether it was reused.

    Beside it the one that is diagnosed is trained: each takes one thread.
    """
    run = windows.run
    learned = [(split.cutoff, schedule.trial_training(split)) for split in _newest_trials(windows, schedule)]
    learned.append((run.as_of, schedule.training_for(None)))
    wanted = [(instant, windows.to_learn_from(splits)) for instant, splits in learned]
    return seal_rankers(run, wanted, progress)[-1]


def diagnose_ranker(windows: WindowCache, schedule: TrainingSchedule) -> ranking.Diagnosis | None:
    """The diagnosis of today's recipe at the newest trial; None without a trial or a forest."""
    run = windows.run
    trials = _newest_trials(windows, schedule)
    trained = ranker_at(windows, ranker_basis(run), trials[0], schedule.trial_training(trials[0])) if trials else None
    if trained is None:
        return None
    later, learned = windows.take(trials[0]), windows.to_learn_from(schedule.trial_training(trials[0]))[0]

    def measure() -> dict[str, pl.DataFrame]:
        found = ranking.diagnose(
            ranking.load_ranker(artifact(run.platform.home.artifacts, ranking.RANKER, trained.version)),
            read_window(run.platform, learned.version).rows,
            read_window(run.platform, later.version).rows,
            k=run.platform.settings.k,
            features=FEATURES,
            seed=run.platform.settings.seed,
            threads=run.platform.settings.threads,
        )
        return {} if found is None else _frames(found)

    inputs = {"ranker": trained.version, "learned": learned.version}
    found = measured_once(run, "diagnosis", later, inputs, measure)
    return _diagnosis(found) if found else None


def _newest_trials(windows: WindowCache, schedule: TrainingSchedule) -> list[Split]:
    """The one trial whose ranker is diagnosed; none where nothing can be tried."""
    return schedule.trials_before(windows.run.as_of)[:1]


def _frames(found: ranking.Diagnosis) -> dict[str, pl.DataFrame]:
    lost = pl.DataFrame({"value": [found.lost], "low": [found.lost_low], "users": [found.users]})
    return {_CURVE: found.curve, _IMPORTANCE: found.importance, _LOST: lost}


def _diagnosis(frames: dict[str, pl.DataFrame]) -> ranking.Diagnosis:
    value, low, users = frames[_LOST].row(0)
    return ranking.Diagnosis(frames[_CURVE], frames[_IMPORTANCE], value, low, users)
