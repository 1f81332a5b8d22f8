"""Whether users came to the variants in the shares that were set; where not, nothing else may be concluded.

Causes are as a rule faults: a variant that fails for some users, or loses impressions (Fabijan et al. 2019).
"""

import numpy as np
from numpy.typing import NDArray

# Experiments are looked at often: so rare an alarm is nearly always a fault.
P_MIN = 0.001


def sample_ratio_p(users: NDArray[np.int64], shares: NDArray[np.float64]) -> float:
    """p-value of Pearson's chi-square test; `users` and `shares` (adding up to 1) by variant. 1 where nobody came.

    >>> round(sample_ratio_p(np.array([821, 879]), np.array([0.5, 0.5])), 3)
    0.16
    """
    from scipy.special import chdtrc  # heavy, and asked for by reports alone

    expected = users.sum() * shares
    if not users.sum():
        return 1.0
    return float(chdtrc(len(users) - 1, ((users - expected) ** 2 / expected).sum()))
