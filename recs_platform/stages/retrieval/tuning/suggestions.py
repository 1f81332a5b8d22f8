"""What a search tries next: a seeded Tree-structured Parzen Estimator (Bergstra et al. 2011), through optuna."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from recs_platform.stages.retrieval.sources.base import Source
from recs_platform.stages.retrieval.tuning.ranges import Range, Span, whole_values
from recs_platform.stages.retrieval.tuning.search_hints import first_trials
from recs_platform.stages.retrieval.tuning.trials import Parameters

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

Suggestion = tuple[Parameters, Callable[[float, bool], object]]


def suggestions(source: Source, ranges: Mapping[str, Range], seed: int) -> Iterator[Suggestion]:
    """Parameters to try, the source's own first, each with the function that takes its value and whether it is dropped.

    The sampler sees multiples where a range is one of another field.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    own = source.config.model_dump()
    for point in first_trials(source, ranges):
        study.enqueue_trial(point)
    distributions = {name: _distribution(found) for name, found in ranges.items()}

    def tell(trial: "optuna.trial.Trial", value: float, is_dropped: bool) -> None:
        trial.report(value, step=0)
        if is_dropped:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, value)

    while True:
        trial = study.ask(distributions)
        yield whole_values(trial.params, ranges, own), partial(tell, trial)


def _distribution(searched: Range) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(searched, Span):
        return CategoricalDistribution(searched)
    low, high = searched.low, searched.high
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=searched.is_log)
    return FloatDistribution(low, high, log=searched.is_log, step=searched.step)
