"""A user's list as it is now: the stored list while nothing happened since, else re-scored, filtered, filled.

A list that somebody looks at, page by page, is in `live_lists`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from recs_platform.serving.explaining import CAP, DIVERSITY, EXPLORATION, OFFERED, Trace
from recs_platform.serving.folding import user_vector
from recs_platform.serving.learning import Learned
from recs_platform.serving.live_lists import Asked, LiveList
from recs_platform.serving.rescoring import NO_CODES, NOBODY, RECENT_ITEMS, Codes, Lessons, rescore
from recs_platform.serving.sessions import Session
from recs_platform.serving.treatments import UNTREATED, Treatment, explore, vary
from recs_platform.stages.releases.bundle import Bundle
from recs_platform.stages.releases.bundle.content import EVERYWHERE
from recs_platform.stages.releases.bundle.lists import (
    BEHIND,
    FALLBACK_SOURCE,
    board_list,
    chance_behind,
    fallback_places,
    passing,
    stored_places,
    surface_places,
)
from recs_platform.stages.releases.bundle.places import Place, capped, each_once

_BASE_ITEMS = 50  # popular items that stand for the candidates of users who have none
_RECIPE_BYTES, _LESSONS_BYTES, _TRACE_BYTES = 800, 1_500, 4_000
SESSION_SOURCE, LEARNED_SOURCE = "session", "stream"


def live_list(
    bundle: Bundle,
    asked: Asked,
    session: Session | None,
    weight: float,
    treatment: Treatment = UNTREATED,
    seed: str = "",
    learned: Learned | None = None,
    dismissed: Iterable[str] = (),
) -> LiveList:
    """The list of a user under a bundle; `session` is read here and now, and a later change of it changes nothing.

    `learned`: what users did since the release; it moves the lists of those who did something, and of strangers.
    Nothing is inferred about users who opted out or are held out: their session only takes away what they consumed.
    `seed` is that of places which the treatment leaves to chance. `dismissed`: items that the bundle does not know to
    be, whether or not a session still does.
    """
    user = None if asked.is_forgotten else bundle.user(asked.user_id)
    is_opted_out = bundle.is_opted_out(asked.user_id)
    gone = codes_of(bundle, dismissed) if session is None else codes_of(bundle, (*session.gone, *dismissed))
    steps, lessons = list[int](), None
    if not is_opted_out and not bundle.is_held_out(user):
        if session is not None:
            recent = session.recent(asked.session_id, RECENT_ITEMS)
            steps = [code for item in recent if (code := bundle.item(item)) is not None]
        lessons = None if learned is None else _lessons(bundle, asked, user, learned)
    if learned is not None and not asked.is_forgotten and not bundle.rules.allow_repeats:
        gone |= codes_of(bundle, learned.chosen(asked.user_id))  # the session in which they chose it may be over
    has_own = user is not None and not is_opted_out
    is_on_surface = asked.surface in bundle.surfaces and (has_own or bundle.board(asked.surface or "") is not None)
    own = weight if treatment.session_weight is None else treatment.session_weight
    recipe = _Recipe(
        bundle, asked, user, is_opted_out, is_on_surface, packed(gone), tuple(steps), lessons, own, treatment, seed
    )
    variants: Mapping[str, str] = {} if is_on_surface else treatment.variants
    if asked.explain:
        # Ranks in the list of everywhere would explain nothing of that of a surface: the sources are all that is told.
        trace = Trace(None if is_opted_out or is_on_surface else user)
        return LiveList(bundle, asked, recipe.places(trace), variants, trace, recipe_bytes=recipe.bytes + _TRACE_BYTES)
    return LiveList(bundle, asked, None, variants, None, remake=recipe.places, recipe_bytes=recipe.bytes)


@dataclass(frozen=True, slots=True, eq=False)
class _Recipe:
    """All that a list follows from: it is worked out as often as somebody looks, and always comes out the same.

    `gone`: codes of what a session, learning and dismissals take away. `steps`: codes of the session's items, newest
    first. `weight`: of the session.
    """

    bundle: Bundle
    asked: Asked
    user: int | None
    is_opted_out: bool
    is_on_surface: bool
    gone: Codes
    steps: tuple[int, ...]
    lessons: Lessons | None
    weight: float
    treatment: Treatment
    seed: str

    @property
    def bytes(self) -> int:
        """About what it takes."""
        return _RECIPE_BYTES + self.gone.nbytes + (_LESSONS_BYTES if self.lessons is not None else 0)

    def places(self, trace: Trace | None = None) -> Iterator[Place]:
        """The places, from the first on."""
        bundle, asked, treatment = self.bundle, self.asked, self.treatment
        surface = asked.surface if self.is_on_surface else None
        gone = asked.exclude.union(self.gone.tolist())
        passes = passing(bundle, self.user, gone, asked.category, surface or EVERYWHERE)
        # A release from before the opt-out still holds the user's own list.
        known = None if self.is_opted_out else self.user
        if self.is_on_surface:
            # Made for this place, in length, rules and categories: a session only takes away from it.
            return self._on_surface(known, passes)
        chance: float | None = 1.0
        if treatment.popularity:
            offered = iter(())
        elif self.steps or self.lessons is not None:
            offered = _rescored(bundle, known, asked, list(self.steps), self.weight, self.lessons, trace)
        else:
            offered = stored_places(bundle, known) if treatment.diversity is None else _by_score(bundle, known)
            chance = chance_behind(bundle, known)
        every = each_once(passes, offered, fallback_places(bundle, asked.contexts, chance))
        return _ordered(every, bundle, asked, treatment, self.seed, trace)

    def _on_surface(self, known: int | None, passes: Callable[[int], bool]) -> Iterator[Place]:
        """The list of the surface; of whoever has none its board, for not all is to be shown there."""
        surface = self.asked.surface or ""
        if known is not None:
            return each_once(passes, surface_places(self.bundle, surface, known))
        board = self.bundle.board(surface)
        return iter(()) if board is None else board_list(self.bundle, board, passes, self.asked.block)


def packed(codes: Collection[int]) -> Codes:
    """Codes in an array, a tenth of a set: tens of thousands of lists remember what was gone."""
    return np.fromiter(codes, dtype=np.int32, count=len(codes)) if codes else NO_CODES


def released_again(bundle: Bundle, user: int, asked: Asked, gone: Codes) -> Iterator[Place]:
    """The places of a list to whose user nothing happened but that items are `gone`."""
    passes = passing(bundle, user, asked.exclude.union(gone.tolist()), asked.category)
    behind = fallback_places(bundle, asked.contexts, chance_behind(bundle, user))
    every = each_once(passes, stored_places(bundle, user), behind)
    return _ordered(every, bundle, asked, UNTREATED, "", None)


def _ordered(
    every: Iterator[Place], bundle: Bundle, asked: Asked, treatment: Treatment, seed: str, trace: Trace | None
) -> Iterator[Place]:
    """The places after the steps that order them: variety, the cap, exploration."""

    def noted(step: str, places: Iterator[Place]) -> Iterator[Place]:
        return places if trace is None else trace.noted(step, places)

    every = noted(OFFERED, every)
    if treatment.diversity is not None:
        every = noted(DIVERSITY, vary(every, bundle.item_category, treatment.diversity, asked.block))
    cap = treatment.max_per_category or bundle.rules.max_per_category
    every = noted(CAP, capped(every, bundle, asked.block, cap))
    if treatment.exploration:
        every = noted(EXPLORATION, explore(every, treatment.exploration, seed))
    return every


def codes_of(bundle: Bundle, items: Iterable[str]) -> set[int]:
    """Codes of those items that the bundle knows."""
    return {code for item in items if (code := bundle.item(item)) is not None}


def _by_score(bundle: Bundle, user: int | None) -> Iterator[Place]:
    """The same in the order of the candidates' scores, as if no rule had reordered them and nothing been drawn."""
    if user is None:
        return
    places, chance = dict[int, Place](), chance_behind(bundle, user)
    for place in stored_places(bundle, user):
        places.setdefault(place.item, place)
    for item in bundle.candidates(user).items.tolist():
        yield msgspec.structs.replace(places.pop(item), propensity=1.0)
    yield from (msgspec.structs.replace(place, propensity=chance) for place in places.values())


