"""Rivals of the lists that follow a session, fitted on sessions before a release: VS-kNN and a Markov chain.

They are replayed beside the server's own lists in `session_replay`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import polars as pl

from recs_platform.contracts.home import Home
from recs_platform.contracts.tables import EVENTS
from recs_platform.lake.tables import Lake

GAP_SECONDS = 1800.0
NEAREST, RECENT_SESSIONS = 100, 1000
Offer = Callable[[Sequence[str]], list[str]]


def choices(home: Home, start: datetime | None, end: datetime) -> pl.DataFrame:
    """user_id, session_id, item_id and seconds of what was chosen in a period, by time."""
    at = pl.col("occurred_at")
    inside = at < end if start is None else at.is_between(start, end, closed="left")
    return (
        pl.scan_parquet(Lake(home.lake).files(EVENTS.name))
        .filter(inside, ~pl.col("event_type").is_in(["impression", "dismiss"]))
        .select("user_id", pl.col("session_id").fill_null(""), "item_id", at.dt.epoch("us").alias("seconds") / 1e6)
        .sort("seconds", "user_id", "item_id")
        .collect()
    )


def past_sessions(home: Home, end: datetime) -> list[list[str]]:
    """Items of each session before an instant, in their order, each once; by when the session began."""
    found: dict[tuple[str, int], list[str]] = {}
    last: dict[str, tuple[float, int]] = {}
    for user, _, item, seconds in choices(home, None, end).iter_rows():
        at, number = last.get(user, (float("-inf"), 0))
        number += seconds - at > GAP_SECONDS
        last[user] = (seconds, number)
        items = found.setdefault((user, number), [])
        if item not in items:
            items.append(item)
    return list(found.values())


@dataclass(frozen=True)
class Markov:
    """What followed the last item most often."""

    follows: dict[str, Counter[str]]

    @classmethod
    def fit(cls, sessions: Sequence[Sequence[str]]) -> "Markov":
        follows: dict[str, Counter[str]] = defaultdict(Counter)
        for items in sessions:
            for first, second in pairwise(items):
                follows[first][second] += 1
        return cls(follows)

    def offer(self, recent: Sequence[str]) -> list[str]:
        """Items, best first; ties by item."""
        counts = self.follows.get(recent[-1], Counter[str]()) if recent else Counter[str]()
        return sorted(counts, key=lambda item: (-counts[item], item))


@dataclass(frozen=True)
class Vsknn:
    """Items of the sessions nearest to this one, which count by what they share (Ludewig and Jannach 2018)."""

    sessions: Sequence[Sequence[str]]
    holding: dict[str, list[int]]

    @classmethod
    def fit(cls, sessions: Sequence[Sequence[str]]) -> "Vsknn":
        holding: dict[str, list[int]] = defaultdict(list)
        for place, items in enumerate(sessions):
            for item in items:
                holding[item].append(place)
        return cls(sessions, holding)

    def offer(self, recent: Sequence[str]) -> list[str]:
        """Items, best first; ties by item. An item of the session counts by its place in it, the last one 1."""
        items = list(dict.fromkeys(recent))
        weight = {item: (place + 1) / len(items) for place, item in enumerate(items)}
        near = sorted({place for item in items for place in self.holding.get(item, ())})[-RECENT_SESSIONS:]
        alike = {place: sum(weight.get(item, 0.0) for item in self.sessions[place]) for place in near}
        scores: dict[str, float] = defaultdict(float)
        for place in sorted(alike, key=lambda each: (-alike[each], -each))[:NEAREST]:
            shared = [at for at, item in enumerate(reversed(items), 1) if item in self.sessions[place]]
            fade = 1.0 - 0.1 * (shared[0] - 1) if shared[0] < 10 else 0.0
            for item in self.sessions[place]:
                scores[item] += alike[place] * fade
        return sorted(scores, key=lambda item: (-scores[item], item))
