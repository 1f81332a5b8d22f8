"""How many trials and how much time the search of each source may take. The search is in `parameter_search`."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from recs_platform.stages.retrieval.tuning.parameter_search import SourceStudy
from recs_platform.stages.retrieval.tuning.trials import Trial

# Of each source, where only time limits them: more of them find what is peculiar to the validation sets.
TRIALS_PER_PARAMETER, TRIALS_MAX = 15, 90
# Of the time: choosing weights takes the rest.
_SEARCH_SHARE = 0.9


@dataclass(frozen=True)
class Budget:
    """At most `trials` a source, and all of it over when `clock` (seconds) reads `until`; None = no such limit.

    No trial fits vectors longer than `factors_max`, unless a source has longer ones to begin with.
    """

    clock: Callable[[], float]
    until: float | None = None
    trials: int | None = None
    factors_max: int = 512


@dataclass(frozen=True)
class Watched:
    """A trial just done: `best` value of its source so far, `seconds` since the search began."""

    trial: Trial
    best: float
    seconds: float


class Shares:
    """The budget dealt out: who starts takes an equal share of the time that is left, so what one saves others have.

    The quick ones go first, for they need less than their share.
    """

    def __init__(self, budget: Budget, threads: int, watch: Callable[[Watched], None]) -> None:
        self._budget, self._threads, self._watch = budget, threads, watch
        self._started, self._lock, self._is_over = budget.clock(), Lock(), False
        self.waiting = 0

    def stop(self) -> None:
        """Let searches that still run end with the trial they are at: nobody waits for them any more."""
        self._is_over = True

    def step(self, study: SourceStudy) -> None:
        """One trial; the default, which comes first, is always tried."""
        trial = study.try_next(self._budget.clock)
        with self._lock:
            self._watch(Watched(trial, study.best, self._budget.clock() - self._started))

    def search(self, study: SourceStudy) -> None:
        """Trials until the source's share is used up."""
        deadline = self._deadline()
        most = self._budget.trials or min(TRIALS_MAX, TRIALS_PER_PARAMETER * len(study.trials[0].parameters))
        while study.spent < most and not self._is_over and self._budget.clock() < deadline:
            self.step(study)

    def _deadline(self) -> float:
        if self._budget.until is None:
            return float("inf")
        with self._lock:
            now = self._budget.clock()
            left = self._started + (self._budget.until - self._started) * _SEARCH_SHARE - now
            share = min(left, left * self._threads / self.waiting)
            self.waiting -= 1
        return now + share
