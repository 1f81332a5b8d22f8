"""What other users went on to after sessions like the user's latest. `sessions` cuts them."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts.time import DAY_MICROSECONDS
from recs_platform.stages.retrieval.packing import Keys
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sessions import Sessions, last_steps, split_sessions
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists, lists_of
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs
from recs_platform.stages.retrieval.top_n import best_of_product

# Beyond so many half-lives a session fades no further: a score must stay above 0.
_HALF_LIVES_MAX = 40


class VSKnnConfig(SourceConfig):
    """Vector session-kNN (Ludewig & Jannach 2018), with positions in the neighbour as in STAN (Garg et al. 2019)."""

    gap_minutes: Annotated[
        float | None, Field(gt=0, le=1e6, description="a longer pause ends a session; none: a user is one session")
    ] = None
    history: Annotated[int, Field(ge=1, le=1000, description="latest steps of the user's session looked up")] = 20
    decay: Annotated[float, Field(gt=0, le=1, description="weight of a step against the one after it")] = 0.9
    length: Annotated[int, Field(ge=2, le=5000, description="latest steps of a past session remembered")] = 200
    sample: Annotated[
        int, Field(ge=1, le=10_000_000, description="newest sessions of each item compared; bounds time")
    ] = 500
    sessions: Annotated[int, Field(ge=1, le=5000, description="most similar sessions that are listened to")] = 100
    idf: Annotated[bool, Field(description="whether sharing a rare item makes sessions more similar")] = True
    half_life_days: Annotated[
        float | None, Field(gt=0, le=3650, description="age at which a past session counts half; none: never")
    ] = None
    reach: Annotated[int, Field(ge=1, le=5000, description="positions around the shared item that are offered")] = 30
    nearness: Annotated[float, Field(gt=0, le=1, description="weight of a position against one nearer to it")] = 0.9
    backward: Annotated[float, Field(ge=0, le=1, description="weight of positions before the shared item")] = 0.2


@dataclass(frozen=True, eq=False)
class SessionMemory:
    """`trails`: see `last_steps`. `past`: its rows of at least two items, the newest session first.

    `fading`: float32 (0, 1], of the rows of `past`. `own`: users by rows of `past`, those that are theirs. `index`:
    items by rows of `past`, the newest `sample` of each item, worth the item's idf.
    """

    sessions: Sessions
    trails: SparseRows
    past: SparseRows
    fading: NDArray[np.float32]
    own: SparseRows
    index: SparseRows


@dataclass(frozen=True)
class VSKnn:
    """Sum over neighbours of similarity * decay ** steps after the last shared item * fading * nearness ** distance.

    Similarity: sum over shared items of decay ** steps after it * idf. The distance is counted in the neighbour, from
    the last shared item, 0 beside it; what comes before that item counts `backward`.
    """

    name: str = "vs_knn"
    config: VSKnnConfig = field(default_factory=VSKnnConfig)

    def retrieve(self, fit: Fitted, targets: NDArray[np.int32], n: int) -> SourceLists:
        """See Source. Users without a positive get no entry, nor does one whose items nobody else went on from."""
        memory = fit.prepared(self, lambda: remember_sessions(fit.problem, self.config))
        current = current_sessions(memory, targets, self.config)
        neighbours = similar_sessions(memory, current, targets, self.config, threads=fit.threads)
        return lists_of(targets, best_continuations(fit, memory, current, neighbours, targets, n, self.config))


def remember_sessions(problem: RetrievalProblem, config: VSKnnConfig) -> SessionMemory:
    """Sessions of everybody, equally new ones in the order of users. idf = ln(1 + sessions / sessions of the item)."""
    sessions = split_sessions(problem, gap_minutes=config.gap_minutes, length=config.length)
    trails = last_steps(sessions, problem.n_items)
    newest = np.argsort(-sessions.ended_us, kind="stable")
    newest = newest[trails.lengths[newest] > 1]
    past = trails.take(newest)
    age_days = (sessions.ended_us.max(initial=0) - sessions.ended_us[newest]) / DAY_MICROSECONDS
    half_lives = np.zeros(len(newest)) if config.half_life_days is None else age_days / config.half_life_days
    fading = np.exp2(-np.minimum(half_lives, _HALF_LIVES_MAX)).astype(np.float32)
    own = _own(sessions.users[newest], problem.n_users)
    return SessionMemory(sessions, trails, past, fading, own, _index(past, config))


def current_sessions(memory: SessionMemory, targets: NDArray[np.int32], config: VSKnnConfig) -> SparseRows:
    """Targets by items: steps after the item, for the last `history` steps of each target's latest session."""
    latest = memory.trails.take(memory.sessions.latest(targets))
    kept = latest.values < config.history
    shape = (len(targets), latest.n_columns)
    return from_sorted_pairs(latest.rows[kept], latest.columns[kept], latest.values[kept], shape)


