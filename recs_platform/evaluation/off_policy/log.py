"""What a log says of one target policy: rewards, the two chances of each shown item, who it was shown to.

The value asked for is the mean reward of an item that the target shows. A request shows one item or a list of them, and
an item's weight is its share of what the target shows on that request over the chance with which it was logged:

    value = mean over requests of sum over the shown items of (target / propensity) * reward

For one item a request this is inverse propensity scoring. For lists it takes the reward of an item to depend neither on
its neighbours nor, where the propensity is that of being in the list at all, on its place (the independence of Li et
al. 2018, "Offline evaluation of ranking policies with click models").
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.errors import ContractError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LoggedRewards:
    """Rows are shown items. Requests and clusters are dense codes from 0.

    Attributes:
        request: (n,), the request that showed the item.
        cluster: (n_requests,), the user of each request: rows of one user are not independent.
        reward: (n,), finite.
        propensity: (n,) in (0, 1], the chance with which the item was shown.
        target: (n,) in [0, 1], the item's share of what the target shows on this request; over all items they sum to 1.
        never_logged: (n_requests,) in [0, 1], the target's share of items that the log never shows to anybody.
    """

    request: Codes
    cluster: Codes
    reward: Floats
    propensity: Floats
    target: Floats
    never_logged: Floats

    def __post_init__(self) -> None:
        lengths = {len(self.request), len(self.reward), len(self.propensity), len(self.target)}
        if len(lengths) > 1 or len(self.cluster) != len(self.never_logged):
            raise ContractError(f"arrays of a log differ in length: {sorted(lengths)} rows")
        wrong = int(np.count_nonzero(~((self.propensity > 0) & (self.propensity <= 1))))
        if wrong:
            raise ContractError(f"{wrong} of {len(self.propensity)} propensities are not in (0, 1]")
        if not (np.isfinite(self.reward).all() and np.isfinite(self.target).all() and (self.target >= 0).all()):
            raise ContractError("rewards and chances of the target must be finite, and no chance below 0")

    @property
    def n_requests(self) -> int:
        return len(self.cluster)

    @property
    def weights(self) -> Floats:
        """(n,), target over propensity."""
        return self.target / self.propensity

    def by_request(self, values: Floats) -> Floats:
        """Sums of row values by request, (n_requests,)."""
        sums = np.bincount(self.request, weights=values, minlength=self.n_requests)
        return sums.astype(np.float64)
