"""Items that tend to come soon after the user's latest items. Order matters here; how long ago it was does not."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.history import latest_items, retrieve_through, row_ranges, strongest
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs

# Rules counted at once: about 0.6 GB of working memory, however many interactions there are.
_BLOCK_RULES = 16_000_000


class TransitionsConfig(SourceConfig):
    """Gap-decayed rules from one item to those that follow it."""

    window: Annotated[int, Field(ge=1, le=50, description="how many positions ahead a rule looks")] = 10
    gap_decay: Annotated[float, Field(gt=0, le=1, description="weight of a position against the one before it")] = 0.9
    normalization: Annotated[
        Literal["row", "plain"], Field(description="row: share of all that followed the item; plain: counts")
    ] = "row"
    smoothing: Annotated[float, Field(ge=0, le=1e6, description="added to a row's total: few rules are less sure")] = (
        40.0
    )
    popularity_damping: Annotated[
        float, Field(ge=0, le=2, description="rules are divided by (total weight that led to the item) ** this")
    ] = 0.0
    rules: Annotated[int, Field(ge=1, le=5000, description="kept for each item; bounds memory and time")] = 100
    history: Annotated[int, Field(ge=1, le=1000, description="latest items of a user that are looked up")] = 20
    decay: Annotated[float, Field(gt=0, le=1, description="weight of an item against the one after it")] = 0.8


@dataclass(frozen=True)
class Transitions:
    """Sum over the user's latest items of decay ** position * weight of the rule from the item."""

    name: str = "transitions"
    config: TransitionsConfig = field(default_factory=TransitionsConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive get no entry."""
        rules = fit.prepared(self, lambda: fit_transitions(fit.problem, self.config))
        history = latest_items(fit.problem, targets, self.config.history, self.config.decay)
        return retrieve_through(fit, rules, history, targets, n)


def fit_transitions(problem: RetrievalProblem, config: TransitionsConfig) -> SparseRows:
    """Items by items: w_ij / (w_i. + smoothing) / w_.j ** popularity_damping, or without the first division if plain.

    w_ij is the weight of j coming after i: the sum of gap_decay ** (positions - 1) over pairs of positives of one user,
    at most `window` positions apart once repeats in a row are one. w_i. and w_.j are its totals over rows and columns.
    Only the `rules` greatest of a row are kept, the greatest first.
    """
    users, items = _steps(problem)
    fades = np.power(config.gap_decay, np.arange(config.window, dtype=np.float64))
    counted = _counted(users, items, problem.n_items, fades)
    damping = None
    if config.popularity_damping:
        damping = _led_to(users, items, problem.n_items, fades) ** -config.popularity_damping
    return strongest((_normalized(sums, config, damping) for sums in counted), config.rules, problem.n_items)


def _counted(
    users: NDArray[np.int32], items: NDArray[np.int32], n_items: int, fades: NDArray[np.float64]
) -> Iterator[SparseRows]:
    """All rules in blocks of rows of about _BLOCK_RULES pairs; `fades` is the weight of a pair by its gap - 1."""
    for low, high in row_ranges(np.bincount(items, minlength=n_items) * len(fades), _BLOCK_RULES):
        yield _count_rules(users, items, low=low, high=high, n_items=n_items, fades=fades)


def _count_rules(
    users: NDArray[np.int32],
    items: NDArray[np.int32],
    *,
    low: int,
    high: int,
    n_items: int,
    fades: NDArray[np.float64],
) -> SparseRows:
    """Items in [low, high) by items that follow them: sum of the fades.

    Before, after and gap are packed into one integer, so that counting is one sort of plain integers.
    """
    steps, window = items.astype(np.int64), len(fades)
    packed = [np.empty(0, dtype=np.int64)]
    for gap, starts in _pairs(users, items, np.flatnonzero((items >= low) & (items < high)), window):
        packed.append((((steps[starts] - low) * n_items + steps[starts + gap]) * window) + (gap - 1))
    keys = np.sort(np.concatenate(packed))
    pairs = keys // window
    firsts = np.flatnonzero(np.diff(pairs, prepend=-1))
    sums = np.add.reduceat(fades[keys % window], firsts) if len(keys) else np.empty(0)
    before, after = np.divmod(pairs[firsts], max(n_items, 1))
    return from_sorted_pairs(before, after.astype(np.int32), sums.astype(np.float32), (high - low, n_items))


def _pairs(
    users: NDArray[np.int32], items: NDArray[np.int32], starts: NDArray[np.int64], window: int
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each gap up to `window`, with those of `starts` that many positions before another item of the same user."""
    for gap in range(1, window + 1):
        starts = starts[starts + gap < len(items)]
        starts = starts[users[starts + gap] == users[starts]]
        yield gap, starts[items[starts + gap] != items[starts]]


def _led_to(
    users: NDArray[np.int32], items: NDArray[np.int32], n_items: int, fades: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Total weight of the rules to each item (n_items,), 1 where there is none."""
    totals = np.zeros(n_items)
    for gap, starts in _pairs(users, items, np.arange(len(items)), len(fades)):
        totals += fades[gap - 1] * np.bincount(items[starts + gap], minlength=n_items)
    return np.where(totals > 0, totals, 1.0)


def _normalized(sums: SparseRows, config: TransitionsConfig, damping: NDArray[np.float64] | None) -> SparseRows:
    values = sums.values.astype(np.float64)
    if config.normalization == "row":
        totals = np.bincount(sums.rows, weights=values, minlength=sums.n_rows)
        values /= totals[sums.rows] + config.smoothing
    if damping is not None:
        values *= damping[sums.columns]
    return SparseRows(sums.starts, sums.columns, values.astype(np.float32), sums.n_columns)


def _steps(problem: RetrievalProblem) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Users and items of the positives in order, the same item twice in a row once."""
    liked = problem.weights > 0
    users, items = problem.users[liked], problem.items[liked]
    moved = np.ones(len(users), dtype=np.bool_)
    moved[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    return users[moved], items[moved]
