"""Which popularity predicts best: overall at several half-lives, and finer, within groups of users or categories.

What they score is in `popularity`, what they are tried on in `popularity_windows`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts.time import DAY_SECONDS, HOUR_SECONDS
from recs_platform.evaluation.bootstrap import LEVEL, cluster_intervals
from recs_platform.evaluation.popularity import category_scores, group_scores, item_scores
from recs_platform.evaluation.popularity_windows import PopularityWindow, heads, list_ndcg

V = TypeVar("V")
HalfLives = Sequence[float | None]
# A quarter of an hour to three months; None counts every user alike, whenever it was.
HALF_LIVES_DAYS: tuple[float | None, ...] = (
    *(hours * HOUR_SECONDS / DAY_SECONDS for hours in (0.25, 1, 3, 12)), 1.0, 3.0, 7.0, 30.0, 90.0, None,
)  # fmt: skip
OWN_SHARES = (0.1, 0.3, 0.6)
CATEGORY = "category"
# A category in which fewer were chosen has the half-life of all.
CATEGORY_PAIRS_MIN = 100
_CUTOFFS_MIN = 2


@dataclass(frozen=True)
class HalfLifeTrial:
    """Mean NDCG over users and cutoffs of popularity with a half-life in days; None = for ever."""

    half_life_days: float | None
    ndcg: float
    users: int


@dataclass(frozen=True)
class FinerTrial:
    """Popularity within groups of users, or with a half-life a category, against the best half-life of all.

    `by`: the column of users, or `category`. `ndcg`, and `low` to `high`, the interval of the difference: each cutoff
    is judged with what was best at the others. `half_life_days` and `own_share`, or `category_half_lives_days`: best
    at all of them.
    """

    by: str
    ndcg: float
    low: float
    high: float
    users: int
    half_life_days: float | None = None
    own_share: float | None = None
    category_half_lives_days: Mapping[str, float | None] = field(default_factory=dict[str, float | None])

    @property
    def is_better(self) -> bool:
        """Beyond chance."""
        return self.low > 0


def try_half_lives(
    windows: Sequence[PopularityWindow],
    *,
    k: int,
    half_lives_days: HalfLives = HALF_LIVES_DAYS,
) -> list[HalfLifeTrial]:
    """Try each half-life at each window. Consumed items are left out of a user's list. Nothing to try on: no trials."""
    if not windows:
        return []
    tried = {days: np.concatenate([_overall_ndcg(window, days, k) for window in windows]) for days in half_lives_days}
    return [HalfLifeTrial(days, float(values.mean()), len(values)) for days, values in tried.items()]


def best_half_life(trials: Sequence[HalfLifeTrial]) -> HalfLifeTrial | None:
    """The one with the greatest NDCG; of equals the longest, which is the simplest. None without trials.

    >>> best_half_life([HalfLifeTrial(1.0, 0.2, 9), HalfLifeTrial(7.0, 0.2, 9), HalfLifeTrial(None, 0.1, 9)])
    HalfLifeTrial(half_life_days=7.0, ndcg=0.2, users=9)
    """
    return max(trials, key=lambda trial: (trial.ndcg, trial.half_life_days or np.inf), default=None)


def try_finer(
    windows: Sequence[PopularityWindow],
    half_life_days: float | None,
    *,
    k: int,
    seed: int,
    half_lives_days: HalfLives = HALF_LIVES_DAYS,
) -> list[FinerTrial]:
    """Try popularity by each column of users that makes two groups or more, and by category where there are two.

    `half_life_days`: the best of all users, which the finer ones fall back to. Each cutoff is judged with what was best
    at the other cutoffs, so that many parameters gain nothing by being many. The interval is the wider of two: one
    draws users with all their cutoffs, one is Student's of the means of cutoffs; 95 % of all trials together
    (Bonferroni). No trials with fewer than two windows.
    """
    if len(windows) < _CUTOFFS_MIN:
        return []
    overall = [_overall_ndcg(window, half_life_days, k) for window in windows]
    columns = [name for name in windows[0].groupings if min(w.groupings[name].n for w in windows) > 1]
    by_column = {name: _try_groups(windows, name, half_life_days, half_lives_days, k) for name in columns}
    tried: list[tuple[FinerTrial, list[NDArray[np.float64]]]] = [*by_column.values()]
    if (by_category := _try_categories(windows, half_life_days, half_lives_days, k)) is not None:
        tried.append(by_category)
    level = 1 - (1 - LEVEL) / max(len(tried), 1)
    return [_judged(trial, windows, values, overall, seed=seed, level=level) for trial, values in tried]


def best_finer(trials: Sequence[FinerTrial]) -> FinerTrial | None:
    """Of those that are better than overall beyond chance the one with the greatest NDCG; None where none is."""
    return max((trial for trial in trials if trial.is_better), key=lambda trial: trial.ndcg, default=None)


def _overall_ndcg(window: PopularityWindow, half_life_days: float | None, k: int) -> NDArray[np.float64]:
    return _one_list(window, item_scores(window.like_items, window.like_us, window.n_items, half_life_days), k)


