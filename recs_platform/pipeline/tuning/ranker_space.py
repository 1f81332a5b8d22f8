"""What `recs tune ranker` may change of a ranker's config, and what draws from it. The search: `tune_ranker`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from recs_platform.stages.ranking import RankerConfig

if TYPE_CHECKING:
    import optuna

Sampler = Literal["tpe", "random", "grid"]


@dataclass(frozen=True)
class Span:
    """Numbers from `low` to `high`, drawn on a logarithmic scale; `coarse` are those that a grid takes."""

    low: float
    high: float
    coarse: tuple[float, ...]

    @property
    def is_whole(self) -> bool:
        """Whether they are integers."""
        return isinstance(self.low, int)


# Fields of RankerConfig. A row passes trees x log2(leaves) nodes: the gate allows four times the default's.
SPACE: dict[str, Span] = {
    "trees": Span(30, 300, (60, 150)),
    "leaves": Span(4, 63, (7, 31)),
    "learning_rate": Span(0.02, 0.2, (0.03, 0.07)),
    "min_data_in_leaf": Span(20, 500, (100,)),
    "feature_fraction": Span(0.4, 1.0, (0.8,)),
    "lambda_l2": Span(0.01, 100.0, (0.01, 10.0)),
    "lambdarank_truncation_level": Span(10, 60, (20,)),
    "negatives_per_user": Span(15, 120, (30,)),
}


def suggest(trial: "optuna.Trial") -> dict[str, Any]:
    """A value of each field, by name."""
    return {
        name: trial.suggest_int(name, int(span.low), int(span.high), log=True)
        if span.is_whole
        else trial.suggest_float(name, span.low, span.high, log=True)
        for name, span in SPACE.items()
    }


def default_values(config: RankerConfig) -> dict[str, Any]:
    """The config's own values, moved into the space where they lie outside: what a search tries first."""
    return {name: min(max(getattr(config, name), span.low), span.high) for name, span in SPACE.items()}


def make_sampler(name: Sampler, seed: int) -> "optuna.samplers.BaseSampler":
    """TPE (Bergstra et al. 2011), draws without a memory, or every combination of the coarse values."""
    import optuna

    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "grid":
        return optuna.samplers.GridSampler({key: list(span.coarse) for key, span in SPACE.items()}, seed=seed)
    return optuna.samplers.TPESampler(seed=seed)
