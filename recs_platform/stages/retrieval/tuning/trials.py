"""Trials of one source's parameters, and which of them is taken. They are made in `parameter_search`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.evaluation.bootstrap import Interval, paired_difference
from recs_platform.stages.retrieval.sources.base import Source, SourceLists
from recs_platform.stages.retrieval.tuning.search_hints import cost_of

Parameters = dict[str, Any]
# The share of resamples in which a gain must be above 0 is .9: one end of an interval that holds .8.
LEVEL = 0.8


@dataclass(frozen=True)
class Trial:
    """One set of parameters tried: `value` is the mean over users; `number` counts from 0, the parameters at hand.

    `is_dropped`: only its sketch was measured, which fell behind that of the best.
    """

    source: str
    number: int
    value: float
    parameters: Parameters
    seconds: float
    is_dropped: bool = False


@dataclass(frozen=True, eq=False)
class Variant:
    """A source with its lists by validation and the value of each user of all validation sets."""

    source: Source
    lists: list[SourceLists]
    values: NDArray[np.float64]

    @property
    def value(self) -> float:
        """Mean over users; 0 where there are none."""
        return float(self.values.mean()) if len(self.values) else 0.0

    @property
    def offers_anything(self) -> bool:
        """Whether it offers anybody anything."""
        return any(len(found.users) for found in self.lists)

    def is_as_good_as(self, best: "Variant") -> bool:
        """Whether it loses at most one standard error of the difference, paired by user (Breiman et al. 1984)."""
        return loses_no_more_than_error(best.values - self.values)


@dataclass(frozen=True, eq=False)
class SourceSearch:
    """`default`: the parameters at hand; `best`: the best of all `trials`, the default among them.

    `equals`: others that are as good as the best, and simpler.
    """

    default: Variant
    best: Variant
    trials: list[Trial]
    seed: int
    equals: Sequence[Variant] = ()

    @cached_property
    def gain(self) -> Interval:
        """What the best has over the default, and the interval of which one end is the one-sided 90 %."""
        return self._gain_of(self.best)

    @cached_property
    def simplest(self) -> Variant:
        """The simplest that is as good as the best; of those the better."""
        return min([self.best, *self.equals], key=lambda each: (cost_of(each.source), -each.value))

    @cached_property
    def kept(self) -> Variant:
        """The simplest, else the best, whose gain is above 0 in a paired bootstrap (one-sided 90 %); or default."""
        return next((each for each in (self.simplest, self.best) if self._gain_of(each).low > 0), self.default)

    def _gain_of(self, variant: Variant) -> Interval:
        return paired_difference(variant.values, self.default.values, self.seed, level=LEVEL)


def loses_no_more_than_error(losses: NDArray[np.float64]) -> bool:
    """Whether the mean of `losses` (n,), one a user, is at most its standard error; nothing lost is no more.

    >>> loses_no_more_than_error(np.array([0.0, 0.0, 0.1])), loses_no_more_than_error(np.array([0.1, 0.1, 0.1]))
    (True, False)
    """
    if not len(losses) or losses.mean() <= 0:
        return True
    return bool(losses.mean() <= losses.std(ddof=1) / len(losses) ** 0.5) if len(losses) > 1 else False
