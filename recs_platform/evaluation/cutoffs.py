"""Cutoffs to train on and to test at, from dates alone. Their windows are built in `pipeline.training`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from recs_platform.contracts.time import DAY_SECONDS

WARM_UP_DAYS = 7
# Of a short log the first part only: there must be something left to learn from and to test at.
WARM_UP_SHARE = 0.2
# Cutoffs whose labels end before the first test, for what is chosen by trial, as long as so many tests are left.
TRIALS_MIN, TESTS_LEFT = 3, 5


@dataclass(frozen=True)
class CutoffPlan:
    """Cutoffs of one as-of, ascending. Their windows are `[cutoff, cutoff + horizon)`.

    `grid` lies on whole multiples of `step_days` since 1970, so that neighbouring as-ofs share their cutoffs;
    `tests` are grid cutoffs and, last, `as_of - horizon`. All windows end by the as-of.
    """

    horizon: timedelta
    step_days: int
    grid: tuple[datetime, ...]
    tests: tuple[datetime, ...]

    def training_cutoffs(self, instant: datetime) -> tuple[datetime, ...]:
        """Grid cutoffs whose labels end by `instant`, ascending: what a ranker as of `instant` may learn from."""
        return tuple(cutoff for cutoff in self.grid if cutoff + self.horizon <= instant)


def plan_cutoffs(
    first_event: datetime, as_of: datetime, *, horizon_days: int, every_days: int, windows: int
) -> CutoffPlan:
    """Plan `windows` test cutoffs before `as_of`, each with at least one training cutoff before it.

    Starts from `every_days` and takes a denser grid (down to daily) where the history is too short for that many
    windows. The first week is for warming up; of a log too short for five tests after it, its first fifth. The oldest
    tests give way, down to five, until the labels of three cutoffs end before the first. With less history than one
    training and one test window there are no tests.
    """
    horizon = timedelta(days=horizon_days)
    last_test = as_of - horizon
    warm_up = timedelta(days=WARM_UP_DAYS)
    plan = _densest_needed(first_event + warm_up, last_test, horizon, every_days, windows)
    shorter = WARM_UP_SHARE * (as_of - first_event)
    if len(plan.tests) < min(TESTS_LEFT, windows) and shorter < warm_up:
        plan = _densest_needed(first_event + shorter, last_test, horizon, every_days, windows)
    return plan


def _densest_needed(
    start: datetime, last_test: datetime, horizon: timedelta, every_days: int, windows: int
) -> CutoffPlan:
    plan = CutoffPlan(horizon, every_days, (), ())
    for step_days in _steps(every_days):
        grid = _grid(start, last_test, step_days)
        tests = _testable((*grid, last_test) if last_test not in grid else grid, grid, horizon)
        plan = _with_trials(CutoffPlan(horizon, step_days, grid, tests[-windows:]))
        if len(tests) >= windows:
            break
    return plan


def _with_trials(plan: CutoffPlan) -> CutoffPlan:
    tests = plan.tests
    while len(tests) > TESTS_LEFT and len(plan.training_cutoffs(tests[0])) < TRIALS_MIN:
        tests = tests[1:]
    return replace(plan, tests=tests)


def _steps(every_days: int) -> list[int]:
    return sorted({max(1, every_days // divisor) for divisor in (1, 2, 3, 7)} | {1}, reverse=True)


def _grid(start: datetime, end: datetime, step_days: int) -> tuple[datetime, ...]:
    """Multiples of `step_days` since 1970 in `[start, end]`."""
    step = step_days * DAY_SECONDS
    first, last = -(-int(start.timestamp()) // step), int(end.timestamp()) // step
    return tuple(datetime.fromtimestamp(number * step, UTC) for number in range(first, last + 1))


def _testable(cutoffs: Sequence[datetime], grid: Sequence[datetime], horizon: timedelta) -> tuple[datetime, ...]:
    if not grid:
        return ()
    return tuple(cutoff for cutoff in cutoffs if grid[0] + horizon <= cutoff)
