"""Candidates of a release re-scored by what the session did, and by what was learned since: one weighted sum.

A candidate's score is `(1 - weight) * place + weight * likeness`. Place falls from 1 to 0 along the stored candidates;
likeness is the mean of three shares of the best: cosine to the session's items, how strongly those items' neighbour
lists name it, and how probably users turned to it after them. Later items count more: each earlier one counts `FADE` of
the next, of probabilities half. With lessons the sum counts `1 - f - p` of itself, the cosine to the user's folded
vector `f`, popularity since the release `p`, both as shares of the best: whatever is in the stream, it moves no score
by more than `f + p`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from recs_platform.serving.learning import Influence, Trending
    from recs_platform.stages.releases.bundle import Bundle

FADE = 0.7
RECENT_ITEMS = 8
NOBODY = -1
_EXPANDED_ITEMS, _NEIGHBOURS_EACH = 3, 30
# As the ranker's transition_score has it.
_FOLLOWED_ITEMS, _NEXT_EACH, _FOLLOWED_FADE = 5, 50, 0.5
_PARTS = 3

Codes = NDArray[np.int32]
Scores = NDArray[np.float64]
NO_CODES: Codes = np.zeros(0, dtype=np.int32)
_NO_SCORES: Scores = np.zeros(0)


@dataclass(frozen=True, eq=False)
class Lessons:
    """What was learned since the release: the user's folded `vector` (d,), and what is `trending`."""

    vector: NDArray[np.float64]
    trending: Trending
    influence: Influence


@dataclass(frozen=True, eq=False)
class Rescored:
    """Items, best first, with their scores, and of each score what stored place, session and lessons add to it.

    `because`: the session's item that speaks most for the item, NOBODY (-1) where the session adds nothing to it.
    `is_popular`: lessons speak for the item more by its popularity than by the user's vector.
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
    """Candidates, what is near to and follows the session's items, what is trending: best first, ties by place, item.

    `base`: stored candidates, best first. `session`: codes of the session's items, newest first; without one `weight`
    counts as 0.
    """
    near = _named(session[:_EXPANDED_ITEMS], bundle.neighbours, _NEIGHBOURS_EACH, FADE)
    next_ones = _named(session[:_FOLLOWED_ITEMS], bundle.transitions, _NEXT_EACH, _FOLLOWED_FADE)
    trending = NO_CODES if lessons is None else lessons.trending.items
    items, at = np.unique(np.concatenate([base, near.items, next_ones.items, trending]), return_inverse=True)
    place = np.zeros(len(items))
    place[at[: len(base)]] = 1.0 - np.arange(len(base)) / max(len(base), 1)
    named = np.split(at[len(base) :], [len(near.items), len(near.items) + len(next_ones.items)])[:2]
    likeness, because = _likeness(bundle, items, session, zip((near, next_ones), named, strict=True))
    weight = weight if len(session) else 0.0
    from_session, liked, popular, left = weight * likeness, np.zeros(len(items)), np.zeros(len(items)), 1.0
    if lessons is not None:
        share = lessons.influence
        liked = share.factors * _share(np.clip(bundle.vectors[items] @ lessons.vector, 0.0, None))
        popular = share.popularity * lessons.trending.shares_of(items)
        left = 1.0 - share.factors - share.popularity
        from_session = left * from_session
    because = np.where(from_session > 0, because, NOBODY).astype(np.int32)
    learned = liked + popular
    scores = left * (1.0 - weight) * place + from_session + learned
    best = np.lexsort((items, -place, -scores))
    return Rescored(
        items[best], scores[best], from_session[best], learned[best], because[best], (popular > liked)[best]
    )


def _likeness(
    bundle: Bundle, items: Codes, session: Sequence[int], named: Iterable[tuple[_Named, NDArray[np.intp]]]
) -> tuple[Scores, Codes]:
    """How like the session each item is, and which of the session's items says so most.

    `named`: what lists name, and where among `items` it is.
    """
    if not len(session):
        return np.zeros(len(items)), np.full(len(items), NOBODY, dtype=np.int32)
    fades = FADE ** np.arange(len(session))
    cosines = np.clip(bundle.vectors[items] @ bundle.vectors[np.asarray(session)].T, 0.0, None) * fades
    shares = _share(cosines.sum(axis=1))
    because = np.asarray(session, dtype=np.int32)[cosines.argmax(axis=1)]
    namers = np.full(len(items), NOBODY, dtype=np.int32)
    for each, at in named:
        shares = shares + _share(np.bincount(at, weights=each.strength, minlength=len(items)))
        # The latest item that names one stands first; of those who are named twice the last assignment holds.
        by = np.full(len(items), NOBODY, dtype=np.int32)
        by[at[::-1]] = each.by[::-1]
        namers = np.where(namers == NOBODY, by, namers)
    return shares / _PARTS, np.where(namers == NOBODY, because, namers)


def _share(values: NDArray[Any]) -> Scores:
    """Values over the greatest of them; all zero where none is positive."""
    top = float(values.max(initial=0.0))
    return values / top if top > 0 else np.zeros(len(values))


class _Named(NamedTuple):
    """What lists of the session's items name, the latest item's first: codes, how strongly, and which item names it."""

    items: Codes
    strength: Scores
    by: Codes


def _named(session: Sequence[int], lists_of: Callable[[int], tuple[Codes, Scores]], each: int, fade: float) -> _Named:
    """What the first places of the items' lists name; an earlier item counts `fade` of the next.

    `session`: newest first.
    """
    lists = [lists_of(item) for item in session]
    faded = [scores[:each] * fade**age for age, (_, scores) in enumerate(lists)]
    return _Named(
        np.concatenate([NO_CODES, *(found[:each] for found, _ in lists)]),
        np.concatenate([_NO_SCORES, *faded]),
        np.repeat(np.asarray(session, dtype=np.int32), [len(scores) for scores in faded]),
    )
