"""Training schedules: which past windows a ranker is tested at and learns from, as of an instant."""

from dataclasses import dataclass
from datetime import datetime

from recs_platform.contracts.shared_settings import Protocol
from recs_platform.evaluation.cutoffs import CutoffPlan
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.fitting import chosen_plan
from recs_platform.pipeline.training.splits import Split, global_splits, per_user_splits


@dataclass(frozen=True)
class TrainingSchedule:
    """What there is to learn from and to test at, as of an instant."""

    protocol: Protocol
    as_of: datetime
    plan: CutoffPlan
    windows_min: int
    tests_min: int
    trials_max: int

    def first_tests(self) -> list[Split]:
        """Those of the tests, the newest, that are made in any case, oldest first."""
        return self.tests()[-self.tests_min :]

    def tests(self) -> list[Split]:
        """Splits to test at, oldest first: all of them where fewer do not tell enough."""
        if self.protocol == "per_user":
            return [per_user_splits(self.as_of)[0]]
        return global_splits(self.plan.tests, self.plan.horizon)

    def trials_before(self, instant: datetime | None) -> list[Split]:
        """Splits at which contenders are tried for lists made at an instant, newest first: all their labels are in.

        None: before the test of users' last events, before which there is nothing to try.
        """
        if instant is None:
            return []
        if self.protocol == "per_user":
            return [per_user_splits(self.as_of)[0]][: self.trials_max] if instant == self.as_of else []
        cutoffs = sorted({*self.plan.tests, *self.plan.grid}, reverse=True)
        past = [cutoff for cutoff in cutoffs if cutoff + self.plan.horizon <= instant]
        splits = global_splits(past, self.plan.horizon)
        return [split for split in splits if self.training_for(split)][: self.trials_max]

    def trial_training(self, split: Split) -> list[Split]:
        """Splits a ranker of a trial learns from, newest first, as one of a test.

        Before the first tests those that are at hand in any case: more would have to be built for this alone. Trials
        before older tests, which small logs have, are mostly tests themselves.
        """
        able = self.training_for(split)
        if self.protocol == "per_user" or split in self.first_tests() or split not in self.first_trials():
            return able
        at_hand = set(self._for_tests_and_training())
        return [each for each in able if each in at_hand] or able[:1]

    def first_trials(self) -> list[Split]:
        """Trials for the lists of the as-of and for those of the first tests."""
        instants = [self.as_of, *(split.cutoff for split in self.first_tests()[:1])]
        return [split for instant in instants for split in self.trials_before(instant)]

    def surely_needed(self) -> list[Split]:
        """Windows that trials, tests and training ask for whatever they turn out to tell, oldest first."""
        trials = self.first_trials()
        learned = [each for split in trials for each in self.trial_training(split)[: self.windows_min]]
        return sorted({*self._for_tests_and_training(), *trials, *learned})

    def _for_tests_and_training(self) -> list[Split]:
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
    chosen, settings = chosen_plan(run), run.platform.settings
    training, tests_min = settings.training, settings.evaluation_windows_min
    return TrainingSchedule(chosen.protocol, run.as_of, chosen.plan, training.windows_min, tests_min, training.trials)
