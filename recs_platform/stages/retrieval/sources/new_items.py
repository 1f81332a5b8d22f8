"""What came out lately, so that it can be found at all, however many have liked it so far."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.time import DAY_MICROSECONDS
from recs_platform.evaluation.groups import codes_of
from recs_platform.stages.retrieval.packing import pack, unpack
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists, lists_of
from recs_platform.stages.retrieval.top_n import best, blocks_by_width

# Cells of a users by items block: its scores and keys take 48 MB.
_BLOCK_CELLS = 4_000_000


class NewItemsConfig(SourceConfig):
    """How fast an item grows old, and what a user's favourites are worth."""

    half_age_days: Annotated[float, Field(gt=0, le=3650, description="age at which an item counts half")] = 7.0
    pool: Annotated[int, Field(ge=1, le=5000, description="newest items among which favourites come first")] = 500
    category_boost: Annotated[float, Field(ge=0, le=1000, description="gain where all one liked is of it")] = 10.0
    creator_boost: Annotated[float, Field(ge=0, le=1000, description="gain where all one liked is by it")] = 10.0

    @property
    def looks_at_eligibility(self) -> bool:
        return True


@dataclass(frozen=True, eq=False)
class Newest:
    """Eligible items, newest first, ties by item; items without any date come last.

    `items`: int32 (n_eligible,), `freshness`: float32 in (0, 1], descending. `labels`: for each boost that counts,
    the boost, the number of labels in the pool and int64 (n_items,), the code of each item's, that number for none.
    """

    items: NDArray[np.int32]
    freshness: NDArray[np.float32]
    labels: tuple[tuple[float, int, NDArray[np.int64]], ...]


@dataclass(frozen=True)
class NewItems:
    """1 / (1 + age / half-age) * (1 + boost * share of what the user liked that is of the category, or creator, ...).

    An item's age counts from published_at, else available_from, else first_seen_at.
    """

    name: str = "new_items"
    config: NewItemsConfig = field(default_factory=NewItemsConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Every target gets a list, whatever is known: without dates and history the first items by id."""
        newest = fit.prepared(self, lambda: fit_newest(fit.problem, self.config))
        keys = np.zeros((len(targets), n), dtype=np.int64)
        for positions, width in _blocks(fit.problem, targets, n, self.config.pool):
            items = newest.items[:width]
            scores = np.tile(newest.freshness[:width], (len(positions), 1))
            pool = slice(0, min(self.config.pool, len(items)))
            scores[:, pool] *= _gains(fit.problem, newest, targets[positions], items[pool])
            _erase_excluded(fit.problem, targets[positions], items, scores)
            keys[positions] = best(pack(scores, items), n)
        return lists_of(targets, keys)


def _erase_excluded(
    problem: RetrievalProblem, targets: NDArray[np.int32], items: NDArray[np.int32], scores: NDArray[np.float32]
) -> None:
    """Set to 0 the scores (n_targets, len(items)) of what must not be offered to a target."""
    position_of = np.full(problem.n_items, -1, dtype=np.int64)
    position_of[items] = np.arange(len(items))
    excluded = problem.excluded.take(targets)
    positions = position_of[excluded.columns]
    scores[excluded.rows[positions >= 0], positions[positions >= 0]] = 0


def fit_newest(problem: RetrievalProblem, config: NewItemsConfig) -> Newest:
    """Order the eligible items by age and name the favourites that the pool offers."""
    freshness = 1 / (1 + _ages_days(problem) / config.half_age_days)
    order = np.sort(pack(np.where(problem.eligible, freshness, 0).astype(np.float32), np.arange(problem.n_items)))
    items, scores = unpack(order[order > 0][::-1])
    pool = items[: config.pool]
    boosts = ((c.CATEGORY, config.category_boost), (c.CREATOR, config.creator_boost))
    labels = tuple((boost, *_labels(problem.catalogue[column], pool)) for column, boost in boosts if boost > 0)
    return Newest(items, scores, labels)


def _ages_days(problem: RetrievalProblem) -> NDArray[np.float64]:
    """Age of each item (n_items,); at least 0; of those without any date, more than that of all others."""
    dates = problem.catalogue.select(pl.coalesce(c.PUBLISHED_AT, c.AVAILABLE_FROM, c.FIRST_SEEN_AT)).to_series()
    came_us = dates.dt.epoch("us").cast(pl.Float64).fill_null(float("nan")).to_numpy()
    ages = np.maximum((problem.as_of_us - came_us) / DAY_MICROSECONDS, 0)
    dated = ~np.isnan(ages)
    # A hundredth more is distinguished in float32 at any age.
    return np.where(dated, ages, 1 + 1.01 * ages[dated].max(initial=0))


def _labels(values: pl.Series, pool: NDArray[np.int32]) -> tuple[int, NDArray[np.int64]]:
    known = values.gather(pool).drop_nulls().unique().sort()
    return len(known), codes_of(values, known)


def _gains(
    problem: RetrievalProblem, newest: Newest, targets: NDArray[np.int32], items: NDArray[np.int32]
) -> NDArray[np.float32]:
    """1 + sum of boost * share of the target's liked items that carry the item's label (n_targets, len(items))."""
    liked = problem.preferences.take(targets)
    gains = np.ones((len(targets), len(items)), dtype=np.float32)
    for boost, n_labels, label_of in newest.labels:
        cells = liked.rows * (n_labels + 1) + label_of[liked.columns]
        counts = np.bincount(cells, minlength=len(targets) * (n_labels + 1)).reshape(len(targets), n_labels + 1)
        shares = boost * counts / np.maximum(liked.lengths, 1)[:, None]
        # The last position counts what carries no label of the pool: nobody's favourite.
        shares[:, n_labels] = 0
        gains += shares.astype(np.float32)[:, label_of[items]]
    return gains


def _blocks(
    problem: RetrievalProblem, targets: NDArray[np.int32], n: int, pool: int
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """As `blocks_by_width`, never narrower than the pool, in blocks whose scores stay small."""
    for positions, narrow in blocks_by_width(problem, targets, n):
        width = max(narrow, pool)
        rows = max(1, _BLOCK_CELLS // width)
        for start in range(0, len(positions), rows):
            yield positions[start : start + rows], width
