"""What a home leaves to its data: how far labels reach, at which cutoffs, and how fast popularity forgets, for whom.

Each is measured once a run: the horizon from when things happened before the as-of, the rest on what lies before
the first test, as are the facts by which sources are switched. What `recs.toml` names is not chosen.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.contracts.shared_settings import Protocol
from recs_platform.contracts.time import DAY_MICROSECONDS, as_of_key
from recs_platform.evaluation.cutoffs import CutoffPlan, plan_cutoffs
from recs_platform.evaluation.data_profile import FACTS, item_life_days, longest_horizon
from recs_platform.evaluation.popularity_trials import (
    FinerTrial,
    HalfLifeTrial,
    best_finer,
    best_half_life,
    try_finer,
    try_half_lives,
)
from recs_platform.evaluation.popularity_windows import PopularityWindow, popularity_window
from recs_platform.evaluation.splits import OCCURRED_US
from recs_platform.pipeline.as_of_run import CATALOGUE, USERS, AsOfRun

HORIZONS_DAYS = (14, 7, 3, 1)
TESTS_MIN = 5
_EVERY_DAYS_MAX = 7
_HALF_LIFE_CUTOFFS = 5
# Columns of users within whose groups popularity is tried.
GROUPINGS = (c.COUNTRY, c.REGION, c.TOP_DEVICE)


@dataclass(frozen=True)
class ChosenPlan:
    """Cutoffs and protocol of an as-of, and why they are these."""

    plan: CutoffPlan
    protocol: Protocol
    reason: str


def chosen_plan(run: AsOfRun) -> ChosenPlan:
    """The plan of cutoffs of the run's as-of, chosen once.

    The longest horizon, not above twice the life of items, that leaves five test cutoffs with enough users together;
    where none does, one with fewer cutoffs and enough users; else each user's last events are held out.
    """
    return run.once("plan of cutoffs", lambda: _choose_plan(run))


def half_life_trials(run: AsOfRun) -> list[HalfLifeTrial]:
    """Popularity tried at several half-lives, at up to five cutoffs whose labels end before the first test.

    None where users' last events are the test: no instant lies before all of them.
    """
    root = run.root
    return root.once("half-lives tried", lambda: try_half_lives(_popularity_windows(root), k=root.platform.settings.k))


def popularity_half_life(run: AsOfRun) -> float | None:
    """Days in which a user's liking fades by half in the source `popularity`; None = never.

    Where there is nothing to try it on, never.
    """
    best = best_half_life(half_life_trials(run))
    return None if best is None else best.half_life_days


def finer_trials(run: AsOfRun) -> list[FinerTrial]:
    """Popularity by country, region, device and category, tried at the same cutoffs against the best half-life."""
    root, settings = run.root, run.platform.settings

    def make() -> list[FinerTrial]:
        windows, half_life = _popularity_windows(root), popularity_half_life(root)
        return try_finer(windows, half_life, k=settings.k, seed=settings.seed)

    return root.once("finer popularity tried", make)


def finer_popularity(run: AsOfRun) -> FinerTrial | None:
    """The finer popularity that is better than the best half-life of all beyond chance, if any is."""
    return best_finer(finer_trials(run))


def measured_facts(run: AsOfRun) -> dict[str, float | None]:
    """Facts of what lies before the first test: interactions, users and items, then FACTS by name."""

    def make() -> dict[str, float | None]:
        known = known_before_tests(run.root)
        counts = {
            "interactions": known.height,
            "users": known[c.USER_ID].n_unique(),
            "items": known[c.ITEM_ID].n_unique(),
        }
        return {**counts, **{name: measure(known) for name, _, _, measure in FACTS}}

    return run.root.once("facts", make)


def known_before_tests(run: AsOfRun) -> pl.DataFrame:
    """Interactions before the first test: what may be looked at when something is chosen."""
    tests = chosen_plan(run).plan.tests
    at = pl.col(c.OCCURRED_AT)
    return run.interactions.filter(at < (tests[0] if tests else run.as_of))


def _choose_plan(run: AsOfRun) -> ChosenPlan:
    settings, pairs = run.platform.settings, _Pairs.of(run.interactions)
    fixed = settings.horizon_days
    life = item_life_days(run.interactions)
    horizons = [fixed] if fixed else longest_horizon(HORIZONS_DAYS, life)
    plans = [_plan(run, pairs, days) for days in horizons]
    users = [pairs.users_tested(plan) for plan in plans]
    least = settings.training.pooled_users_min
    is_enough = [count >= least for count in users]
    full = [enough and len(plan.tests) >= TESTS_MIN for enough, plan in zip(is_enough, plans, strict=True)]
    found = next((flags.index(True) for flags in (full, is_enough) if any(flags)), 0)
    plan, protocol = plans[found], settings.evaluation_protocol
    if protocol == "auto":
        protocol = "global" if is_enough[found] else "per_user"
    why = "as set" if fixed else f"of {', '.join(map(str, HORIZONS_DAYS))}; items live {_days(life)}"
    tests = f"{counted(len(plan.tests), 'test cutoff')} with {counted(users[found], 'user')} in all"
    reason = f"{counted(plan.horizon.days, 'day')}, {why}; {tests}"
    return ChosenPlan(plan, protocol, f"{reason}, {least} needed" if protocol == "per_user" else reason)


def _plan(run: AsOfRun, pairs: "_Pairs", horizon_days: int) -> CutoffPlan:
    settings = run.platform.settings
    return plan_cutoffs(
        pairs.first_event or run.as_of,  # nothing but impressions so far: no windows
        run.as_of,
        horizon_days=horizon_days,
        every_days=settings.train_every_days or min(horizon_days, _EVERY_DAYS_MAX),
        windows=settings.evaluation_windows,
    )


def _popularity_windows(run: AsOfRun) -> list[PopularityWindow]:
    return run.once("windows of popularity", lambda: _make_popularity_windows(run))


def _make_popularity_windows(run: AsOfRun) -> list[PopularityWindow]:
    chosen = chosen_plan(run)
    if chosen.protocol == "per_user":
        return []
    plan = chosen.plan
    first_test = plan.tests[0] if plan.tests else run.as_of
    made = [
        _popularity_window(run.at(cutoff), plan.horizon)
        for cutoff in plan.training_cutoffs(first_test)[-_HALF_LIFE_CUTOFFS:]
    ]
    return [window for window in made if window is not None]


def _popularity_window(then: AsOfRun, horizon: timedelta) -> PopularityWindow | None:
    with then.models(scratch=True) as models:
        users = models.frame(USERS, [c.USER_ID, *GROUPINGS])
        items = models.frame(CATALOGUE, [c.ITEM_ID, c.CATEGORY])
    interactions, seed = then.root.interactions, then.platform.settings.seed
    return popularity_window(interactions, then.as_of, horizon, seed=seed, users=users, items=items, columns=GROUPINGS)


def _days(life: float | None) -> str:
    return "for an unknown time" if life is None else f"{life:.1f} days"


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Each user and item once: code of the user, first interaction, first positive, the user's first; microseconds."""

    users: NDArray[np.int64]
    first_us: NDArray[np.int64]
    liked_us: NDArray[np.int64]
    user_first_us: NDArray[np.int64]
    first_event: datetime | None

    @classmethod
    def of(cls, interactions: pl.DataFrame) -> "_Pairs":
        never = np.iinfo(np.int64).max
        at = pl.col(OCCURRED_US)
        pairs = interactions.group_by(c.USER_ID, c.ITEM_ID).agg(
            at.min().alias("first"), at.filter(pl.col(c.WEIGHT) > 0).min().fill_null(never).alias("liked")
        )
        user = pairs.select(pl.col(c.USER_ID).rank("dense").cast(pl.Int64)).to_series()
        of_user = pairs.select(pl.col("first").min().over(c.USER_ID)).to_series()
        first = interactions[c.OCCURRED_AT].min()
        return cls(
            user.to_numpy(),
            pairs["first"].to_numpy(),
            pairs["liked"].to_numpy(),
            of_user.to_numpy(),
            first if isinstance(first, datetime) else None,
        )

    def users_tested(self, plan: CutoffPlan) -> int:
        """Users with history and a new positive, summed over the test windows."""
        return sum(self._users_at(cutoff, plan.horizon.days) for cutoff in plan.tests)

    def _users_at(self, cutoff: datetime, horizon_days: int) -> int:
        begin = int(cutoff.timestamp()) * 1_000_000
        end = begin + horizon_days * DAY_MICROSECONDS
        is_new = (self.first_us >= begin) & (self.liked_us < end) & (self.user_first_us < begin)
        return len(np.unique(self.users[is_new]))


def plan_text(chosen: ChosenPlan) -> str:
    """The choice in a line: horizon and why, protocol, first and last test."""
    tests = chosen.plan.tests
    span = f", tests from {as_of_key(tests[0])} to {as_of_key(tests[-1])}" if tests else ", no tests"
    return f"{chosen.reason}; {chosen.protocol}, a cutoff every {counted(chosen.plan.step_days, 'day')}{span}"
