"""Differences between variants: ratios by the delta method clustered by user, narrowed by what users did before.

A metric is a sum of numerators over a sum of denominators, both by user (a mean a user has denominators of one), so
that a click-through rate counts users, not impressions, as independent (Deng, Knoblich and Lu 2018). The covariate
is measured before a user's first exposure and takes its share of the variance away (CUPED: Deng, Xu, Kohavi and Walker
2013). Everything is worked out from moments, which may be of many streams at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
_NUMERATOR, _DENOMINATOR, _BEFORE = range(3)


@dataclass(frozen=True, eq=False)
class Moments:
    """Of numerators, denominators and covariate: `users` (…), `means` (…, 3), `covariances` (…, 3, 3), ddof 1."""

    users: Values
    means: Values
    covariances: Values

    @classmethod
    def of(cls, numerators: Values, denominators: Values, before: Values) -> Moments:
        """Moments of users, each array (n,); covariances are 0 below two users."""
        rows = np.stack([numerators, denominators, before]).astype(np.float64)
        n = rows.shape[1]
        means = rows.mean(axis=1) if n else np.full(3, np.nan)
        covariances = np.cov(rows) if n > 1 else np.zeros((3, 3))
        return cls(np.asarray(n, dtype=np.float64), means, covariances)

    @property
    def ratio(self) -> Values:
        """Numerators over denominators; NaN where there are none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.means[..., _NUMERATOR] / self.means[..., _DENOMINATOR]

    @property
    def _linearized(self) -> tuple[Values, Values]:
        """Variance of one user's share in the ratio, and its covariance with the covariate."""
        ratio, scale, cov = self.ratio, self.means[..., _DENOMINATOR], self.covariances
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = (
                cov[..., _NUMERATOR, _NUMERATOR]
                - 2 * ratio * cov[..., _NUMERATOR, _DENOMINATOR]
                + ratio**2 * cov[..., _DENOMINATOR, _DENOMINATOR]
            ) / scale**2
            with_before = (cov[..., _NUMERATOR, _BEFORE] - ratio * cov[..., _DENOMINATOR, _BEFORE]) / scale
        return np.maximum(variance, 0.0), with_before

    def slope_parts(self) -> tuple[Values, Values]:
        """Covariance of ratio and covariate, and variance of the covariate, each of their means."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._linearized[1] / self.users, self.covariances[..., _BEFORE, _BEFORE] / self.users

    def variance(self, slope: Values) -> Values:
        """Variance of the ratio less `slope` times the covariate's mean."""
        own, with_before = self._linearized
        left = own - 2 * slope * with_before + slope**2 * self.covariances[..., _BEFORE, _BEFORE]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.maximum(left, 0.0) / self.users


@dataclass(frozen=True, eq=False)
class Difference:
    """A variant less the control. `narrowed`: the share of the variance that the covariate took away.

    `value`, `control`: the metric in both, adjusted so that `value - control == difference`; `lift` is `value` over
    `control` less 1 (NaN where the control is not above 0). Errors are standard errors.
    """

    value: Values
    control: Values
    difference: Values
    error: Values
    lift: Values
    lift_error: Values
    narrowed: Values


def difference(variant: Moments, control: Moments, *, adjusts: bool = True) -> Difference:
    """How a variant differs from the control; `adjusts` = whether the covariate is used.

    >>> one = np.ones(4)
    >>> control = Moments.of(np.array([0.0, 1, 2, 3]), one, np.array([0.0, 1, 2, 3]))
    >>> variant = Moments.of(np.array([1.0, 2, 3, 4]), one, np.array([0.0, 1, 2, 3]))
    >>> plain = difference(variant, control, adjusts=False)
    >>> float(plain.difference), round(float(plain.error), 4), round(float(plain.lift), 4)
    (1.0, 0.9129, 0.6667)
    >>> float(difference(variant, control).error), float(difference(variant, control).narrowed)
    (0.0, 1.0)
    """
    slope = _slope(variant, control) if adjusts else np.zeros(np.shape(variant.users))
    centre = _centre(variant, control)
    value = variant.ratio - slope * (variant.means[..., _BEFORE] - centre)
    base = control.ratio - slope * (control.means[..., _BEFORE] - centre)
    of_variant, of_control = variant.variance(slope), control.variance(slope)
    none = np.zeros(np.shape(slope))
    plain = variant.variance(none) + control.variance(none)
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient = np.where(base > 0, value / base, np.nan)
        lift_error = np.sqrt(of_variant + quotient**2 * of_control) / base
        narrowed = np.where(plain > 0, 1 - (of_variant + of_control) / plain, 0.0)
    error = np.sqrt(of_variant + of_control)
    return Difference(value, base, value - base, error, quotient - 1, lift_error, narrowed)


def _slope(variant: Moments, control: Moments) -> Values:
    """The multiple of the covariate that leaves least variance in the difference; 0 where it does not vary."""
    (top, below), (other_top, other_below) = variant.slope_parts(), control.slope_parts()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below + other_below > 0, (top + other_top) / (below + other_below), 0.0)


def _centre(variant: Moments, control: Moments) -> Values:
    """Mean of the covariate over the users of both."""
    users = variant.users + control.users
    with np.errstate(invalid="ignore", divide="ignore"):
        weighted = variant.users * variant.means[..., _BEFORE] + control.users * control.means[..., _BEFORE]
        return weighted / users
