"""Lists as other processes of the same home read them: what was shown, and what it takes to go on with the list.

Lists of this process are in `remembered`; where they are kept for others is in `shared`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from recs_platform.serving.live_lists import Asked, LiveList
from recs_platform.serving.problems import Problem
from recs_platform.stages.releases.bundle.places import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recs_platform.stages.releases.bundle import Bundle

_PLACES_MAX = 1_000


class KeptPlace(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A place by the id of its item: codes are those of one bundle."""

    item_id: str
    score: float
    reason: str
    sources: tuple[str, ...]
    propensity: float | None
    team: str


class KeptList(msgspec.Struct, array_like=True, frozen=True):
    """A list of another process. `user` is a keyed hash of the home's name; `shown` places were shown."""

    user: str
    release_id: str
    variants: dict[str, str]
    block: int
    contexts: tuple[str, ...]
    session_id: str | None
    category: str | None
    exclude: tuple[str, ...]
    surface: str | None
    shown: int
    places: tuple[KeptPlace, ...]


_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(KeptList)


def encode_list(made: LiveList, hashed: Callable[[str], str]) -> bytes:
    """What others need of a list; `hashed` names its user."""
    shown = made.seen()
    bundle, asked, ids = made.bundle, made.asked, made.bundle.item_ids
    places = tuple(
        KeptPlace(ids[each.item], each.score, each.reason, each.sources, each.propensity, each.team)
        for each in made.known(_PLACES_MAX)
    )
    made.let_go()
    return _ENCODER.encode(
        KeptList(
            hashed(asked.user_id),
            bundle.release_id,
            dict(made.variants),
            asked.block,
            asked.contexts,
            asked.session_id,
            None if asked.category is None else bundle.categories[asked.category],
            tuple(ids[code] for code in asked.exclude),
            asked.surface,
            len(shown),
            places,
        )
    )


def decode_list(kept: bytes) -> KeptList | None:
    """A list that another process kept; None for what no process of this version wrote."""
    try:
        return _DECODER.decode(kept)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def asked_again(kept: KeptList, bundle: Bundle, user_id: str) -> Asked:
    """What the list was asked for. Raises Problem `cursor_expired` for a category that the bundle does not know."""
    if kept.category is not None and kept.category not in bundle.categories:
        raise Problem("cursor_expired", "ask for the list anew, without a cursor")
    return Asked(
        user_id,
        contexts=kept.contexts,
        session_id=kept.session_id,
        category=None if kept.category is None else bundle.categories.index(kept.category),
        exclude=frozenset(code for item in kept.exclude if (code := bundle.item(item)) is not None),
        block=kept.block,
        surface=kept.surface,
    )


def resumed(kept: KeptList, bundle: Bundle, asked: Asked, rest: Callable[[Asked], LiveList]) -> LiveList:
    """The list, beginning with the places that are known of it; `rest` makes what comes behind them."""

    def places() -> Iterator[Place]:
        known = set[int]()
        for each in kept.places:
            code = bundle.item(each.item_id)
            if code is not None:
                known.add(code)
                yield Place(code, each.score, each.reason, each.sources, each.propensity, team=each.team)
        yield from (place for place in rest(asked).onward() if place.item not in known)

    made = LiveList(bundle, asked, places(), kept.variants, None)
    made.page(0, kept.shown)
    return made
