"""What is compared: the last period of a mix or distribution, and the earlier ones it is held against.

Which earlier ones count is chosen here; how far apart they are is measured in `measures`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.stages.reports.drift_measures import DriftConfig

Floats = NDArray[np.float64]
UNKNOWN = "unknown"
EVERY = "all"
WEEK = 7
PERCENTILES = 101
# Facts are never taken for more alike than this share of the variance of draws, however few they are.
_SAME = 0.05


class ActivityConfig(DriftConfig):
    """As of features, with a smaller distance: a share of a mix is told more exactly than a feature's distribution."""

    distance: Annotated[float, Field(gt=0, description="least distance beyond the usual one")] = 0.05
    same_weekdays_min: Annotated[int, Field(ge=1, description="earlier days of the weekday; fewer: all days")] = 4
    periods_max: Annotated[int, Field(ge=2, description="earlier periods compared with, the newest")] = 28
    segments_max: Annotated[int, Field(ge=0, description="segments and sources told, the largest")] = 4
    segment_users_min: Annotated[int, Field(ge=2, description="a smaller segment or source is left out")] = 100
    silent_days: Annotated[int, Field(ge=1, description="days without an event that warn")] = 7


@dataclass(frozen=True)
class Subject:
    """A row of the report: what is looked at, of whom and from where."""

    kind: str
    dimension: str
    segment: str = EVERY
    source: str = EVERY


@dataclass(frozen=True)
class Period:
    """One period of a mix: how many of `n` independent facts each value has; a fact may be shared among values.

    `ago`: how long before the last period, in days, weeks or as-ofs; 0 is the last one. `draws`: as how many draws of
    one value each the facts count; more than `n` where facts are shared, and so more alike than draws.
    """

    ago: int
    counts: Mapping[str, float]
    n: float
    draws: float

    @property
    def shares(self) -> dict[str, float]:
        """The same as shares that sum to one, by value."""
        return shares_of(self.counts)

    @property
    def profile(self) -> str:
        """The period as JSON, which `period_of` reads."""
        shares = {value: round(share, 6) for value, share in self.shares.items()}
        return json.dumps({"n": round(self.n), "draws": round(self.draws, 3), "shares": shares})


@dataclass(frozen=True)
class Mix:
    """A mix over time. `past`: earlier periods, in any order; `unit`: days, weeks or as-ofs.

    `upstream`: where it comes from. `alarmed`: `ago` of the periods that drifted when they were the last.
    """

    subject: Subject
    now: Period
    past: Sequence[Period]
    unit: str
    upstream: str
    alarmed: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Spread:
    """A distribution over time: percentiles now and at earlier as-ofs of the same ranker, the newest first."""

    subject: Subject
    now: Floats
    past: Sequence[Floats]
    n: int
    upstream: str
    ranker: str

    @property
    def profile(self) -> str:
        """The percentiles as JSON."""
        return json.dumps([round(float(value), 6) for value in self.now])


def shares_of(counts: Mapping[str, float]) -> dict[str, float]:
    """Counts as shares that sum to one, by value; empty where there are none."""
    total = sum(counts.values())
    return {value: count / total for value, count in sorted(counts.items())} if total else {}


def counted(ago: int, counts: Mapping[str, float], squares: Mapping[str, float] | None = None) -> Period:
    """A period of as many facts as its counts add up to; `squares`: sums of the squares of each fact's shares.

    The variance of shared facts is below that of draws of one value each, by this factor they count as more draws:
    two facts that are half a and half b are as good as any number of draws, two that differ are two.

    >>> counted(0, {"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 1.0}).draws
    2.0
    >>> round(counted(0, {"a": 2.0, "b": 2.0}, {"a": 1.25, "b": 1.25}).draws)
    16
    """
    n = sum(counts.values())
    if squares is None or n <= 0:
        return Period(ago, counts, n, n)
    shares = {value: count / n for value, count in counts.items()}
    drawn = sum(share * (1 - share) for share in shares.values())
    real = sum(squares[value] / n - share * share for value, share in shares.items())
    return Period(ago, counts, n, n * drawn / real if real > _SAME * drawn else n / _SAME)


def period_of(profile: str, ago: int) -> Period:
    """A period of an earlier as-of, from its stored profile."""
    stored = json.loads(profile)
    n = float(stored["n"])
    return Period(ago, {value: float(share) * n for value, share in stored["shares"].items()}, n, stored["draws"])


def percentiles(values: Floats) -> Floats:
    """The 0th to the 100th percentile: what is kept of a distribution, whatever its size."""
    return np.quantile(values, np.linspace(0.0, 1.0, PERCENTILES))


def choose_periods(mix: Mix, config: ActivityConfig) -> tuple[list[Period], str]:
    """The earlier periods to compare with, newest first, and what they are, in words.

    Days of the last day's weekday where there are enough, else all days. Periods that were alarmed are left out, unless
    they are more than half: then what was alarming is how things are now.
    """
    known = sorted((each for each in mix.past if each.n > 0), key=lambda each: each.ago)
    chosen, words = known, mix.unit
    if mix.unit == "days":
        same = [each for each in known if each.ago % WEEK == 0]
        if len(same) >= config.same_weekdays_min:
            chosen, words = same, "days of the same weekday"
    chosen = chosen[: config.periods_max]
    quiet = [each for each in chosen if each.ago not in mix.alarmed]
    return (quiet if 2 * len(quiet) >= len(chosen) else chosen), words