def _try_groups(
    windows: Sequence[PopularityWindow], column: str, overall_days: float | None, half_lives: HalfLives, k: int
) -> tuple[FinerTrial, list[NDArray[np.float64]]]:
    """A group counts fewer users than all: it is not tried with a shorter half-life."""
    longer = [days for days in half_lives if (days or np.inf) >= (overall_days or np.inf)]
    variants = [(days, own_share) for days in longer for own_share in OWN_SHARES]
    tried = {each: [_group_ndcg(window, column, overall_days, *each, k) for window in windows] for each in variants}
    days, own_share = _best(tried)
    judged = [tried[_best(tried, without=held)][held] for held in range(len(windows))]
    return FinerTrial(column, 0.0, 0.0, 0.0, 0, half_life_days=days, own_share=own_share), judged


def _group_ndcg(
    window: PopularityWindow, column: str, overall_days: float | None, days: float | None, own_share: float, k: int
) -> NDArray[np.float64]:
    grouping, likes = window.groupings[column], (window.like_items, window.like_us)
    everybody = item_scores(*likes, window.n_items, overall_days)
    scores = group_scores(
        grouping.of_likes, *likes, everybody, n_groups=grouping.n, half_life_days=days, own_share=own_share
    )
    return list_ndcg(window, heads(scores, k), grouping.of_tested, k)


def _try_categories(
    windows: Sequence[PopularityWindow], overall_days: float | None, half_lives: HalfLives, k: int
) -> tuple[FinerTrial, list[NDArray[np.float64]]] | None:
    """None where fewer than two categories have enough choices to tell."""
    counts = Counter[str]()
    for window in windows:
        counts.update(window.choices_by_category)
    names = sorted(name for name, pairs in counts.items() if pairs >= CATEGORY_PAIRS_MIN)
    if len(names) < 2:  # noqa: PLR2004  of one category all is said overall
        return None
    tried = {name: {days: list[NDArray[np.float64]]() for days in half_lives} for name in names}
    for window in windows:
        parts = {name: window.of_category(name) for name in names}
        for days in half_lives:
            scores = item_scores(window.like_items, window.like_us, window.n_items, days)
            for name, part in parts.items():
                tried[name][days].append(_one_list(part, np.where(window.is_in(name), scores, 0.0), k))

    def chosen(without: int | None = None) -> dict[str, float | None]:
        return {name: _best(tried[name], without=without) for name in names}

    judged = [_category_ndcg(window, overall_days, chosen(held), k) for held, window in enumerate(windows)]
    return FinerTrial(CATEGORY, 0.0, 0.0, 0.0, 0, category_half_lives_days=chosen()), judged


def _category_ndcg(
    window: PopularityWindow, overall_days: float | None, half_lives: Mapping[str, float | None], k: int
) -> NDArray[np.float64]:
    everybody = item_scores(window.like_items, window.like_us, window.n_items, overall_days)
    by_code = {
        window.category_names.index(name): days for name, days in half_lives.items() if name in window.category_names
    }
    return _one_list(
        window, category_scores(window.like_items, window.like_us, everybody, window.category_codes, by_code), k
    )


def _one_list(window: PopularityWindow, scores: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    return list_ndcg(window, heads(scores[None], k), np.zeros(len(window.tested), dtype=np.int64), k)


def _best(tried: Mapping[V, Sequence[NDArray[np.float64]]], *, without: int | None = None) -> V:
    """The variant of the greatest mean over all windows but one; of equals the last one."""

    def mean(variant: V) -> float:
        kept = [values for window, values in enumerate(tried[variant]) if window != without]
        joined = np.concatenate([np.empty(0), *kept])
        return float(joined.mean()) if len(joined) else 0.0

    return max(reversed(list(tried)), key=mean)


def _judged(
    trial: FinerTrial,
    windows: Sequence[PopularityWindow],
    values: Sequence[NDArray[np.float64]],
    overall: Sequence[NDArray[np.float64]],
    *,
    seed: int,
    level: float,
) -> FinerTrial:
    users = pl.concat([window.tested for window in windows])
    gains = [finer - rival for finer, rival in zip(values, overall, strict=True)]
    codes = users.rank("dense").cast(pl.Int64).to_numpy()
    of_users = cluster_intervals(codes, np.concatenate(gains)[:, None], seed=seed, level=level)
    low, high = _interval_of_cutoffs([float(each.mean()) for each in gains], level)
    return replace(
        trial,
        ndcg=float(np.concatenate(values).mean()),
        low=min(low, float(of_users.low[0])),
        high=max(high, float(of_users.high[0])),
        users=len(users),
    )


def _interval_of_cutoffs(means: Sequence[float], level: float) -> tuple[float, float]:
    """Student's interval of the mean over cutoffs: what is popular on a day moves all users of that day together."""
    from scipy.special import stdtrit  # heavy

    n, middle = len(means), float(np.mean(means))
    half = float(stdtrit(n - 1, (1 + level) / 2) * np.std(means, ddof=1) / np.sqrt(n))
    return middle - half, middle + half