def _lessons(bundle: Bundle, asked: Asked, user: int | None, learned: Learned) -> Lessons | None:
    """What was learned that may move this list; None of a user who did nothing since the release: theirs is fresh."""
    trending = learned.trending(bundle)
    chosen = () if asked.is_forgotten else learned.chosen(asked.user_id)
    codes = [code for item in chosen if (code := bundle.item(item)) is not None]
    if not codes and (user is not None or not len(trending.items)):
        return None
    return Lessons(user_vector(bundle, user, codes), trending, learned.influence)


def _rescored(
    bundle: Bundle,
    user: int | None,
    asked: Asked,
    steps: list[int],
    weight: float,
    lessons: Lessons | None,
    trace: Trace | None,
) -> Iterator[Place]:
    """Candidates, or the context's popular items for users who have none, moved by the session and what was learned."""
    if user is None:
        base = bundle.fallback(asked.contexts)[0][1][:_BASE_ITEMS]
        sources_of: dict[int, tuple[str, ...]] = dict.fromkeys(base.tolist(), (FALLBACK_SOURCE,))
    else:
        stored = bundle.candidates(user)
        base, codes = stored.items, stored.sources.tolist()
        sources_of = {item: bundle.candidate_source_sets[each] for item, each in zip(base.tolist(), codes, strict=True)}
    found = rescore(bundle, base, steps, weight, lessons)
    if trace is not None:
        trace.note_session(bundle, found)
    columns = (found.items, found.scores, found.from_session, found.from_learning, found.because, found.is_popular)
    for item, score, by_session, by_learning, by, is_popular in zip(*(each.tolist() for each in columns), strict=True):
        if by != NOBODY and by_session >= by_learning:
            reason = f"after {bundle.titles[by] or bundle.item_ids[by]!r} in this session"
        elif by_learning > 0:
            reason = "often chosen since the last release" if is_popular else "like what you chose"
        else:
            reason = BEHIND if user is not None else "popular with others"
        added = (SESSION_SOURCE,) if by != NOBODY else (LEARNED_SOURCE,) if by_learning > 0 else ()
        yield Place(item, score, reason, (*sources_of.get(item, ()), *added))
