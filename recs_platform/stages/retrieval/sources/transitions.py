"""Items that tend to come soon after the user's latest items. Order matters here; how long ago it was does not."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.history import latest_items, retrieve_through
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs
from recs_platform.stages.retrieval.top_n import best_of_matrix, unpack

# Rules counted at once: about 0.6 GB of working memory, however many interactions there are.
_BLOCK_RULES = 16_000_000


class TransitionsConfig(SourceConfig):
    """Gap-decayed rules from one item to those that follow it."""

    window: Annotated[int, Field(ge=1, le=50, description="how many places ahead a rule looks")] = 10
    smoothing: Annotated[float, Field(ge=0, description="added to a row's total: few rules are less sure")] = 20.0
    rules: Annotated[int, Field(ge=1, le=5000, description="kept for each item; bounds memory and time")] = 100
    history: Annotated[int, Field(ge=1, le=1000, description="latest items of a user that are looked up")] = 20
    decay: Annotated[float, Field(gt=0, le=1, description="weight of an item against the one after it")] = 0.8


@dataclass(frozen=True)
class Transitions:
    """Sum over the user's latest items of decay ** place * share of what followed the item."""

    name: str = "transitions"
    config: TransitionsConfig = field(default_factory=TransitionsConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive get no entry."""
        rules = fit.prepared(self.name, lambda: fit_transitions(fit.problem, self.config))
        history = latest_items(fit.problem, targets, self.config.history, self.config.decay)
        return retrieve_through(fit.problem, rules, history, targets, n)


def fit_transitions(problem: RetrievalProblem, config: TransitionsConfig) -> SparseRows:
    """Items by items: weight of j coming after i over (total weight after i + smoothing).

    Pairs of positives of one user, at most `window` places apart once repeats in a row are one; weight 1 / places.
    Only the `rules` greatest of a row are kept, the greatest first.
    """
    users, items = _steps(problem)
    n_items = problem.n_items
    lengths: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.int32]] = []
    shares: list[NDArray[np.float32]] = []
    for low, high in _item_ranges(items, n_items, config.window):
        sums = _count_rules(users, items, low=low, high=high, n_items=n_items, window=config.window)
        keys = best_of_matrix(_shares(sums, config.smoothing), config.rules)
        lengths.append((keys > 0).sum(axis=1))
        after, share = unpack(keys[keys > 0])
        columns.append(after)
        shares.append(share)
    starts = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64)
    return SparseRows(starts, np.concatenate(columns), np.concatenate(shares), n_items)


def _item_ranges(items: NDArray[np.int32], n_items: int, window: int) -> list[tuple[int, int]]:
    """Ranges of item codes that together cover all, each the start of at most about _BLOCK_RULES rules."""
    begun = np.cumsum(np.bincount(items, minlength=n_items)) * window // _BLOCK_RULES
    cuts = [0, *(np.flatnonzero(np.diff(begun)) + 1).tolist(), n_items]
    return list(pairwise(cuts))


def _count_rules(
    users: NDArray[np.int32], items: NDArray[np.int32], *, low: int, high: int, n_items: int, window: int
) -> SparseRows:
    """Items in [low, high) by items that follow them: sum of 1 / gap.

    Before, after and gap are packed into one integer, so that counting is one sort of plain integers.
    """
    steps = items.astype(np.int64)
    starts = np.flatnonzero((items >= low) & (items < high))
    packed = [np.empty(0, dtype=np.int64)]
    for gap in range(1, window + 1):
        starts = starts[starts + gap < len(items)]
        starts = starts[users[starts + gap] == users[starts]]
        moved = starts[items[starts + gap] != items[starts]]
        packed.append((((steps[moved] - low) * n_items + steps[moved + gap]) * window) + (gap - 1))
    keys = np.sort(np.concatenate(packed))
    pairs = keys // window
    firsts = np.flatnonzero(np.diff(pairs, prepend=-1))
    sums = np.add.reduceat(1 / (keys % window + 1), firsts) if len(keys) else np.empty(0)
    before, after = np.divmod(pairs[firsts], max(n_items, 1))
    return from_sorted_pairs(before, after.astype(np.int32), sums.astype(np.float32), (high - low, n_items))


def _shares(sums: SparseRows, smoothing: float) -> SparseRows:
    totals = np.bincount(sums.rows, weights=sums.values, minlength=sums.n_rows)
    shares = sums.values / (totals[sums.rows] + smoothing)
    return SparseRows(sums.starts, sums.columns, shares.astype(np.float32), sums.n_columns)


def _steps(problem: RetrievalProblem) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Users and items of the positives in order, the same item twice in a row once."""
    liked = problem.weights > 0
    users, items = problem.users[liked], problem.items[liked]
    moved = np.ones(len(users), dtype=np.bool_)
    moved[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    return users[moved], items[moved]
