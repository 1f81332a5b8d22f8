"""The page that is asked for most, worked out at once: the released list of a user to whom nothing happened since.

What `lists` works out step by step gives the same; here nothing is handed from step to step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recs_platform.stages.releases.bundle.lists import BEHIND
from recs_platform.stages.releases.bundle.places import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from recs_platform.stages.releases.bundle import Bundle


def released_places(bundle: Bundle, user: int | None, block: int, passes: Callable[[int], bool]) -> list[Place] | None:
    """The first `block` places and the next one, which says that there is another page.

    None where the released list does not fill them, or its order is not that of the page: a category comes too often.
    """
    if user is None:
        return None
    rows, texts, sets, category_of = bundle.list_of(user), bundle.reasons, bundle.source_sets, bundle.item_category
    places, counts, cap = list[Place](), dict[int, int](), bundle.rules.max_per_category
    columns = (rows.items, rows.scores, rows.sources, rows.reasons, rows.propensities)
    for item, score, sources, reason, propensity in zip(*columns, strict=True):
        if passes(item):
            if len(places) == block:  # the cap begins anew with each page
                places.append(Place(item, score, texts[reason], sets[sources], propensity))
                return places
            category = category_of[item]
            if category >= 0:
                counts[category] = counts.get(category, 0) + 1
                if counts[category] > cap:
                    return None
            places.append(Place(item, score, texts[reason], sets[sources], propensity))
    return places if len(places) == block and _add_next(places, bundle, user, passes) else None


def _add_next(places: list[Place], bundle: Bundle, user: int, passes: Callable[[int], bool]) -> bool:
    """Add the first candidate behind the list; False where there is none."""
    shown = {place.item for place in places}
    best = bundle.candidates(user)
    for at, item in enumerate(best.items.tolist()):
        if item not in shown and passes(item):
            sources = bundle.candidate_source_sets[int(best.sources[at])]
            places.append(Place(item, float(best.scores[at]), BEHIND, sources))
            return True
    return False
