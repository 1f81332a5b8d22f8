"""Places of a list, and what holds for all of them: each item once, and a cap on those of one category.

Where places come from is in `lists`; what a session and a treatment make of them is in `serving`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from recs_platform.stages.releases.bundle.reading import Bundle


class Place(msgspec.Struct, frozen=True, gc=False):
    """One item of a list, by code, with what is said about it; a struct, for a list makes dozens of them.

    `propensity`: the chance of the item at its place; None of what stands behind drawn places, whose chance depends on
    what was drawn. `is_drawn`: exploration drew it while serving. `team`: the variant whose pick it was, of two that
    drafted the list.
    """

    item: int
    score: float
    reason: str
    sources: tuple[str, ...]
    propensity: float | None = 1.0
    is_drawn: bool = False
    team: str = ""


def chance_of(place: Place, chance: float) -> float | None:
    """The chance of a place that is shown with a chance of its own; None stays None."""
    return None if place.propensity is None else place.propensity * chance


def each_once(passes: Callable[[int], bool], *parts: Iterator[Place]) -> Iterator[Place]:
    """Places of the parts, one after the other, that pass; an item that came already is left out."""
    seen = set[int]()
    for part in parts:
        for place in part:
            if place.item not in seen and passes(place.item):
                seen.add(place.item)
                yield place


@dataclass
class _Block:
    """How many of each category are in the current `size` places."""

    size: int
    counts: dict[int, int] = field(default_factory=dict[int, int])
    length: int = 0

    def add(self, category: int) -> None:
        self.counts[category] = self.counts.get(category, 0) + 1
        self.length += 1
        if self.length == self.size:
            self.counts, self.length = {}, 0


def capped(
    places: Iterator[Place], bundle: Bundle, size: int, cap: int, after: Collection[Place] = ()
) -> Iterator[Place]:
    """The same with at most `cap` of a category in each `size` places, while others last; `after` come before them."""
    block, waiting = _Block(size), list[Place]()
    for place in after:
        block.add(bundle.item_category[place.item])

    def fits(place: Place) -> bool:
        category = bundle.item_category[place.item]
        return category < 0 or block.counts.get(category, 0) < cap

    while True:
        chosen = next((place for place in waiting if fits(place)), None)
        if chosen is not None:
            waiting.remove(chosen)
        else:
            for place in places:
                if fits(place):
                    chosen = place
                    break
                waiting.append(place)
        if chosen is None:
            if not waiting:
                return
            chosen = waiting.pop(0)
        block.add(bundle.item_category[chosen.item])
        yield chosen
