"""Lists as they would be without the mitigation that is set, at test windows: what its before and after are told from.

Mitigation is what the settings do for groups of users and of items that get little: `training.balance`, and some rules.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from recs_platform.contracts.manifests import Manifest
from recs_platform.lake.artifacts import artifact
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.training.rankers import ranker_config, train_on_windows
from recs_platform.pipeline.training.schedule import TrainingSchedule
from recs_platform.pipeline.training.scoring_windows import scores_by
from recs_platform.pipeline.training.splits import Split
from recs_platform.pipeline.training.trials import lists_of
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.windows import Window
from recs_platform.settings import Settings
from recs_platform.stages import ranking

BALANCE = "training.balance"
_RULES = ("calibration", "new_items_min", "creator_exposure_floor")
_PARAMETER = "balance"


def mitigations(settings: Settings) -> tuple[str, ...]:
    """Names of the settings that mitigate and are on."""
    balance = (BALANCE,) if settings.training.balance > 0 else ()
    return (*balance, *(f"rules.{name}" for name in _RULES if name in settings.rules.used()))


def unmitigated_lists(
    windows: WindowCache,
    schedule: TrainingSchedule,
    split: Split,
    tested: Window,
    served: tuple[Manifest, Mapping[str, ranking.Contender]],
) -> pl.DataFrame | None:
    """Lists (user_id, item_id, rank) of a test window with all of it off; None where nothing is on.

    The ranker is trained on the same windows with rows of all users alike, unless that which serves was so trained.
    """
    run, (trained, chosen) = windows.run, served
    if not mitigations(run.platform.settings):
        return None
    scorer = _plain_ranker(windows, schedule, split, trained)
    return lists_of(replace(run.platform, settings=_plain(run)), tested, scores_by(run, tested, scorer, chosen))


def _plain_ranker(windows: WindowCache, schedule: TrainingSchedule, split: Split, trained: Manifest) -> ranking.Ranker:
    platform = windows.run.platform
    if not trained.parameters.get(_PARAMETER):
        return ranking.load_ranker(artifact(platform.home.artifacts, ranking.RANKER, trained.version))
    learned = windows.to_learn_from(schedule.training_for(split))
    config = ranker_config(platform).model_copy(update={_PARAMETER: 0.0})
    return train_on_windows(platform, learned, config, threads=1)


def _plain(run: AsOfRun) -> Settings:
    settings = run.platform.settings
    off: dict[str, dict[str, Any]] = {name: {"enabled": False, "segments": {}} for name in _RULES}
    return settings.model_copy(update={"rules": settings.rules.changed(off)})
