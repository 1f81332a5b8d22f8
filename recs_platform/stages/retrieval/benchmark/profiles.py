"""The profiles of `recs benchmark retrieval`: which sources are measured, and how many trials each is tuned with.

What may be searched of a source is in `tuning.ranges`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ProfileName = Literal["fast", "best"]


@dataclass(frozen=True)
class Profile:
    """`sources`: those that are measured; `start`: fields by source that differ from the defaults in the first trial.

    `ahead`: sources measured as well where all of the test comes later than train. What fades with time is worth
    nothing where the test is of any time.

    `trials`: of each source, the first included; `trials_few_rows`: the same for small splits. No trial fits vectors
    longer than `factors_max`. At most `validation_users` are tuned on where train has a million rows, and up to twice
    as many where it has fewer: a trial costs little then, and what decides between trials is noise.
    """

    sources: tuple[str, ...]
    start: Mapping[str, Mapping[str, Any]]
    trials: int
    trials_few_rows: int
    factors_max: int
    validation_users: int
    ahead: tuple[str, ...] = ("trending", "trending_1d")

    def trials_for(self, rows: int) -> int:
        """Trials of each source on a split with so many rows in train."""
        return self.trials if rows > FEW_ROWS else self.trials_few_rows

    def validation_users_for(self, rows: int) -> int:
        """Users to tune on, at most, with so many rows in train."""
        return round(self.validation_users * min(max(MANY_ROWS / max(rows, 1), 1.0), USERS_TIMES_MAX))


# With fewer interactions a longer search takes as little time as a short one on many.
FEW_ROWS, MANY_ROWS = 200_000, 1_000_000
USERS_TIMES_MAX = 2.0
PROFILES: Mapping[ProfileName, Profile] = {
    "fast": Profile(
        sources=("als", "spectral", "item_knn", "transitions", "two_step", "popularity"),
        start={
            "spectral": {"factors": 256, "item_exponent": 0.5, "iterations": 3},
            "als": {"iterations": 5},
            "two_step": {"step_rules": 25},
        },
        trials=3,
        trials_few_rows=15,
        factors_max=256,
        validation_users=1_500,
    ),
    "best": Profile(
        sources=(
            "als",
            "spectral",
            "item_knn",
            "transitions",
            "two_step",
            "covisitation",
            "user_knn",
            "vs_knn",
            "ngrams",
            "popularity",
        ),
        start={"spectral": {"factors": 768}},
        trials=8,
        trials_few_rows=18,
        factors_max=768,
        validation_users=3_000,
    ),
}
