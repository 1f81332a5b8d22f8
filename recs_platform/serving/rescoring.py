"""Candidates of a release re-scored by what the session did, and by what was learned since: one weighted sum.

A candidate's score is `(1 - weight) * place + weight * likeness`. Place falls from 1 to 0 along the stored candidates;
likeness is the mean of two shares of the best: cosine to the session's items, and how strongly those items' neighbour
lists name it. Later items count more: each earlier one counts `FADE` of the next. With lessons the sum counts
`1 - f - p` of itself, the cosine to the user's folded vector `f`, popularity since the release `p`, both as shares of
the best: whatever is in the stream, it moves no score by more than `f + p`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recs_platform.serving.learning import Influence, Trending
    from recs_platform.stages.releases.bundle import Bundle

FADE = 0.7
RECENT_ITEMS = 8
NOBODY = -1
_EXPANDED_ITEMS = 3
_NEIGHBOURS_EACH = 30

Codes = NDArray[np.int32]
Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lessons:
    """What was learned since the release: the user's folded `vector` (d,), and what is `trending`."""

    vector: NDArray[np.float64]
    trending: Trending
    influence: Influence


@dataclass(frozen=True, eq=False)
class Rescored:
    """Items, best first, with their scores, and of each score what stored place, session and lessons add to it.

    `because`: the session's item that speaks most for the item, NOBODY (-1) without a session. `is_popular`: lessons
    speak for the item more by its popularity than by the user's vector.
    """

    items: Codes
    scores: Scores
    from_session: Scores
    from_learning: Scores
    because: Codes
    is_popular: NDArray[np.bool_]


def rescore(
    bundle: Bundle, base: Codes, session: Sequence[int], weight: float, lessons: Lessons | None = None
) -> Rescored:
    """Candidates, neighbours of the session's items and what is trending, best first, ties by place, then by item.

    `base`: stored candidates, best first. `session`: codes of the session's items, newest first; without one `weight`
    counts as 0.
    """
    near, strength, named_by = _named_neighbours(bundle, session)
    others = near if lessons is None else np.union1d(near, lessons.trending.items)
    extra = others[~np.isin(others, base)]
    items = np.concatenate([base, extra]).astype(np.int32)
    place = np.concatenate([1.0 - np.arange(len(base)) / max(len(base), 1), np.zeros(len(extra))])
    likeness, because = _likeness(bundle, items, session, (near, strength, named_by))
    weight = weight if len(session) else 0.0
    from_session, liked, popular, left = weight * likeness, np.zeros(len(items)), np.zeros(len(items)), 1.0
    if lessons is not None:
        share = lessons.influence
        liked = share.factors * _share(np.clip(bundle.vectors[items] @ lessons.vector, 0.0, None))
        popular = share.popularity * lessons.trending.shares_of(items)
        left = 1.0 - share.factors - share.popularity
        from_session = left * from_session
    learned = liked + popular
    scores = left * (1.0 - weight) * place + from_session + learned
    best = np.lexsort((items, -place, -scores))
    return Rescored(
        items[best], scores[best], from_session[best], learned[best], because[best], (popular > liked)[best]
    )


def _likeness(
    bundle: Bundle, items: Codes, session: Sequence[int], neighbours: tuple[Codes, Scores, Codes]
) -> tuple[Scores, Codes]:
    """How like the session each item is, and which of the session's items says so most."""
    if not len(session):
        return np.zeros(len(items)), np.full(len(items), NOBODY, dtype=np.int32)
    near, strength, named_by = neighbours
    fades = FADE ** np.arange(len(session))
    cosines = np.clip(bundle.vectors[items] @ bundle.vectors[np.asarray(session)].T, 0.0, None) * fades
    because = np.asarray(session, dtype=np.int32)[cosines.argmax(axis=1)]
    neighbourly = np.zeros(len(items))
    if len(near):
        order = np.argsort(near, kind="stable")
        spot = order[np.minimum(np.searchsorted(near, items, sorter=order), len(near) - 1)]
        is_near = near[spot] == items
        neighbourly = np.where(is_near, strength[spot], 0.0)
        because = np.where(is_near, named_by[spot], because).astype(np.int32)
    return 0.5 * _share(cosines.sum(axis=1)) + 0.5 * _share(neighbourly), because


def _share(values: NDArray[Any]) -> Scores:
    """Values over the greatest of them; all zero where none is positive."""
    top = float(values.max(initial=0.0))
    return values / top if top > 0 else np.zeros(len(values))


def _named_neighbours(bundle: Bundle, session: Sequence[int]) -> tuple[Codes, Scores, Codes]:
    """Neighbours of the latest items, each once: code, faded sum of scores, and the latest item that names it."""
    strength: dict[int, float] = {}
    named_by: dict[int, int] = {}
    for age, item in enumerate(session[:_EXPANDED_ITEMS]):
        codes, scores = bundle.neighbours(item)
        for code, score in zip(codes[:_NEIGHBOURS_EACH].tolist(), scores[:_NEIGHBOURS_EACH].tolist(), strict=True):
            strength[code] = strength.get(code, 0.0) + score * FADE**age
            named_by.setdefault(code, item)
    return (
        np.fromiter(strength, dtype=np.int32, count=len(strength)),
        np.fromiter(strength.values(), dtype=np.float64, count=len(strength)),
        np.fromiter(named_by.values(), dtype=np.int32, count=len(named_by)),
    )
