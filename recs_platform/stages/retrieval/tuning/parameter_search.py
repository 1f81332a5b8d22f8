"""The parameters of one source searched by trial: a seeded Tree-structured Parzen Estimator (Bergstra et al. 2011).

Several sources within one budget are in `source_searches`, the weights of their merge in `weighting`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.evaluation.bootstrap import Interval, paired_difference
from recs_platform.stages.retrieval.sources.base import Source, SourceLists
from recs_platform.stages.retrieval.tuning.ranges import FACTORS, Range, Span, first_trials
from recs_platform.stages.retrieval.tuning.source_variants import (
    SourceVariants,
    ValidationSet,
    values_alone,
    with_parameters,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Parameters = dict[str, Any]
# The share of resamples in which a gain must be above 0 is .9: one end of an interval that holds .8.
LEVEL = 0.8


@dataclass(frozen=True)
class Trial:
    """One set of parameters tried: `value` is the mean over users; `number` counts from 0, the parameters at hand."""

    source: str
    number: int
    value: float
    parameters: Parameters
    seconds: float


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


@dataclass(frozen=True, eq=False)
class SourceSearch:
    """`default`: the parameters at hand; `best`: the best of all `trials`, the default among them."""

    default: Variant
    best: Variant
    trials: list[Trial]
    seed: int

    @cached_property
    def gain(self) -> Interval:
        """What the best has over the default, and the interval of which one end is the one-sided 90 %."""
        return paired_difference(self.best.values, self.default.values, self.seed, level=LEVEL)

    @property
    def kept(self) -> Variant:
        """The best where its gain is above 0 in a paired bootstrap (one-sided 90 %), else the default."""
        return self.best if self.gain.low > 0 else self.default


class SourceStudy:
    """Searches `ranges` for what gives a source the best mean of recall@k and NDCG@k; its lists are `depth` long.

    The source as it is goes first. The same validation sets and seed give the same trials, in however many calls.
    """

    def __init__(
        self,
        validation_sets: Sequence[ValidationSet],
        source: Source,
        ranges: Mapping[str, Range],
        *,
        k: int,
        depth: int,
        seed: int,
    ) -> None:
        self.source, self.trials = source, list[Trial]()
        self._validation_sets, self._has_ranges, self._seed = validation_sets, bool(ranges), seed
        self._k, self._depth = k, depth
        self._fitted = SourceVariants(validation_sets, factors=_most_factors(source, ranges), seed=seed)
        self._suggested = _suggestions(source, ranges, seed)
        self._known = dict[str, float]()
        self._variants = list[Variant]()  # the default and the best

    @property
    def is_open(self) -> bool:
        """Whether another trial may find anything: not without ranges, nor where nobody is offered anything."""
        return not self.trials or (self._has_ranges and self._variants[0].offers_anything)

    @property
    def best(self) -> float:
        """Value of the best trial so far."""
        return self._variants[-1].value

    def try_next(self, clock: Callable[[], float]) -> Trial:
        """One more trial; `clock` reads seconds."""
        started = clock()
        parameters, report = next(self._suggested)
        value = self._value(with_parameters(self.source, parameters))
        report(value)
        self.trials.append(Trial(self.source.name, len(self.trials), value, parameters, clock() - started))
        return self.trials[-1]

    def result(self) -> SourceSearch:
        """What was found. At least one trial must have been made."""
        return SourceSearch(self._variants[0], self._variants[-1], self.trials, self._seed)

    def _value(self, tried: Source) -> float:
        """Where few values are left to try, those known come again and cost nothing."""
        key = tried.config.model_dump_json()
        if key not in self._known:
            lists = self._fitted.lists(tried, self._depth)
            variant = Variant(tried, lists, values_alone(self._validation_sets, lists, self._k))
            self._known[key] = variant.value
            if not self._variants or variant.value > self.best:
                self._variants = [*self._variants[:1], variant]
        return self._known[key]


def _most_factors(source: Source, ranges: Mapping[str, Range]) -> int:
    searched = ranges.get(FACTORS)
    own = getattr(source.config, FACTORS, 0)
    return max(own, int(searched.high)) if isinstance(searched, Span) else own


_Suggestion = tuple[Parameters, Callable[[float], object]]


def _suggestions(source: Source, ranges: Mapping[str, Range], seed: int) -> Iterator[_Suggestion]:
    """Parameters to try, the source's own first, each with the function that takes its value."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    for point in first_trials(source, ranges):
        study.enqueue_trial(point)
    distributions = {name: _distribution(found) for name, found in ranges.items()}
    while True:
        trial = study.ask(distributions)
        # Three digits: what a person can read and repeat.
        yield (
            {
                name: float(f"{found:.3g}") if isinstance(found, float) else found
                for name, found in trial.params.items()
            },
            partial(study.tell, trial),
        )


def _distribution(searched: Range) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(searched, Span):
        return CategoricalDistribution(searched)
    low, high = searched.low, searched.high
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=searched.is_log)
    return FloatDistribution(low, high, log=searched.is_log, step=searched.step)
