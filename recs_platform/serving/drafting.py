"""One list drafted by two variants: each makes its own, and they pick in turns. What a variant does: `treatments`.

The draft itself is in `evaluation.experiments.interleaving`.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from recs_platform.evaluation.experiments.interleaving import FIRST, NEITHER, team_draft
from recs_platform.serving.live_lists import LiveList
from recs_platform.stages.releases.bundle.places import chance_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recs_platform.stages.releases.bundle import Bundle
    from recs_platform.stages.releases.bundle.places import Place

_HALF = 0.5


def drafted(one: LiveList, other: LiveList, names: tuple[str, str], variants: Mapping[str, str], seed: str) -> LiveList:
    """The list that two lists of a user draft; the same seed tosses the same coins.

    Codes are those of the first one's bundle. An item that only one of two releases may show is shown by neither: the
    other could not have picked it.
    """

    def places() -> Iterator[Place]:
        coin = random.Random(seed)  # noqa: S311 - nothing secret
        sides = (_known_to(one, other.bundle, one.bundle), _known_to(other, one.bundle, one.bundle))
        for pick in team_draft(*sides, lambda place: place.item, lambda: coin.random() < _HALF):
            team = "" if pick.team == NEITHER else names[pick.team != FIRST]
            yield msgspec.structs.replace(pick.item, propensity=chance_of(pick.item, pick.chance), team=team)

    return LiveList(one.bundle, one.asked, None, variants, None, remake=places)


def _known_to(made: LiveList, other: Bundle, codes_of: Bundle) -> Iterator[Place]:
    """Places of a list whose items another bundle may show too, by the codes of `codes_of`."""
    if made.bundle is other:
        yield from made.afresh()
        return
    ids = made.bundle.item_ids
    for place in made.afresh():
        there = other.item(ids[place.item])
        if there is not None and other.is_available[there]:
            yield place if made.bundle is codes_of else msgspec.structs.replace(place, item=there)
