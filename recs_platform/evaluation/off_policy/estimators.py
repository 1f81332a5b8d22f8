"""The estimators, each an estimate with its interval. Whether to believe any of them is for `overlap` to say.

Direct and doubly robust as in Dudík, Langford and Li 2011, self-normalized as in Swaminathan and Joachims 2015.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recs_platform.evaluation.off_policy.intervals import clustered_interval
from recs_platform.evaluation.off_policy.log import LoggedRewards
from recs_platform.evaluation.off_policy.overlap import effective_sample_size

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A policy's value: mean reward of a shown item, the ends of its 95 % interval, and the rows it rests on."""

    estimator: str
    value: float
    low: float
    high: float
    ess: float


@dataclass(frozen=True, eq=False)
class Expectation:
    """What a reward model expects.

    Attributes:
        shown: (n,), of the shown item of each row.
        of_target: (n_requests,), of an item that the target shows.
        leverage: (n,), how much a row's reward moves the mean of `of_target`, times n_requests.
    """

    shown: Floats
    of_target: Floats
    leverage: Floats


def estimate_all(log: LoggedRewards, expectation: Expectation) -> tuple[Estimate, ...]:
    """Every estimator of ESTIMATORS, in that order; NaN values where the log is empty or no weight is positive."""
    return tuple(_bounded(estimator(log, expectation), log) for estimator in ESTIMATORS)


def logged_value(log: LoggedRewards) -> Estimate:
    """What the logging policy itself earned: the mean reward of a shown item."""
    return _bounded(_ratio("logged", log, np.ones(len(log.reward))), log)


def inverse_propensity(log: LoggedRewards, _: Expectation) -> Estimate:
    """IPS: unbiased where the log could show all that the target shows."""
    return _mean("ips", log, log.by_request(log.weights * log.reward), log.weights)


def self_normalized(log: LoggedRewards, _: Expectation) -> Estimate:
    """SNIPS: the weighted mean of the rewards. Interval by the delta method, on rewards minus the estimate."""
    return _ratio("snips", log, log.weights)


def clipped(log: LoggedRewards, expectation: Expectation) -> Estimate:
    """IPS with weights of at most the mean weight times √n (Ionides 2008).

    It errs downwards where rewards are not negative, so its interval reaches up to that of IPS.
    """
    own = _mean("clipped_ips", log, log.by_request(_clip(log) * log.reward), _clip(log))
    return _reaching(own, inverse_propensity(log, expectation), downwards=bool((log.reward < 0).any()))


def clipped_self_normalized(log: LoggedRewards, expectation: Expectation) -> Estimate:
    """SNIPS with the same weights; to which side it errs is not known, so its interval covers that of SNIPS."""
    return _reaching(_ratio("clipped_snips", log, _clip(log)), self_normalized(log, expectation), downwards=True)


def direct(log: LoggedRewards, expectation: Expectation) -> Estimate:
    """What the reward model expects of the target. The interval holds if the model is right, and only then."""
    residual = log.reward - expectation.shown
    value = float(expectation.of_target.mean()) if log.n_requests else float("nan")
    influence = expectation.of_target - value + log.by_request(expectation.leverage * residual)
    return Estimate(
        "direct", value, *clustered_interval(value, influence, log.cluster), effective_sample_size(expectation.leverage)
    )


def doubly_robust(log: LoggedRewards, expectation: Expectation) -> Estimate:
    """The direct estimate plus the weighted mean of what the model missed."""
    missed = log.weights * (log.reward - expectation.shown)
    return _mean("doubly_robust", log, expectation.of_target + log.by_request(missed), log.weights)


ESTIMATORS: tuple[Callable[[LoggedRewards, Expectation], Estimate], ...] = (
    inverse_propensity,
    self_normalized,
    clipped,
    clipped_self_normalized,
    direct,
    doubly_robust,
)


def _mean(name: str, log: LoggedRewards, values: Floats, weights: Floats) -> Estimate:
    """The mean of values by request."""
    value = float(values.mean()) if len(values) else float("nan")
    return Estimate(
        name, value, *clustered_interval(value, values - value, log.cluster), effective_sample_size(weights)
    )


def _ratio(name: str, log: LoggedRewards, weights: Floats) -> Estimate:
    total = float(weights.sum())
    if total <= 0:
        return Estimate(name, float("nan"), float("nan"), float("nan"), 0.0)
    value = float((weights * log.reward).sum()) / total
    influence = log.by_request(weights * (log.reward - value)) * (log.n_requests / total)
    return Estimate(name, value, *clustered_interval(value, influence, log.cluster), effective_sample_size(weights))


def _clip(log: LoggedRewards) -> Floats:
    weights = log.weights
    limit = float(weights.mean()) * np.sqrt(len(weights)) if len(weights) else 0.0
    return np.minimum(weights, limit)


def _reaching(own: Estimate, other: Estimate, *, downwards: bool) -> Estimate:
    """The estimate with an interval that reaches as far as the other's, upwards and perhaps downwards."""
    low = min(own.low, other.low) if downwards else own.low
    return Estimate(own.estimator, own.value, low, max(own.high, other.high), own.ess)


def _bounded(estimate: Estimate, log: LoggedRewards) -> Estimate:
    """Where every reward is 0 or 1, no interval reaches beyond."""
    values = log.reward
    if not len(values) or not np.isin(values, (0.0, 1.0)).all():
        return estimate
    low, high = (float(np.clip(end, 0.0, 1.0)) for end in (estimate.low, estimate.high))
    return Estimate(estimate.estimator, estimate.value, low, high, estimate.ess)
