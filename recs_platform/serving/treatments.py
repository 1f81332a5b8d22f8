"""What variants do to a list: an order of more variety, and random candidates in some of its places.

Both reorder the places that `lists` found; what may not be shown is not among them. Who is treated how: `variants`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import islice
from math import log2
from typing import TYPE_CHECKING

import msgspec

from recs_platform.stages.releases.bundle.places import chance_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from recs_platform.stages.releases.bundle import Bundle
    from recs_platform.stages.releases.bundle.places import Place

_POOL = 50  # as many as a release keeps candidates of a user


@dataclass(frozen=True)
class Treatment:
    """What a user is shown under the `variants` (by experiment) they are in; what is None is as the release says.

    `bundle`: the release to answer from, None for the one in force. `drafting`: names and treatments of two variants
    that draft the list together.
    """

    variants: Mapping[str, str] = field(default_factory=dict[str, str])
    bundle: Bundle | None = None
    popularity: bool = False
    diversity: float | None = None
    max_per_category: int | None = None
    session_weight: float | None = None
    exploration: float | None = None
    drafting: Drafting | None = None


Drafting = tuple[tuple[str, Treatment], tuple[str, Treatment]]
UNTREATED = Treatment()


def vary(places: Iterator[Place], category_of: Sequence[int], diversity: float, count: int) -> Iterator[Place]:
    """The same places with the first `count` chosen for variety, as the rule of batch does.

    Maximal marginal relevance (Carbonell and Goldstein 1998): (1 - d) / log2(place + 1) less d times the share of those
    chosen so far that have the item's category; chosen among the first 50.
    """
    pool = list(islice(places, max(_POOL, count)))
    relevance = [(1 - diversity) / log2(place + 2) for place in range(len(pool))]
    waiting, alike = list(range(len(pool))), dict[int, int]()
    for chosen in range(min(count, len(pool))):
        best = max(
            waiting, key=lambda at: relevance[at] - diversity * _alike(alike, category_of[pool[at].item], chosen)
        )
        waiting.remove(best)
        category = category_of[pool[best].item]
        alike[category] = alike.get(category, 0) + 1
        yield pool[best]
    yield from (pool[at] for at in waiting)
    yield from places


def _alike(counts: Mapping[int, int], category: int, chosen: int) -> float:
    """Share of the chosen ones that have the category; an item of none is like nothing."""
    return 0.0 if category < 0 or not chosen else counts.get(category, 0) / chosen


def explore(places: Iterator[Place], share: float, seed: str) -> Iterator[Place]:
    """The same places, each taken with chance `share` by any of the next 50, all alike; with its propensity.

    A propensity is the chance of the item at its place, given those before it. The same seed gives the same order.
    """
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    waiting = list(islice(places, _POOL))
    while waiting:
        n = len(waiting)
        is_drawn = draw.random() < share
        at = draw.randrange(n) if is_drawn else 0
        chosen = waiting.pop(at)
        propensity = share / n + (1 - share if at == 0 else 0.0)
        yield msgspec.structs.replace(chosen, propensity=chance_of(chosen, propensity), is_drawn=is_drawn)
        waiting.extend(islice(places, 1))
