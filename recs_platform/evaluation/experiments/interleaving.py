"""Two rankings drafted into one list, and which of them users chose more of: a sharper reading than a split.

Team draft (Radlinski, Kurup and Joachims 2008): the rankings pick in turns, a coin says who picks first in each round,
and a click counts for the team whose pick it was. Who sees such lists is in `assignment`, what a split says in
`reading`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from recs_platform.evaluation.experiments.anytime import USERS_MIN, critical_value, p_value

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

FIRST, SECOND, NEITHER = 0, 1, -1
_EVEN = 0.5
Item = TypeVar("Item")
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Pick(Generic[Item]):
    """An item, the team whose pick it was, and the chance that it got this place, given the items before it."""

    item: Item
    team: int
    chance: float


class _Ranking(Generic[Item]):
    """A ranking that is read as far as its next item that nobody picked."""

    def __init__(self, items: Iterator[Item], key: Callable[[Item], Hashable]) -> None:
        self._items, self._key = items, key
        self._next: Item | None = None

    def next(self, taken: set[Hashable]) -> Item | None:
        while self._next is None or self._key(self._next) in taken:
            self._next = next(self._items, None)
            if self._next is None:
                return None
        return self._next


def team_draft(
    first: Iterator[Item], second: Iterator[Item], key: Callable[[Item], Hashable], coin: Callable[[], bool]
) -> Iterator[Pick[Item]]:
    """The drafted list, worked out as far as somebody looks; `coin` says whether FIRST begins a round.

    No item comes twice, and of the first n picks the teams have as many, or one more. Where one ranking ends, what the
    other has left comes last and is NEITHER's: nothing was picked against it.

    >>> "".join(pick.item for pick in team_draft(iter("abc"), iter("bde"), str, lambda: True))
    'abcde'
    """
    rankings, taken = (_Ranking(first, key), _Ranking(second, key)), set["Hashable"]()
    counts = [0, 0]
    is_told = True  # whether the items of a round so far tell who began it
    while True:
        heads = [ranking.next(taken) for ranking in rankings]
        picks = [head for head in heads if head is not None]
        if len(picks) < len(rankings):
            break
        is_even = counts[FIRST] == counts[SECOND]
        team = (FIRST if coin() else SECOND) if is_even else int(counts[FIRST] > counts[SECOND])
        differ = key(picks[FIRST]) != key(picks[SECOND])
        # Where both would begin with the same item, the coin shows in the second place of the round.
        is_chance = differ and (is_even or not is_told)
        is_told = differ if is_even else True
        taken.add(key(picks[team]))
        counts[team] += 1
        yield Pick(picks[team], team, _EVEN if is_chance else 1.0)
    for ranking in rankings:
        while (left := ranking.next(taken)) is not None:
            taken.add(key(left))
            yield Pick(left, NEITHER, 1.0)


@dataclass(frozen=True)
class Preference:
    """Users who chose something of a team: for how many which team won; `share` counts a tie as half a win.

    The interval and `p` (of no preference) hold at every look; NaN below 100 such users.
    """

    wins: int
    losses: int
    ties: int
    share: float
    low: float
    high: float
    p: float

    @property
    def users(self) -> int:
        return self.wins + self.losses + self.ties


def read_preference(chosen: Counts, of_control: Counts, user_days: Counts, planned: float) -> Preference:
    """What users preferred: `chosen`, `of_control` (n,) are the items of each team that each user chose.

    `user_days` (n,): days since each user first saw such a list; added up they are the clock, as in `reading`. A user
    counts once, however much they choose. Users who chose nothing say nothing.
    """
    says = (chosen + of_control) > 0
    sign = np.sign(chosen - of_control)[says]
    wins, losses, ties = (int((sign == value).sum()) for value in (1, -1, 0))
    n, nan = len(sign), float("nan")
    share = (wins + ties / 2) / n if n else nan
    if n < USERS_MIN:
        return Preference(wins, losses, ties, share, nan, nan, nan)
    # Where all users agree they would seem to be sure: at least one is counted as different.
    variance = max(float(np.var(sign / 2, ddof=1)), 1 / (4 * n))
    error, clock = math.sqrt(variance / n), float(user_days.sum())
    reach = float(critical_value(clock, planned)) * error
    p = float(p_value((share - _EVEN) / error, clock, planned))
    return Preference(wins, losses, ties, share, max(0.0, share - reach), min(1.0, share + reach), p)
