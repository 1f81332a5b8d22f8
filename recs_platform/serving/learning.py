"""What the stream of events taught since the release: popularity that fades, and what each user chose.

It is bounded, and goes with the release: the next one knows better. How it moves lists is in `rescoring`, what one
session does in `sessions`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recs_platform.stages.releases.bundle import Bundle

# Set before any replay; `benchmarks.session_replay` says what it does.
HALF_LIFE_SECONDS = 2 * 86_400.0
TRENDING_ITEMS = 100
_USERS_MAX, _CHOICES_MAX, _ITEMS_MAX = 200_000, 50, 20_000
_ALL_CHOICES_MAX = 200_000  # some 60 MB
_REFRESH_SECONDS = 1.0
_ROUNDING = 1e-9
_REBASE = 500.0  # half-lives after which weights are divided anew: 2 ** 1023 is the greatest double


@dataclass(frozen=True)
class Influence:
    """What share of a score the user's folded vector, and popularity since the release, may be.

    Set before any replay; what a replay chose on some weeks instead was no better on later ones.
    """

    factors: float = 0.2
    popularity: float = 0.2


@dataclass(frozen=True, eq=False)
class Trending:
    """Items that were chosen most since the release: `items` int32, ascending; `shares` float64 of the most chosen."""

    items: NDArray[np.int32]
    shares: NDArray[np.float64]

    def shares_of(self, items: NDArray[np.int32]) -> NDArray[np.float64]:
        """The share of each item, 0 for one that is not among them."""
        if not len(self.items):
            return np.zeros(len(items))
        spot = np.minimum(np.searchsorted(self.items, items), len(self.items) - 1)
        return np.where(self.items[spot] == items, self.shares[spot], 0.0)


class Learned:
    """Choices of users and the popularity they add up to. `clock` gives monotonic seconds, `at` seconds since 1970.

    A user counts once an item, however often they choose it, so that no one user makes an item popular. Weights double
    each half-life forward from a fixed instant, which is the same as halving backward and needs no pass over all.
    Popularity is that of the choices that are kept: whatever drops one takes its weight along.
    """

    def __init__(self, clock: Callable[[], float], *, half_life_seconds: float = HALF_LIFE_SECONDS) -> None:
        self._clock, self._half_life, self.influence = clock, half_life_seconds, Influence()
        # When each choice began to count, and when it was last made.
        self._choices: OrderedDict[str, dict[str, tuple[float, float]]] = OrderedDict()
        self._choices_count = 0
        self._popular: dict[str, float] = {}
        self._base: float | None = None
        self._release: str | None = None
        self._since = float("-inf")
        self._trending: WeakKeyDictionary[Bundle, tuple[float, Trending]] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._choices)

    def users(self) -> list[str]:
        """Whose choices are kept."""
        return list(self._choices)

    def follow(self, release_id: str, as_of: float) -> None:
        """Begin anew where another release is in force: only what happened from its as-of on is kept."""
        if release_id == self._release:
            return
        choices = ((user, item, at) for user, items in self._choices.items() for item, (_, at) in items.items())
        kept = [(at, user, item) for user, item, at in choices if at >= as_of]
        self._release, self._since, self._base = release_id, as_of, None
        self._trending.clear()
        self._choices, self._popular, self._choices_count = OrderedDict(), {}, 0
        for at, user, item in sorted(kept):
            self.add(user, item, at)

    def add(self, user_id: str, item_id: str, at: float) -> None:
        """Take in that a user chose an item; nothing from before the release, which may know it."""
        if at < self._since:
            return
        choices = self._choices.setdefault(user_id, {})
        known = choices.pop(item_id, None)
        if known is None:
            self._choices_count += 1
            self._popular[item_id] = self._popular.get(item_id, 0.0) + self._weight(at)
        choices[item_id] = (at if known is None else known[0]), at
        if len(choices) > _CHOICES_MAX:
            self.drop(user_id, next(iter(choices)))
        self._choices.move_to_end(user_id)
        while len(self._choices) > _USERS_MAX or self._choices_count > _ALL_CHOICES_MAX:
            self.forget(next(iter(self._choices)))
        if len(self._popular) > _ITEMS_MAX:
            self._keep_most_popular()

    def drop(self, user_id: str, item_id: str) -> None:
        """Take back that a user chose an item, such as where they dismiss it."""
        found = self._choices.get(user_id, {}).pop(item_id, None)
        if found is not None:
            self._choices_count -= 1
            weight = self._weight(found[0])
            left = self._popular.pop(item_id, 0.0) - weight
            if left > weight * _ROUNDING:
                self._popular[item_id] = left

    def chosen(self, user_id: str) -> list[str]:
        """What the user chose since the release, newest first."""
        return list(reversed(self._choices.get(user_id, ())))

    def forget(self, user_id: str) -> None:
        """Drop a user, and what they added to popularity."""
        for item in self.chosen(user_id):
            self.drop(user_id, item)
        self._choices.pop(user_id, None)

    def trending(self, bundle: Bundle) -> Trending:
        """The most chosen items that the bundle knows; worked out at most once a second."""
        now, known = self._clock(), self._trending.get(bundle)
        if known is not None and now - known[0] < _REFRESH_SECONDS:
            return known[1]
        codes, shares = list[int](), list[float]()
        for item, share in self._most_popular():
            code = bundle.item(item)
            if code is not None and bundle.is_available[code]:
                codes.append(code)
                shares.append(share)
        order = np.argsort(np.array(codes, dtype=np.int32))
        found = Trending(np.array(codes, dtype=np.int32)[order], np.array(shares, dtype=np.float64)[order])
        self._trending[bundle] = now, found
        return found

    def _most_popular(self) -> Iterator[tuple[str, float]]:
        best = sorted(self._popular.items(), key=lambda each: (-each[1], each[0]))[:TRENDING_ITEMS]
        for item, weight in best:
            yield item, weight / best[0][1]

    def _weight(self, at: float) -> float:
        if self._base is None:
            self._base = at
        age = (at - self._base) / self._half_life
        if age > _REBASE:
            self._popular = {item: weight * 2.0**-age for item, weight in self._popular.items()}
            self._base, age = at, 0.0
        return 2.0 ** max(age, -_REBASE)

    def _keep_most_popular(self) -> None:
        best = sorted(self._popular.items(), key=lambda each: (-each[1], each[0]))
        self._popular = dict(best[: _ITEMS_MAX // 2])
