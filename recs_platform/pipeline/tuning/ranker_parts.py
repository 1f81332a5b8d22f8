"""Parts of the past that a ranker is tuned on: cutoffs in time, or folds of users where there are too few cutoffs.

All of them end before the first test. The search over them is in `tune_ranker`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.contracts.errors import NotReady
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.time import as_of_key, parse_instant
from recs_platform.pipeline.training.schedule import TrainingSchedule
from recs_platform.pipeline.training.window_cache import WindowCache
from recs_platform.pipeline.training.windows import Window, read_window
from recs_platform.stages import ranking

FOLDS = 4


@dataclass(frozen=True, eq=False)
class Part:
    """Windows to learn from and to measure on; with `users`, theirs alone are measured and take no part in learning."""

    name: str
    learned: Sequence[Manifest]
    tested: Sequence[Manifest]
    users: pl.Series | None = None

    @property
    def key(self) -> dict[str, object]:
        """What decides the part, JSON-like."""
        versions = [[each.version for each in windows] for windows in (self.learned, self.tested)]
        return {"windows": versions, "users": None if self.users is None else self.users.to_list()}

    @property
    def labels_end(self) -> datetime:
        """The last instant that it knows of."""
        return max(parse_instant(each.parameters[ranking.LABELS_END]) for each in (*self.learned, *self.tested))

    def only(self, window: Window) -> Window:
        """The window of the part's users."""
        if self.users is None:
            return window
        mine = pl.col(c.USER_ID).is_in(self.users.implode())
        return replace(window, rows=window.rows.filter(mine), held_out=window.held_out.filter(mine))


def validation_parts(windows: WindowCache, schedule: TrainingSchedule, say: Callable[[str], None]) -> list[Part]:
    """At least two parts before the first test, oldest first.

    Cutoffs with windows to learn from before them; where there are fewer than two, four folds of the users of all
    windows (grouped k-fold, stratified by how much they had consumed). Raises NotReady where no window ends before the
    first test, as where users' last events are the test.
    """
    tests = schedule.tests()
    before = schedule.training_for(tests[0]) if tests and schedule.protocol == "global" else []
    if not before:
        raise NotReady(
            f"no window ends before the first test as of {as_of_key(schedule.as_of)}: a longer history, or fewer "
            "evaluation_windows, leave some"
        )
    cutoffs = sorted(schedule.trials_before(tests[0].cutoff))
    if len(cutoffs) > 1:
        return [
            Part(
                f"{as_of_key(split.cutoff)}",
                windows.to_learn_from(schedule.trial_training(split)),
                [windows.take(split)],
            )
            for split in cutoffs
        ]
    taken = [windows.take(split) for split in before]
    of_windows = counted(len(taken), "window")
    say(f"too few cutoffs lie before the first test: {FOLDS} folds of the users of {of_windows} instead")
    return [Part(f"fold {number}", taken, taken, users) for number, users in enumerate(_folds(windows, taken))]


def _folds(windows: WindowCache, taken: Sequence[Manifest]) -> list[pl.Series]:
    """Users dealt out in turn, those who had consumed alike beside each other."""
    platform = windows.run.platform
    read = [read_window(platform, manifest.version) for manifest in taken]
    users = pl.concat([window.held_out.select(c.USER_ID) for window in read]).unique()
    consumed = pl.concat([window.consumed for window in read]).group_by(c.USER_ID).len("n")
    mixed = pl.col(c.USER_ID).hash(platform.settings.seed).alias("mixed")
    ordered = users.join(consumed, on=c.USER_ID, how="left").with_columns(pl.col("n").fill_null(0), mixed)
    ids = ordered.sort("n", "mixed", c.USER_ID)[c.USER_ID]
    return [ids.gather_every(FOLDS, number).sort() for number in range(FOLDS)]
