# scikit-learn has no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""The probability that a listed item is chosen: learned from lists with a known outcome, and how true it turns out.

Scores of a ranker order the items of one user; a probability can be compared between users and summed over lists.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHOSEN_MIN = 20  # of either outcome: fewer say nothing of three parameters


@dataclass(frozen=True)
class Calibration:
    """A logistic regression on a ranker's score and the logarithm of the place: p = 1 / (1 + exp(-x)).

    x = `intercept` + `of_score` * (score - `centre`) / `spread` + `of_rank` * log2(rank).
    """

    intercept: float
    of_score: float
    of_rank: float
    centre: float
    spread: float

    def probabilities(self, scores: NDArray[np.float64], ranks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probability (n,) of items with these scores at these ranks, from 1.

        >>> Calibration(0.0, 1.0, -1.0, 0.0, 1.0).probabilities(np.array([0.0, 2.0]), np.array([1, 4]))
        array([0.5, 0.5])
        """
        x = self.intercept + self.of_score * (scores - self.centre) / self.spread + self.of_rank * np.log2(ranks)
        return 1 / (1 + np.exp(-x))


def learn_calibration(
    scores: NDArray[np.float64], ranks: NDArray[np.int64], chosen: NDArray[np.bool_]
) -> Calibration | None:
    """Scale scores to probabilities (Platt 1999), the place beside the score; inputs (n,), ranks from 1.

    None where fewer than `CHOSEN_MIN` items were chosen, or were not. Of equal scores the place alone counts.
    """
    from sklearn.linear_model import LogisticRegression

    if min(int(chosen.sum()), int((~chosen).sum())) < CHOSEN_MIN:
        return None
    # The mean of equal scores misses them by a rounding error, and so the spread misses 0.
    is_flat = scores.min() == scores.max()
    centre, spread = (float(scores[0]), 1.0) if is_flat else (float(scores.mean()), float(scores.std()))
    inputs = np.column_stack([(scores - centre) / spread, np.log2(ranks)])
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(inputs, chosen)
    of_score, of_rank = (float(each) for each in fitted.coef_[0])
    return Calibration(float(fitted.intercept_[0]), of_score, of_rank, centre, spread)


@dataclass(frozen=True, eq=False)
class Reliability:
    """Items in bins of equal size by their predicted probability, ascending.

    Each (bins,): mean prediction, share chosen with its 95 % interval (Wilson 1927), and how many items.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def calibration_error(self) -> float:
        """Mean distance of prediction and share over all items (expected calibration error, Naeini 2015)."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.counts))


def reliability(predicted: NDArray[np.float64], chosen: NDArray[np.bool_], bins: int = 10) -> Reliability:
    """At most `bins` bins of as many items each; fewer where there are fewer items. Raises ValueError without items.

    >>> found = reliability(np.array([0.1, 0.1, 0.9, 0.9]), np.array([False, False, True, False]), bins=2)
    >>> found.predicted.tolist(), found.observed.tolist(), found.calibration_error
    ([0.1, 0.9], [0.0, 0.5], 0.25)
    """
    if not len(predicted):
        raise ValueError("no item has a predicted probability")
    order = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    counts = np.array([len(part) for part in parts], dtype=np.int64)
    means = np.array([predicted[part].mean() for part in parts])
    shares = np.array([chosen[part].mean() for part in parts])
    low, high = wilson_interval(shares, counts)
    return Reliability(means, shares, low, high, counts)


def wilson_interval(
    shares: NDArray[np.float64], counts: NDArray[np.int64], z: float = 1.959964
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interval of each share of `counts` trials by the score test (Wilson 1927); 95 % by default.

    >>> [round(float(bound[0]), 3) for bound in wilson_interval(np.array([0.1]), np.array([50]))]
    [0.043, 0.214]
    """
    scale = 1 + z**2 / counts
    middle = (shares + z**2 / (2 * counts)) / scale
    half = z * np.sqrt(shares * (1 - shares) / counts + z**2 / (4 * counts**2)) / scale
    return middle - half, middle + half


def brier_skill(predicted: NDArray[np.float64], chosen: NDArray[np.bool_], constant: float) -> float:
    """1 - Brier score / that of predicting `constant` for every item: 0 = no better, 1 = perfect (Brier 1950).

    >>> float(brier_skill(np.array([0.0, 1.0]), np.array([False, True]), 0.5))
    1.0
    """
    return float(1 - np.mean((predicted - chosen) ** 2) / np.mean((constant - chosen) ** 2))
