"""What users turn to after what, with loops. Definitions are those of the yml."""

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

from recs_platform.contracts import columns as c
from recs_platform_tests.features_reference.known import Known
from recs_platform_tests.features_reference.users import Rows

LAST_VISITS = 200
GAPS = (1, 2, 3)
NEXT_MAX = 50
NGRAM_NEXT_MAX = 20
OCCURRENCES_MIN = 2
Key = tuple[Any, ...]


def item_transitions(known: Known) -> Rows:
    """One row an item and one of the 50 that most often follow it."""
    counts: Counter[Key] = Counter()
    weights: Counter[Key] = Counter()
    for visits in known.visits.values():
        items = [visit.item for visit in visits[-LAST_VISITS:]]
        for place, item in enumerate(items):
            for gap in GAPS:
                after = items[place + gap : place + gap + 1]
                if after and after[0] != item:
                    counts[item, after[0]] += 1
                    weights[item, after[0]] += Fraction(1, 2 ** (gap - 1))
    return {
        pair: {
            "pair_count": counts[pair],
            c.WEIGHT: float(weights[pair]),
            "probability": float(weights[pair] / total),
            c.RANK: rank,
        }
        for pair, total, rank in _ranked(weights)
        if rank <= NEXT_MAX
    }


def session_ngrams(known: Known) -> Rows:
    """One row a run of two or three items of one session."""
    counts: Counter[Key] = Counter()
    for visits in known.visits.values():
        by_session: dict[Any, list[str]] = {}
        for visit in visits:
            by_session.setdefault(visit.session, []).append(visit.item)
        for items in by_session.values():
            counts.update((2, "", *pair) for pair in pairwise(items))
            counts.update((3, *run) for run in zip(items, items[1:], items[2:], strict=False))
    return {
        run: {"occurrence_count": counts[run], "probability": counts[run] / total, c.RANK: rank}
        for run, total, rank in _ranked(counts)
        if rank <= NGRAM_NEXT_MAX and counts[run] >= OCCURRENCES_MIN
    }


def _ranked(weights: Mapping[Key, Any]) -> Iterable[tuple[Key, Any, int]]:
    """Each key with the total of its context (all but the last part) and its place there, ties by the last part."""
    for context in {key[:-1] for key in weights}:
        mine = [key for key in weights if key[:-1] == context]
        total = sum(weights[key] for key in mine)
        for rank, key in enumerate(sorted(mine, key=lambda key: (-weights[key], key[-1])), start=1):
            yield key, total, rank
