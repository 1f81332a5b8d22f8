"""Weights of a merge, chosen on what was held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recs_platform.evaluation.bootstrap import paired_difference
from recs_platform.stages.retrieval.tuning.trials import LEVEL, loses_no_more_than_error
from recs_platform.stages.retrieval.tuning.validation import Pool

WEIGHTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
_SWEEPS = 2
_Weights = dict[str, float]


@dataclass(frozen=True)
class Weighting:
    """`weights` by source, 0 = left out; `best` is the best source alone; `values` what each of `alone` came to."""

    weights: dict[str, float]
    best: str
    alone: dict[str, float]
    merged: float


def choose_weights(pool: Pool, k: int, *, seed: int, fixed: Mapping[str, float] | None = None) -> Weighting:
    """Coordinate ascent over WEIGHTS from the best source alone, whose weight is 1; `fixed` ones stay as they are.

    A source without which the others, weighed anew, lose no more than one standard error gets no weight. The best
    source alone wins where the merge's gain over it is not above 0 in a paired bootstrap (one-sided 90 %). Where there
    is nobody to choose on, every source weighs 1.
    """
    if not len(pool.held_out.users):
        return Weighting(dict.fromkeys(pool.names, 1.0), pool.names[0], dict.fromkeys(pool.names, 0.0), 0.0)
    alone = {name: float(pool.values({name: 1.0}, k).mean()) for name in pool.names}
    ranked = sorted(pool.names, key=lambda name: (-alone[name], name))
    best, given = ranked[0], fixed or {}
    start = {name: given.get(name, float(name == best)) for name in pool.names}
    free = [name for name in ranked[1:] if name not in given]
    weights = _without_idle(pool, _ascent(pool, start, free, k), free, k)
    gain = paired_difference(pool.values(weights, k), pool.values(start, k), seed, level=LEVEL)
    if gain.n == 0 or gain.low <= 0:
        weights = start
    return Weighting(weights, best, alone, float(pool.values(weights, k).mean()))


def _ascent(pool: Pool, start: _Weights, free: Sequence[str], k: int) -> _Weights:
    """The best weight of one source after the other, in the order of `free`, until a sweep changes nothing."""
    weights, value = start, float(pool.values(start, k).mean())
    for _ in range(_SWEEPS):
        before = weights
        for name in free:
            for weight in WEIGHTS:
                tried = float(pool.values(weights | {name: weight}, k).mean())
                if tried > value:
                    weights, value = weights | {name: weight}, tried
        if weights == before:
            break
    return weights


def _without_idle(pool: Pool, weights: _Weights, free: Sequence[str], k: int) -> _Weights:
    """Sources taken out one by one, those of the lowest weight first, where the others are as good without them."""
    best = pool.values(weights, k)
    for name in sorted((name for name in free if weights[name] > 0), key=lambda name: (weights[name], name)):
        others = [other for other in free if other != name and weights[other] > 0]
        without = _ascent(pool, weights | {name: 0.0}, others, k)
        if loses_no_more_than_error(best - pool.values(without, k)):
            weights = without
    return weights
