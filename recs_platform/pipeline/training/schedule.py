"""Training schedules: which past windows a ranker is tested at and learns from, as of an instant."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.shared_settings import Protocol
from recs_platform.evaluation.cutoffs import CutoffPlan, plan_cutoffs
from recs_platform.evaluation.splits import new_pairs
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.training.splits import Split, global_splits, per_user_splits


@dataclass(frozen=True)
class TrainingSchedule:
    """What there is to learn from and to test at, as of an instant."""

    protocol: Protocol
    as_of: datetime
    plan: CutoffPlan
    windows_min: int
    tests_min: int

    def first_tests(self) -> list[Split]:
        """Those of the tests, the newest, that are made in any case, oldest first."""
        return self.tests()[-self.tests_min :]

    def tests(self) -> list[Split]:
        """Splits to test at, oldest first: all of them where fewer do not tell enough."""
        if self.protocol == "per_user":
            return [per_user_splits(self.as_of)[0]]
        return global_splits(self.plan.tests, self.plan.horizon)

    def surely_needed(self) -> list[Split]:
        """Windows that testing and training ask for whatever they turn out to tell, oldest first."""
        tests = self.first_tests()
        learners = [*tests[:1], None]
        wanted = [split for learner in learners for split in self.training_for(learner)[: self.windows_min]]
        return sorted({*tests, *wanted})

    def training_for(self, split: Split | None) -> list[Split]:
        """Splits a ranker for this test may learn from, newest first; None = the ranker that serves at the as-of."""
        if self.protocol == "per_user":
            test, before = per_user_splits(self.as_of)
            return [test, before] if split is None else [before]
        instant = self.as_of if split is None else split.cutoff
        return global_splits(self.plan.training_cutoffs(instant), self.plan.horizon)[::-1]


def training_schedule(run: AsOfRun) -> TrainingSchedule:
    """Rolling windows where they hold enough users with history, else each user's last events; planned once a run."""
    return run.once("training schedule", lambda: _plan(run))


def _plan(run: AsOfRun) -> TrainingSchedule:
    settings, interactions = run.platform.settings, run.interactions
    first = interactions[c.OCCURRED_AT].min()
    plan = plan_cutoffs(
        first if isinstance(first, datetime) else run.as_of,  # nothing but impressions so far: no windows
        run.as_of,
        horizon_days=settings.horizon_days,
        every_days=settings.train_every_days,
        windows=settings.evaluation_windows,
    )
    protocol = settings.evaluation_protocol
    if protocol == "auto":
        is_enough = _pooled_users(interactions, plan) >= settings.training.pooled_users_min
        protocol = "global" if is_enough else "per_user"
    return TrainingSchedule(protocol, run.as_of, plan, settings.training.windows_min, settings.evaluation_windows_min)


def _pooled_users(interactions: pl.DataFrame, plan: CutoffPlan) -> int:
    """Users with history and a new positive, summed over the test windows."""
    total = 0
    for cutoff in plan.tests:
        at = pl.col(c.OCCURRED_AT)
        known = interactions.filter(at < cutoff)
        later = interactions.filter((at >= cutoff) & (at < cutoff + plan.horizon))
        total += new_pairs(later, known).join(known, on=c.USER_ID, how="semi")[c.USER_ID].n_unique()
    return total
