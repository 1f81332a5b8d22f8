"""Arithmetic of the reference: nine digits, ranks, quantiles, rates, circles. What is counted is in the other files."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TypeVar

NINTH = Decimal("1e-9")
STRENGTH_MIN, STRENGTH_MAX = Fraction(1), Fraction(1000)
Key = TypeVar("Key", bound=Hashable)


def nine(value: float) -> Decimal:
    """Weights and measures are kept to nine digits, whatever is done with them afterwards."""
    return Decimal(value).quantize(NINTH, ROUND_HALF_UP)


def ratio(part: Decimal | int | None, whole: Decimal | int | None) -> float | None:
    """Unknown of nothing."""
    return float(Fraction(part) / Fraction(whole)) if part is not None and whole else None


def mean(values: Iterable[float | Decimal]) -> float | None:
    known = [float(value) for value in values]
    return math.fsum(known) / len(known) if known else None


def deviation(values: Sequence[Decimal]) -> float | None:
    """Of a population; of one value there is none."""
    if len(values) < 2:
        return None
    centre = sum(map(Fraction, values)) / len(values)
    return math.sqrt(sum((Fraction(value) - centre) ** 2 for value in values) / len(values))


def median(values: Iterable[float]) -> float | None:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return None
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def least_covering(values: Sequence[float], percent: int) -> float:
    """The least value that, with those below it, makes `percent` of all."""
    return min(value for value in values if sum(other <= value for other in values) * 100 >= percent * len(values))


def percent_ranks(values: Mapping[Key, Decimal | int]) -> dict[Key, float]:
    """Share of the others that are smaller."""
    others = max(len(values) - 1, 1)
    return {key: sum(other < value for other in values.values()) / others for key, value in values.items()}


def bits(weights: Sequence[Decimal]) -> float | None:
    """Shannon's entropy of what is above 0."""
    shares = [float(weight / sum(weights)) for weight in weights if weight > 0]
    return -math.fsum(share * math.log2(share) for share in shares) if shares else None


def circle(steps: Iterable[int], around: int) -> tuple[float | None, float | None]:
    """Mean sine and cosine of places on a circle of `around` places."""
    angles = [2 * math.pi * step / around for step in steps]
    return mean(map(math.sin, angles)), mean(map(math.cos, angles))


@dataclass(frozen=True)
class Rate:
    """Rates pulled to the overall one, by as many imagined trials as the units resemble each other."""

    overall: Fraction | None
    strength: Fraction

    def of(self, successes: int, trials: int) -> float | None:
        if self.overall is None:
            return None
        return float((successes + self.strength * self.overall) / (trials + self.strength))


def smoothed(units: Iterable[tuple[int, int]]) -> Rate:
    """From (successes, trials) of each unit, by the ANOVA estimator of the beta-binomial."""
    tried = [(successes, trials) for successes, trials in units if trials > 0]
    total = sum(trials for _, trials in tried)
    if not total:
        return Rate(None, STRENGTH_MAX)
    overall = Fraction(sum(successes for successes, _ in tried), total)
    correlation = _correlation(tried, total, overall)
    if correlation is None or correlation <= 0:
        return Rate(overall, STRENGTH_MAX)
    return Rate(overall, min(max((1 - correlation) / correlation, STRENGTH_MIN), STRENGTH_MAX))


def _correlation(tried: Sequence[tuple[int, int]], total: int, overall: Fraction) -> Fraction | None:
    """How much more alike trials of one unit are than trials of two."""
    freedom = len(tried) - 1
    room = total - Fraction(sum(trials**2 for _, trials in tried), total) - freedom
    if freedom < 1 or overall in {0, 1} or room == 0:
        return None
    spread = sum(trials * (Fraction(successes, trials) - overall) ** 2 for successes, trials in tried)
    return (spread / (overall * (1 - overall)) - freedom) / room
