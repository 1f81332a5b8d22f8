"""The search space of tuning: which values of each source's parameters are worth trying on one's own data.

`recs tune retrieval` and `recs benchmark retrieval` search it, by `parameter_search`. Where a search begins, and what
of it is cheap, is in `search_hints`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from recs_platform.stages.retrieval.sources.base import Source

FACTORS = "factors"


@dataclass(frozen=True)
class Span:
    """Numbers from `low` to `high`, both included; whole ones where both ends are whole.

    `is_log`: equal ratios are equally likely; `step`: only multiples of it above `low`. Not both. `per`: another field
    of the source that this one is a multiple of, from `low` to `high` times it, as what matters is their ratio.
    """

    low: float
    high: float
    is_log: bool = False
    step: float | None = None
    per: str | None = None


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
_FADING: dict[str, Range] = {"half_life_days": Span(0.02, 120.0, is_log=True)}

# By source, then parameter: the tuple of all values, or a span. Defaults lie within. A source that is not here has
# nothing to search.
RANGES: Mapping[str, Mapping[str, Range]] = {
    "als": {
        "factors": Span(16, 512, is_log=True),
        "alpha": Span(0.1, 100.0, is_log=True),
        "regularization": Span(0.3, 30.0, is_log=True, per="alpha"),
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


def multiples(point: Mapping[str, Any], ranges: Mapping[str, Range], own: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `point` with those that are multiples of another divided by it; `own`: of fields not in `point`."""
    return {
        field: value / {**own, **point}[per] if (per := _per(ranges[field])) else value
        for field, value in point.items()
    }


def whole_values(point: Mapping[str, Any], ranges: Mapping[str, Range], own: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `multiples`; numbers have three digits, which a person can read and repeat."""
    plain = {**own, **{field: _short(value) for field, value in point.items()}}
    return {
        field: _short(value * plain[per]) if (per := _per(ranges[field])) else plain[field]
        for field, value in point.items()
    }


def _per(found: Range) -> str | None:
    return found.per if isinstance(found, Span) else None


def _short(value: object) -> object:
    return float(f"{value:.3g}") if isinstance(value, float) else value
