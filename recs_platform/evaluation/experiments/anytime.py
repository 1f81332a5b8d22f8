"""Intervals and p-values that hold at every look: whoever looks daily and stops at the first find errs as rarely.

Asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2021, theorem 2.2): Robbins' normal
mixture (1970) around an estimate and its standard error. What an estimate is: `lift`.

The clock is what was observed so far: here days of users, added up. What users did on earlier days must not speak
against what they do later, as it would with a thing that is bought once; heavy users who stay heavy only make false
alarms rarer.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
# Below so many users a variant an estimate is too far from normal to be shown with an interval.
USERS_MIN = 100
Values = NDArray[np.float64]


def mixture_scale(planned: float, alpha: float = ALPHA) -> float:
    """rho², with which the interval is narrowest when the clock shows `planned` (ibid., section 2.3).

    >>> round(mixture_scale(1000), 6)
    0.007936
    """
    return (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / planned


def critical_value(clock: Any, planned: float, alpha: float = ALPHA) -> Values:  # noqa: ANN401 - a number or an array of them
    """How many standard errors the interval reaches on each side, at each value of the clock (above 0).

    >>> critical_value([1000.0], 1000).round(3).tolist()
    [3.035]
    """
    information = mixture_scale(planned) * np.asarray(clock, dtype=np.float64)
    return np.sqrt((1 + 1 / information) * (np.log1p(information) - 2 * math.log(alpha)))


def p_value(z: Any, clock: Any, planned: float) -> Values:  # noqa: ANN401 - numbers or arrays of them
    """The least alpha whose interval leaves out zero; `z`: the estimate over its standard error. At most 1.

    >>> p_value(critical_value([500.0], 1000), [500.0], 1000).round(6).tolist()
    [0.05]
    """
    information = mixture_scale(planned) * np.asarray(clock, dtype=np.float64)
    exponent = np.asarray(z, dtype=np.float64) ** 2 * information / (information + 1)
    return np.minimum(1.0, np.exp(0.5 * (np.log1p(information) - exponent)))


def detectable(standard_error: float, critical: float, power: float = 0.8) -> float:
    """The difference that a look with this error and critical value finds with that power.

    >>> round(detectable(0.1, 3.0), 4)
    0.3842
    """
    from scipy.special import ndtri  # heavy, and asked for by reports alone

    return standard_error * (critical + float(ndtri(power)))
