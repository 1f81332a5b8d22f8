"""The search space of tuning: which values of each source's parameters are worth trying on one's own data.

`recs tune retrieval` and `recs benchmark retrieval` search it, by `parameter_search`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from recs_platform.stages.retrieval.sources.base import Source

FACTORS = "factors"


@dataclass(frozen=True)
class Span:
    """Numbers from `low` to `high`, both included; whole ones where both ends are whole.

    `is_log`: equal ratios are equally likely; `step`: only multiples of it above `low`. Not both.
    """

    low: float
    high: float
    is_log: bool = False
    step: float | None = None


Range = Span | tuple[Any, ...]

_SHARE = Span(0.0, 1.0)
_DECAY = Span(0.4, 1.0)
_HISTORY = Span(3, 200, is_log=True)
_NEIGHBOURS = Span(20, 500, is_log=True)
_SHRINKAGE = Span(0.3, 200.0, is_log=True)
_SMOOTHING = Span(1.0, 300.0, is_log=True)
_WEIGHT = Span(0.0, 3.0)
_ADDED = Span(0.0, 0.3, step=0.05)  # a step, so that nothing, which costs nothing, is one of them
_BOOST = Span(0.1, 100.0, is_log=True)
_PAUSE = (None, 60.0, 1440.0)
_RULES: dict[str, Range] = {
    "window": Span(1, 20),
    "gap_decay": Span(0.5, 1.0),
    "smoothing": _SMOOTHING,
    "popularity_damping": _SHARE,
    "decay": _DECAY,
    "history": _HISTORY,
}
_RULE_STARTS: tuple[Mapping[str, Any], ...] = (
    {"decay": 1.0, "history": 200, "gap_decay": 1.0},
    {"decay": 0.6},
    {"decay": 0.95, "smoothing": 100.0},
)
_FADING: dict[str, Range] = {"half_life_days": Span(0.02, 120.0, is_log=True)}

# By source, then parameter: the tuple of all values, or a span. Defaults lie within. A source that is not here has
# nothing to search.
RANGES: Mapping[str, Mapping[str, Range]] = {
    "als": {
        "factors": Span(16, 256, is_log=True),
        "alpha": Span(0.1, 100.0, is_log=True),
        "regularization": Span(0.1, 300.0, is_log=True),
        "iterations": Span(3, 20),
    },
    # A step, so that trials that differ in the filter alone share their decomposition.
    "spectral": {
        "factors": Span(16, 768, is_log=True),
        "item_exponent": Span(0.0, 1.0, step=0.1),
        "filter_power": Span(0.0, 4.0),
        "sharpening": Span(0.0, 0.98),
        "tail": Span(0.0, 2.0, step=0.25),
        "decay": Span(0.5, 1.0),
    },
    "item_knn": {
        "neighbours": _NEIGHBOURS,
        "shrinkage": _SHRINKAGE,
        "activity_damping": Span(0.0, 1.5),
        "history": _HISTORY,
        "decay": _DECAY,
        "category_weight": _ADDED,
        "creator_weight": _ADDED,
    },
    "transitions": {**_RULES, "normalization": ("row", "plain")},
    "two_step": {**_RULES, "theta": Span(0.1, 10.0, is_log=True), "step_rules": Span(10, 100, is_log=True)},
    "covisitation": {
        "gap_minutes": Span(10.0, 10_080.0, is_log=True),
        "window": Span(1, 30),
        "half_life_days": Span(7.0, 3650.0, is_log=True),
        "shrinkage": _SHRINKAGE,
        "decay": _DECAY,
    },
    "user_knn": {
        "neighbours": _NEIGHBOURS,
        "popularity_damping": Span(0.0, 1.5),
        "shrinkage": _SHRINKAGE,
        "power": Span(0.5, 4.0),
        "own_fading": Span(0.0, 2.0),
        "fading": Span(0.0, 2.0),
    },
    "vs_knn": {
        "gap_minutes": _PAUSE,
        "sample": Span(50, 2000, is_log=True),
        "sessions": Span(20, 1000, is_log=True),
        "half_life_days": (None, 7.0, 30.0, 90.0, 365.0),
        "reach": Span(3, 200, is_log=True),
        "nearness": Span(0.5, 1.0),
        "backward": _SHARE,
        "decay": _DECAY,
    },
    "ngrams": {"gap_minutes": _PAUSE, "smoothing": _SMOOTHING, "history": _HISTORY, "decay": _DECAY},
    "content": {
        "dimensions": Span(16, 256, is_log=True),
        "items_min": Span(1, 5),
        "history": _HISTORY,
        "decay": Span(0.5, 1.0),
    },
    "profiles": {
        "creator": _WEIGHT,
        "category": _WEIGHT,
        "tags": _WEIGHT,
        "rarity": _SHARE,
        "floor": Span(0.003, 1.0, is_log=True),
        "freshness": _WEIGHT,
        "half_life_days": Span(1.0, 90.0, is_log=True),
        "decay": Span(0.5, 1.0),
    },
    "vectors": {"normalize": (True, False), "history": _HISTORY, "decay": Span(0.5, 1.0)},
    "trending": _FADING,
    "trending_1d": _FADING,
    "trending_3h": _FADING,
    "group_popularity": {
        "half_life_days": Span(0.5, 60.0, is_log=True),
        "smoothing": Span(10.0, 10_000.0, is_log=True),
        "segment_weight": _WEIGHT,
        "region_weight": _WEIGHT,
        "device_weight": _WEIGHT,
    },
    "new_items": {
        "half_age_days": Span(0.5, 60.0, is_log=True),
        "pool": Span(50, 2000, is_log=True),
        "category_boost": _BOOST,
        "creator_boost": _BOOST,
    },
}

# By source: what did well on data tried before, where it differs from the source's own fields. These are the first
# trials after the source's own, so that a short search starts from them: some suit data in which the order of a
# history matters, some data in which it does not.
STARTING_POINTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "als": (
        {"alpha": 0.5},
        {"alpha": 10.0, "regularization": 100.0},
        {"factors": 256, "iterations": 15},
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


def searched_ranges(source: Source, *, fixed: Collection[str] = (), factors_max: int) -> dict[str, Range]:
    """What is searched of a source: all but its `fixed` fields, vectors no longer than `factors_max`.

    A source whose own vectors are longer than that is tried with its own length at most.
    """
    ranges = {field: found for field, found in RANGES.get(source.name, {}).items() if field not in fixed}
    factors = ranges.get(FACTORS)
    if isinstance(factors, Span):
        most = max(factors_max, getattr(source.config, FACTORS))
        ranges[FACTORS] = replace(factors, high=min(int(factors.high), most))
    return ranges


def first_trials(source: Source, ranges: Mapping[str, Range]) -> list[dict[str, Any]]:
    """The source's own fields, then with those of each of its starting points, as far as `ranges` allow."""
    own = {field: getattr(source.config, field) for field in ranges}
    points = [_capped(own | dict(point), ranges) for point in STARTING_POINTS.get(source.name, ())]
    return [own, *(point for number, point in enumerate(points) if point not in [own, *points[:number]])]


def _capped(point: Mapping[str, Any], ranges: Mapping[str, Range]) -> dict[str, Any]:
    """The fields that are searched, vectors no longer than the longest searched."""
    kept = {field: value for field, value in point.items() if field in ranges}
    factors = ranges.get(FACTORS)
    return kept | {FACTORS: min(kept[FACTORS], int(factors.high))} if isinstance(factors, Span) else kept
