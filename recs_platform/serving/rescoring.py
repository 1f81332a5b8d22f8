"""Candidates of a release re-scored by what the session did: vectors of items and neighbours, one weighted sum.

A candidate's score is `(1 - weight) * place + weight * likeness`. Place falls from 1 to 0 along the stored candidates;
likeness is the mean of two shares of the best: cosine to the session's items, and how strongly those items' neighbour
lists name it. Later items count more: each earlier one counts `FADE` of the next.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.releases.bundle import Bundle

FADE = 0.7
RECENT_ITEMS = 8
_EXPANDED_ITEMS = 3
_NEIGHBOURS_EACH = 30

Codes = NDArray[np.int32]
Scores = NDArray[np.float64]


def rescore(bundle: Bundle, base: Codes, session: Sequence[int], weight: float) -> tuple[Codes, Scores, Codes]:
    """Candidates and neighbours of the session's items, best first, ties by place, then by item.

    `base`: stored candidates, best first. `session`: codes of the session's items, newest first, at least one. Returns
    item codes, scores float64, and for each the session's item that speaks most for it.
    """
    near, strength, named_by = _named_neighbours(bundle, session)
    extra = near[~np.isin(near, base)]
    items = np.concatenate([base, extra]).astype(np.int32)
    place = np.concatenate([1.0 - np.arange(len(base)) / max(len(base), 1), np.zeros(len(extra))])
    fades = FADE ** np.arange(len(session))
    cosines = np.clip(bundle.vectors[items] @ bundle.vectors[np.asarray(session)].T, 0.0, None) * fades
    order = np.argsort(near, kind="stable")
    spot = np.searchsorted(near, items, sorter=order) if len(near) else np.zeros(len(items), dtype=np.int64)
    spot = order[np.minimum(spot, len(near) - 1)] if len(near) else spot
    is_near = near[spot] == items if len(near) else np.zeros(len(items), dtype=np.bool_)
    neighbourly = np.where(is_near, strength[spot] if len(near) else 0.0, 0.0)
    likeness = 0.5 * _share(cosines.sum(axis=1)) + 0.5 * _share(neighbourly)
    scores = (1.0 - weight) * place + weight * likeness
    because = np.asarray(session, dtype=np.int32)[cosines.argmax(axis=1)]
    because = np.where(is_near, named_by[spot], because) if len(near) else because
    best = np.lexsort((items, -place, -scores))
    return items[best], scores[best], because[best].astype(np.int32)


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
