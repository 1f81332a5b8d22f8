"""Overlap: whether a log shows enough of what a target policy shows. Without it no estimate means anything."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recs_platform.evaluation.off_policy.intervals import clustered_interval
from recs_platform.evaluation.off_policy.log import LoggedRewards

# Fewer effective rows, or rewarded ones, and the intervals hold no more.
ESS_MIN = 100.0
REWARDED_MIN = 5.0
# Of what the target shows, the share that the log may lack.
UNSUPPORTED_MAX = 0.05
# Five equal weights may count as a little less than five.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Overlap:
    """How much of the target a log shows.

    Attributes:
        n_rows: Shown items of the log.
        n_requests: Requests of the log.
        n_matched: Shown items that the target might show too.
        ess: Effective sample size of the weights (Kish 1965): rows of an even log that would tell as much.
        rewarded: The same of the weights of rewarded rows.
        max_weight: The greatest weight.
        supported: Estimated share of the target that the log could have shown: the mean weight of a request.
        supported_low: Lower end of its interval.
        supported_high: Upper end.
        never_logged: Share of the target on items that the log never shows.
        lacks: Why the log cannot answer, in words; empty where it can.
    """

    n_rows: int
    n_requests: int
    n_matched: int
    ess: float
    rewarded: float
    max_weight: float
    supported: float
    supported_low: float
    supported_high: float
    never_logged: float
    lacks: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """`estimable` or `not_estimable`."""
        return "not_estimable" if self.lacks else "estimable"


def effective_sample_size(weights: NDArray[np.float64]) -> float:
    """(sum w)² / sum w², 0 where all are 0.

    >>> effective_sample_size(np.array([1.0, 1.0, 0.0, 0.0]))
    2.0
    """
    square = float((weights**2).sum())
    return float(weights.sum()) ** 2 / square if square > 0 else 0.0


def judge_overlap(log: LoggedRewards) -> Overlap:
    """Measure the overlap, and say what it lacks."""
    weights = log.weights
    of_request = log.by_request(weights)
    supported = float(of_request.mean()) if log.n_requests else 0.0
    low, high = clustered_interval(supported, of_request - supported, log.cluster)
    if np.isnan(low):
        low = high = supported
    measured = Overlap(
        n_rows=len(weights),
        n_requests=log.n_requests,
        n_matched=int(np.count_nonzero(weights)),
        ess=effective_sample_size(weights),
        rewarded=effective_sample_size(weights * np.abs(log.reward)),
        max_weight=float(weights.max(initial=0.0)),
        supported=supported,
        supported_low=low,
        supported_high=high,
        never_logged=float(log.never_logged.mean()) if log.n_requests else 1.0,
        lacks=(),
    )
    return replace(measured, lacks=tuple(_lacks(measured)))


def _lacks(found: Overlap) -> Iterator[str]:
    between = f"({found.supported_low:.0%} to {found.supported_high:.0%})"
    if found.never_logged > UNSUPPORTED_MAX:
        yield f"{found.never_logged:.0%} of what the policy shows is never shown in the log"
    elif found.supported_high < 1 - UNSUPPORTED_MAX:
        yield f"the log could show {found.supported:.0%} of what the policy shows {between}"
    if found.supported_low > 1 + UNSUPPORTED_MAX:
        yield (
            f"the weights are {found.supported:.0%} of what they should be {between}: the propensities are not the "
            "chances with which the items were shown"
        )
    if found.ess < ESS_MIN - _ROUNDING:
        yield f"the effective sample size is {found.ess:.0f}, and {ESS_MIN:.0f} are needed"
    if found.rewarded < REWARDED_MIN - _ROUNDING:
        yield f"the rewarded rows count as {found.rewarded:.1f}, and {REWARDED_MIN:.0f} are needed"
