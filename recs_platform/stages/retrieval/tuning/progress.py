"""Trials reported to the person who waits for them."""

from collections.abc import Callable

from recs_platform.stages.retrieval.tuning.budget import Watched

_QUIET_SECONDS = 5.0


class TrialProgress:
    """Reports a trial that is the best of its source so far, and any other every few seconds."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._best: dict[str, float] = {}
        self._reported = 0.0

    def __call__(self, seen: Watched) -> None:
        trial = seen.trial
        is_new = seen.best > self._best.get(trial.source, -1.0)
        if is_new or seen.seconds - self._reported > _QUIET_SECONDS:
            self._best[trial.source], self._reported = seen.best, seen.seconds
            value = f"dropped at {trial.value:.4f} in short" if trial.is_dropped else f"{trial.value:.4f}"
            self._report(f"{seen.seconds:6.1f} s  {trial.source} trial {trial.number}: {value}, best {seen.best:.4f}")