def similar_sessions(
    memory: SessionMemory, current: SparseRows, targets: NDArray[np.int32], config: VSKnnConfig, *, threads: int = 1
) -> Keys:
    """Similarity and row of `past`: the `sessions` most similar past sessions of others, ties by the newer one.

    `current` as `current_sessions`. Keys (n_targets, sessions), see `top_n.pack`.
    """
    weights = np.power(config.decay, current.values.astype(np.float64)).astype(np.float32)
    weighted = SparseRows(current.starts, current.columns, weights, current.n_columns)
    own = memory.own.take(targets)
    return best_of_product(weighted, memory.index, config.sessions, excluded=own, threads=threads)


def best_continuations(
    fit: Fitted,
    memory: SessionMemory,
    current: SparseRows,
    neighbours: Keys,
    targets: NDArray[np.int32],
    n: int,
    config: VSKnnConfig,
) -> Keys:
    """The `n` best of what stands within `reach` of the last shared item in each neighbour, summed over neighbours."""
    from recs_platform.contracts.compiled_loops import by_rows
    from recs_platform.stages.retrieval.kernels import best_continuations as best_of_rows

    keys = np.zeros((len(targets), n), dtype=np.int64)
    decays = np.power(config.decay, np.arange(config.history, dtype=np.float64))
    worths, excluded = _worth_by_distance(config), fit.problem.excluded.take(targets)

    def work(first: int, last: int) -> None:
        met = (current.starts, current.columns, current.values)
        sessions = (memory.past.starts, memory.past.columns, neighbours, memory.fading)
        barred = (fit.problem.eligible, excluded.starts, excluded.columns)
        best_of_rows(first, last, *met, *sessions, decays, worths, *barred, keys)

    if n:
        by_rows(len(targets), fit.threads, work)
    return keys


def _own(users: NDArray[np.int32], n_users: int) -> SparseRows:
    order = np.argsort(users, kind="stable")
    ones = np.ones(len(order), dtype=np.float32)
    return from_sorted_pairs(users[order], order.astype(np.int32), ones, (n_users, len(order)))


def _index(past: SparseRows, config: VSKnnConfig) -> SparseRows:
    rows, order = past.rows, np.argsort(past.columns, kind="stable")
    items = past.columns[order]
    counts = np.bincount(items, minlength=past.n_columns)
    worth = np.log1p(past.n_rows / np.maximum(counts, 1)) if config.idf else np.ones(past.n_columns)
    kept = np.arange(len(items)) - np.searchsorted(items, items) < config.sample
    shape = (past.n_columns, past.n_rows)
    return from_sorted_pairs(
        items[kept], rows[order][kept].astype(np.int32), worth[items[kept]].astype(np.float32), shape
    )


def _worth_by_distance(config: VSKnnConfig) -> NDArray[np.float32]:
    """Worth of positions from `reach` before the shared item to `reach` after it; the item itself is worth nothing."""
    falling = np.power(config.nearness, np.arange(config.reach, dtype=np.float64))
    return np.concatenate([config.backward * falling[::-1], [0.0], falling]).astype(np.float32)
