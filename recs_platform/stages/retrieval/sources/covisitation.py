"""Items met in the same sessions as the user's latest items. In either order; `transitions` looks at the order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts.time import DAY_MICROSECONDS
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sessions import split_sessions
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists
from recs_platform.stages.retrieval.sources.history import latest_items, retrieve_through, row_ranges, strongest
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs

# Pairs counted at once: about 0.4 GB of working memory, however many interactions there are.
_BLOCK_PAIRS = 16_000_000
# Parts of 1 that weights are counted in: whole numbers pack beside their pair, and add up alike in any order.
_PARTS = 2**16


class CovisitationConfig(SourceConfig):
    """Shrunken cosine similarity of items over sessions that fade with age."""

    gap_minutes: Annotated[float, Field(gt=0, le=43200, description="a longer pause ends a session")] = 1440.0
    window: Annotated[int, Field(ge=1, le=50, description="positions on either side that an item is paired with")] = 10
    half_life_days: Annotated[float, Field(gt=0, le=1e6, description="age at which a session counts half")] = 365.0
    shrinkage: Annotated[
        float, Field(ge=0, le=1e6, description="added to an item's sessions: rare items are less sure")
    ] = 10.0
    neighbours: Annotated[int, Field(ge=1, le=5000, description="kept for each item; bounds memory and time")] = 100
    history: Annotated[int, Field(ge=1, le=1000, description="latest items of a user that are looked up")] = 20
    decay: Annotated[float, Field(gt=0, le=1, description="weight of an item against the one after it")] = 0.8


@dataclass(frozen=True, eq=False)
class Visits:
    """Distinct items of each session in the order first met, one entry each: `sessions` int64, `items` int32.

    `parts`: int64, weight of the session in _PARTS of 1.
    """

    sessions: NDArray[np.int64]
    items: NDArray[np.int32]
    parts: NDArray[np.int64]


@dataclass(frozen=True)
class Covisitation:
    """Sum over the user's latest items of decay ** position * similarity."""

    name: str = "covisitation"
    config: CovisitationConfig = field(default_factory=CovisitationConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive get no entry."""
        similarity = fit.prepared(self, lambda: fit_covisitation(fit.problem, self.config))
        history = latest_items(fit.problem, targets, self.config.history, self.config.decay)
        return retrieve_through(fit, similarity, history, targets, n)


def fit_covisitation(problem: RetrievalProblem, config: CovisitationConfig) -> SparseRows:
    """Items by items: c_ij / sqrt((c_i + shrinkage)(c_j + shrinkage)), at most `neighbours` a row, the greatest first.

    c_i counts the sessions with i, c_ij those with i and j at most `window` positions apart, each session as
    half_life / (half_life + age), age the days between its end and that of the latest one: a hyperbola, unlike a power
    of 2, leaves something of what is many half-lives old. Where times show no pauses, a user is one session, see
    `split_sessions`, and the window alone decides.
    """
    visits = _visits(problem, config)
    counts = np.bincount(visits.items, weights=visits.parts, minlength=problem.n_items) / _PARTS
    scales = 1 / np.sqrt(np.maximum(counts + config.shrinkage, 1 / _PARTS))
    blocks = (_scaled(block, low, scales) for low, block in _counted(visits, problem.n_items, config.window))
    return strongest(blocks, config.neighbours, problem.n_items)


def _visits(problem: RetrievalProblem, config: CovisitationConfig) -> Visits:
    sessions = split_sessions(problem, gap_minutes=config.gap_minutes)
    _, firsts = np.unique(sessions.session_of * max(problem.n_items, 1) + sessions.items, return_index=True)
    firsts = np.sort(firsts)
    visits = sessions.session_of[firsts]
    age_days = (sessions.ended_us.max(initial=0) - sessions.ended_us) / DAY_MICROSECONDS
    parts = np.rint(_PARTS * config.half_life_days / (config.half_life_days + age_days)).astype(np.int64)
    return Visits(visits, sessions.items[firsts], parts[visits])


def _counted(visits: Visits, n_items: int, window: int) -> Iterator[tuple[int, SparseRows]]:
    """First row and weights of blocks of rows, each of at most about _BLOCK_PAIRS pairs."""
    for low, high in row_ranges(np.bincount(visits.items, minlength=n_items) * 2 * window, _BLOCK_PAIRS):
        yield low, _count_pairs(visits, low=low, high=high, n_items=n_items, window=window)


def _count_pairs(visits: Visits, *, low: int, high: int, n_items: int, window: int) -> SparseRows:
    """Items in [low, high) by items met within the window, before or after: sum of the weights.

    Both items and the weight are packed into one integer, so that counting is one sort of plain integers.
    """
    wanted = (visits.items >= low) & (visits.items < high)
    items = visits.items.astype(np.int64)
    packed = [np.empty(0, dtype=np.int64)]
    for gap in range(1, min(window, len(items) - 1) + 1):
        met = np.flatnonzero(visits.sessions[gap:] == visits.sessions[:-gap])
        for one, other in ((met, met + gap), (met + gap, met)):
            rows = wanted[one]
            pairs = (items[one[rows]] - low) * n_items + items[other[rows]]
            packed.append(pairs * (_PARTS + 1) + visits.parts[one[rows]])
    keys = np.sort(np.concatenate(packed))
    pairs = keys // (_PARTS + 1)
    firsts = np.flatnonzero(np.diff(pairs, prepend=-1))
    sums = np.add.reduceat(keys % (_PARTS + 1), firsts) / _PARTS if len(keys) else np.empty(0)
    rows, columns = np.divmod(pairs[firsts], max(n_items, 1))
    return from_sorted_pairs(rows, columns.astype(np.int32), sums.astype(np.float32), (high - low, n_items))


def _scaled(sums: SparseRows, low: int, scales: NDArray[np.float64]) -> SparseRows:
    values = sums.values * scales[low + sums.rows] * scales[sums.columns]
    return SparseRows(sums.starts, sums.columns, values.astype(np.float32), sums.n_columns)
