"""Where a search begins and how it saves: points that did well before, cheap versions of dear trials, what is simpler.

What may be searched at all is in `ranges`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from recs_platform.stages.retrieval.sources.base import Source
from recs_platform.stages.retrieval.tuning.ranges import FACTORS, Range, Span, multiples
from recs_platform.stages.retrieval.tuning.source_variants import with_parameters

_RULE_STARTS: tuple[Mapping[str, Any], ...] = (
    {"decay": 1.0, "history": 200, "gap_decay": 1.0},
    {"decay": 0.6},
    {"decay": 0.95, "smoothing": 100.0},
)
# By source: what did well on data tried before, where it differs from the source's own fields. These are the first
# trials after the source's own, so that a short search starts from them: some suit data in which the order of a
# history matters, some data in which it does not.
STARTING_POINTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "als": (
        {"alpha": 40.0, "regularization": 3.0, "factors": 256},
        {"alpha": 100.0, "regularization": 3.0, "factors": 512},
        {"alpha": 10.0, "regularization": 10.0, "factors": 128},
        {"alpha": 0.5, "regularization": 20.0},
    ),
    "spectral": (
        {"item_exponent": 0.3, "sharpening": 0.9},
        {"item_exponent": 0.3, "filter_power": 1.0, "tail": 1.0},
        {"item_exponent": 0.3, "factors": 64, "filter_power": 1.0, "tail": 2.0},
        {"item_exponent": 0.3, "sharpening": 0.9, "filter_power": 1.0, "factors": 128, "decay": 0.8},
        {"filter_power": 1.0, "decay": 0.95},
    ),
    "item_knn": (
        {"decay": 1.0, "history": 200, "activity_damping": 1.0},
        {"decay": 1.0, "history": 200, "neighbours": 300, "shrinkage": 1.0},
        {"decay": 0.6},
    ),
    "transitions": _RULE_STARTS,
    "two_step": _RULE_STARTS,
    "covisitation": ({"decay": 1.0}, {"decay": 0.6}),
    "user_knn": ({"fading": 0.0, "own_fading": 0.0}, {"fading": 1.0, "neighbours": 300}),
    "vs_knn": ({"decay": 1.0, "sessions": 300}, {"decay": 0.8}),
    "ngrams": ({"decay": 1.0}, {"decay": 0.6}),
}


# By source: the most of each field in a sketch, a cheap version of a trial. Which of two points is better shows in
# their sketches, so that a point whose sketch falls behind is dropped. On 0.8 M pairs a sketch takes an eighth of a
# trial with 256 factors.
SKETCHES: Mapping[str, Mapping[str, int]] = {"als": {FACTORS: 64, "iterations": 4}}


def _of(*fields: str) -> Callable[[Any], tuple[float, ...]]:
    return lambda config: tuple(float(getattr(config, field)) for field in fields)


# By source: what makes a config dearer to serve; of configs that are as good the least is taken.
COSTS: Mapping[str, Callable[[Any], tuple[float, ...]]] = {
    "als": _of(FACTORS, "iterations"),
    "spectral": lambda config: (float(config.tail > 0), float(config.factors)),
    "item_knn": lambda config: (float(len(config.attribute_weights)), float(config.neighbours)),
    "two_step": _of("step_rules"),
    "user_knn": _of("neighbours"),
    "vs_knn": _of("sessions", "sample"),
    "content": _of("dimensions"),
}


def first_trials(source: Source, ranges: Mapping[str, Range]) -> list[dict[str, Any]]:
    """The source's own fields, then with those of each of its starting points, as far as `ranges` allow.

    What a range has as a multiple of another field is one here.
    """
    plain = source.config.model_dump()
    own = multiples({field: plain[field] for field in ranges}, ranges, plain)
    points = [_capped(own | dict(point), ranges) for point in STARTING_POINTS.get(source.name, ())]
    return [own, *(point for number, point in enumerate(points) if point not in [own, *points[:number]])]


def _capped(point: Mapping[str, Any], ranges: Mapping[str, Range]) -> dict[str, Any]:
    """The fields that are searched, vectors no longer than the longest searched."""
    kept = {field: value for field, value in point.items() if field in ranges}
    factors = ranges.get(FACTORS)
    return kept | {FACTORS: min(kept[FACTORS], int(factors.high))} if isinstance(factors, Span) else kept


def sketch_of(source: Source) -> Source | None:
    """The cheap version of a source; None where there is none, or it would be the source itself."""
    most = SKETCHES.get(source.name, {})
    cut = {field: limit for field, limit in most.items() if getattr(source.config, field) > limit}
    return with_parameters(source, cut) if cut else None


def cost_of(source: Source) -> tuple[float, ...]:
    """What orders configs of one source from simple to dear; the same for all where nothing is known of it."""
    return COSTS[source.name](source.config) if source.name in COSTS else ()
