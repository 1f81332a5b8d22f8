"""The parameters of one source searched by trial, dear ones only where a cheap sketch of them keeps up.

Several sources within one budget are in `source_searches`, the weights of their merge in `weighting`.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recs_platform.contracts.errors import ContractError
from recs_platform.evaluation.bootstrap import paired_difference
from recs_platform.stages.retrieval.sources.base import Source
from recs_platform.stages.retrieval.tuning.ranges import FACTORS, Range, Span
from recs_platform.stages.retrieval.tuning.search_hints import cost_of, sketch_of
from recs_platform.stages.retrieval.tuning.source_variants import (
    SourceVariants,
    ValidationSet,
    values_alone,
    with_parameters,
)
from recs_platform.stages.retrieval.tuning.suggestions import suggestions
from recs_platform.stages.retrieval.tuning.trials import LEVEL, SourceSearch, Trial, Variant

# Of a trial, what one costs that is dropped after its sketch.
SKETCH_COST = 0.25


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
        self._suggested = suggestions(source, ranges, seed)
        self._known = dict[str, tuple[float, bool]]()
        self._sketches = dict[str, NDArray[np.float64]]()
        self._default = self._best = None
        self._equals = list[Variant]()

    _default: Variant | None
    _best: Variant | None

    @property
    def is_open(self) -> bool:
        """Whether another trial may find anything: not without ranges, nor where nobody is offered anything."""
        return self._default is None or (self._has_ranges and self._default.offers_anything)

    @property
    def best(self) -> float:
        """Value of the best trial so far."""
        return self._best.value if self._best else 0.0

    @property
    def spent(self) -> float:
        """Trials so far; one that was dropped counts as a part of one, see SKETCH_COST."""
        dropped = sum(trial.is_dropped for trial in self.trials)
        return len(self.trials) - (1 - SKETCH_COST) * dropped

    def try_next(self, clock: Callable[[], float]) -> Trial:
        """One more trial; `clock` reads seconds."""
        started = clock()
        parameters, report = next(self._suggested)
        value, is_dropped = self._value(with_parameters(self.source, parameters))
        report(value, is_dropped)
        taken = clock() - started
        self.trials.append(Trial(self.source.name, len(self.trials), value, parameters, taken, is_dropped))
        return self.trials[-1]

    def result(self) -> SourceSearch:
        """What was found. Raises ContractError where no trial was made."""
        if self._default is None or self._best is None:
            raise ContractError(f"no trial of {self.source.name} was made; try_next first")
        return SourceSearch(self._default, self._best, self.trials, self._seed, self._equals)

    def _value(self, tried: Source) -> tuple[float, bool]:
        """Mean, and whether it is that of the sketch. Where few values are left to try, those known cost nothing."""
        key = tried.config.model_dump_json()
        if key not in self._known:
            behind = self._sketch_behind(tried)
            self._known[key] = (self._measure(tried), False) if behind is None else (behind, True)
        return self._known[key]

    def _measure(self, tried: Source) -> float:
        lists = self._fitted.lists(tried, self._depth)
        variant = Variant(tried, lists, values_alone(self._validation_sets, lists, self._k))
        self._default = self._default or variant
        # Lists take memory: only of what may still be chosen are they kept.
        others = [*self._equals, *([self._best] if self._best else [])]
        self._best = best = variant if self._best is None or variant.value > self._best.value else self._best
        simpler = (
            each for each in [*others, variant] if each is not best and cost_of(each.source) < cost_of(best.source)
        )
        self._equals = [each for each in simpler if each.is_as_good_as(best)]
        return variant.value

    def _sketch_behind(self, tried: Source) -> float | None:
        """Mean of the sketch of `tried` where it is behind that of the best by more than chance, else None."""
        if self._best is None or sketch_of(tried) is None:
            return None
        own, best = (self._sketch_values(sketch_of(each) or each) for each in (tried, self._best.source))
        is_behind = paired_difference(own, best, self._seed, level=LEVEL).high < 0
        return float(own.mean()) if is_behind else None

    def _sketch_values(self, sketch: Source) -> NDArray[np.float64]:
        key = sketch.config.model_dump_json()
        if key not in self._sketches:
            lists = self._fitted.lists(sketch, self._depth)
            self._sketches[key] = values_alone(self._validation_sets, lists, self._k)
        return self._sketches[key]


def _most_factors(source: Source, ranges: Mapping[str, Range]) -> int:
    searched = ranges.get(FACTORS)
    own = getattr(source.config, FACTORS, 0)
    return max(own, int(searched.high)) if isinstance(searched, Span) else own
