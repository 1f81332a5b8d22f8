"""What an experiment says: every variant against the control, in every metric, for everybody and by segment.

The split is judged first; where it is broken nothing is estimated. Numbers of a pair are in `lift`, what holds at every
look in `anytime`. Rows become a table in `stages.reports.experiments`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recs_platform.evaluation.experiments.anytime import ALPHA, USERS_MIN, critical_value, detectable, p_value
from recs_platform.evaluation.experiments.corrections import holm
from recs_platform.evaluation.experiments.lift import Moments, difference
from recs_platform.evaluation.experiments.sample_ratio import P_MIN, sample_ratio_p

EVERYBODY = "all"
Values = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One metric by user (n,): numerators over denominators, and the covariate from before the first exposure."""

    numerators: Values
    denominators: Values
    before: Values


@dataclass(frozen=True, eq=False)
class Exposed:
    """Users who were exposed, each to one variant. `variant`: place in `variants`, (n,); the first is the control.

    `shares`: of each variant, adding up to 1. `user_days` (n,): days since the first exposure, the first day included.
    `segments`: a label by user (n,) by the name of the dimension; '' = unknown, which is compared with nothing.
    """

    variants: Sequence[str]
    shares: Values
    variant: Codes
    user_days: Codes
    outcomes: Mapping[str, Outcome]
    segments: Mapping[str, NDArray[np.str_]]
    user_days_planned: float


@dataclass(frozen=True)
class Compared:
    """One variant against the control; the interval holds at every look, at 95 %.

    `adjusted_p`: after Holm over all rows of everybody, or over all rows of segments. `detectable`: the difference
    that a look at this size would find four times in five. Numbers are NaN where a variant has too few users.
    """

    variant: str
    segment: str
    metric: str
    users: int
    control_users: int
    value: float
    control: float
    difference: float
    low: float
    high: float
    lift: float
    lift_low: float
    lift_high: float
    p: float
    adjusted_p: float
    narrowed: float
    detectable: float

    @property
    def is_found(self) -> bool:
        """Whether the difference holds after correction."""
        return self.adjusted_p < ALPHA


@dataclass(frozen=True)
class Reading:
    """`users` by variant, the p-value of their shares, and the comparisons: none where the split is broken."""

    users: Mapping[str, int]
    sample_ratio_p: float
    rows: Sequence[Compared]

    @property
    def is_split_broken(self) -> bool:
        return self.sample_ratio_p < P_MIN


def read_experiment(exposed: Exposed) -> Reading:
    """Judge the split, then compare every variant with the control."""
    counts = np.bincount(exposed.variant, minlength=len(exposed.variants))
    p = sample_ratio_p(counts, exposed.shares)
    users = dict(zip(exposed.variants, counts.tolist(), strict=True))
    if p < P_MIN:
        return Reading(users, p, ())
    everybody = np.ones(len(exposed.variant), dtype=np.bool_)
    overall = _corrected(_compare(exposed, EVERYBODY, everybody))
    parts = [
        row
        for name, labels in exposed.segments.items()
        for label in sorted(set(labels.tolist()) - {""})
        for row in _compare(exposed, f"{name}={label}", labels == label)
    ]
    return Reading(users, p, (*overall, *_corrected(parts)))


def _compare(exposed: Exposed, segment: str, inside: NDArray[np.bool_]) -> list[Compared]:
    """Rows without correction: `adjusted_p` is `p`."""
    sides = [inside & (exposed.variant == place) for place in range(len(exposed.variants))]
    rows = list[Compared]()
    for metric, outcome in exposed.outcomes.items():
        moments = [_moments(outcome, side) for side in sides]
        for place, name in enumerate(exposed.variants[1:], 1):
            clock = float(exposed.user_days[sides[place] | sides[0]].sum())
            rows.append(_compared(name, segment, metric, moments[place], moments[0], clock, exposed.user_days_planned))
    return rows


def _moments(outcome: Outcome, side: NDArray[np.bool_]) -> Moments:
    return Moments.of(outcome.numerators[side], outcome.denominators[side], outcome.before[side])


def _compared(
    name: str, segment: str, metric: str, variant: Moments, control: Moments, clock: float, planned: float
) -> Compared:
    found = difference(variant, control)
    critical, p = float("nan"), float("nan")
    if min(variant.users, control.users) >= USERS_MIN and float(found.error) > 0:
        critical = float(critical_value(clock, planned))
        p = float(p_value(found.difference / found.error, clock, planned))
    middle, reach = float(found.difference), critical * float(found.error)
    # A lift on a control that may be zero says nothing.
    lift = float(found.lift) if float(found.control) > reach else float("nan")
    lift_reach = critical * float(found.lift_error)
    return Compared(
        variant=name,
        segment=segment,
        metric=metric,
        users=int(variant.users),
        control_users=int(control.users),
        value=float(found.value),
        control=float(found.control),
        difference=middle,
        low=middle - reach,
        high=middle + reach,
        lift=lift,
        lift_low=lift - lift_reach,
        lift_high=lift + lift_reach,
        p=p,
        adjusted_p=p,
        narrowed=float(found.narrowed),
        detectable=detectable(float(found.error), critical),
    )


def _corrected(rows: Sequence[Compared]) -> list[Compared]:
    adjusted = holm(np.array([row.p for row in rows], dtype=np.float64))
    return [replace(row, adjusted_p=float(value)) for row, value in zip(rows, adjusted, strict=True)]
