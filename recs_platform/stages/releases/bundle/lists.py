"""The list of a user as a bundle has it: the stored list, the candidates behind it, then what is popular.

Serving begins with it and goes on with what happened since; publishing takes the place of rows with it that may be
shown no more. Both say the same of a user to whom nothing happened.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from recs_platform.stages.releases.bundle.content import EVERYBODY, EVERYWHERE
from recs_platform.stages.releases.bundle.places import Place, capped, each_once

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from recs_platform.stages.releases.bundle.boards import SealedBoard
    from recs_platform.stages.releases.bundle.reading import Bundle

BEHIND = "among your best candidates"
FALLBACK_SOURCE = "fallback"
POPULAR = "popular with everybody"


def passing(
    bundle: Bundle,
    user: int | None,
    hidden: Collection[int] = (),
    category: int | None = None,
    surface: str = EVERYWHERE,
) -> Callable[[int], bool]:
    """Whether an item may be shown to a user on a surface: the filters of batch, less what is `hidden`.

    `category`: of one category, None of all.
    """
    # What the bundle keeps away; consumed items are not among it where repeats are allowed.
    consumed = set[int]() if user is None else set(bundle.consumed(user).tolist())
    filtered = () if user is None else bundle.hidden(user, surface).tolist()
    excluded = bundle.excluded_in(bundle.region_of(user))
    gone = consumed.union(hidden, filtered)
    available, of = bundle.is_available, bundle.item_category

    def passes(item: int) -> bool:
        return (
            item not in gone
            and item not in excluded
            and bool(available[item])
            and (category is None or of[item] == category)
        )

    return passes


def stored_places(bundle: Bundle, user: int | None) -> Iterator[Place]:
    """The released list with the chances it was drawn with, then the candidates behind it."""
    if user is None:
        return
    rows, texts = bundle.list_of(user), bundle.reasons
    columns = (rows.items, rows.scores, rows.sources, rows.reasons, rows.propensities)
    for item, score, sources, reason, propensity in zip(*columns, strict=True):
        yield Place(item, score, texts[reason], bundle.source_sets[sources], propensity)
    yield from candidate_places(bundle, user, chance_behind(bundle, user))


def chance_behind(bundle: Bundle, user: int | None) -> float | None:
    """The propensity of what comes behind the released list, which is certain unless places of the list were drawn.

    Whatever was not drawn is behind: what is shown there, and where, depends on the draws. None: it cannot be told.
    """
    return None if user is not None and min(bundle.list_of(user).propensities, default=1.0) < 1 else 1.0


def candidate_places(bundle: Bundle, user: int, chance: float | None) -> Iterator[Place]:
    """The user's stored candidates, best first."""
    stored, sets = bundle.candidates(user), bundle.candidate_source_sets
    codes: list[int] = stored.sources.tolist()
    for item, value, code in zip(stored.items.tolist(), stored.scores.tolist(), codes, strict=True):
        yield Place(item, value, BEHIND, sets[code], chance)


def fallback_places(bundle: Bundle, contexts: tuple[str, ...] = (), chance: float | None = 1.0) -> Iterator[Place]:
    """What is popular in those contexts that there are, then with everybody."""
    for context, items in bundle.fallback(contexts):
        named = context.partition("=")[2]
        reason = POPULAR if context == EVERYBODY else f"popular with users of {named}"
        for place, item in enumerate(items.tolist()):
            yield Place(item, 1.0 / (place + 1), reason, (FALLBACK_SOURCE,), chance)


def surface_places(bundle: Bundle, surface: str, user: int) -> Iterator[Place]:
    """The stored list of a user on a surface; its board takes the places of what is offered there no more."""
    excluded = bundle.excluded_in(bundle.region_of(user))
    stored = [
        Place(item, score, reason, sources) for item, score, sources, reason in bundle.surface_list(surface, user)
    ]
    shown = [place for place in stored if bundle.is_available[place.item] and place.item not in excluded]
    yield from shown
    board = bundle.board(surface) if len(shown) < len(stored) else None
    if board is not None:
        theirs = each_once(
            passing(bundle, user, {place.item for place in shown}, surface=surface), board_places(board, user)
        )
        every = capped(theirs, bundle, len(stored), board.max_per_category, shown)
        yield from islice(every, len(stored) - len(shown))


def board_list(bundle: Bundle, board: SealedBoard, passes: Callable[[int], bool], size: int) -> Iterator[Place]:
    """The list of a surface of whoever has none of their own: the board of everybody, capped in each `size` places."""
    return capped(each_once(passes, board_places(board, None)), bundle, size, board.max_per_category)


def board_places(board: SealedBoard, user: int | None) -> Iterator[Place]:
    """What is on the board of a user's group; of everybody where there is no user."""
    group = 0 if user is None else int(board.groups[user])
    for place, item in enumerate(board.ranking(group).tolist()):
        yield Place(item, 1.0 / (place + 1), board.reason, (FALLBACK_SOURCE,))


def served_list(bundle: Bundle, user_id: str, count: int) -> list[Place]:
    """The first `count` places that a user is shown who did nothing since; fewer where fewer may be shown."""
    user = bundle.user(user_id)
    known = None if bundle.is_opted_out(user_id) else user
    behind = fallback_places(bundle, chance=chance_behind(bundle, known))
    every = each_once(passing(bundle, user), stored_places(bundle, known), behind)
    return list(islice(capped(every, bundle, count, bundle.rules.max_per_category), count))
