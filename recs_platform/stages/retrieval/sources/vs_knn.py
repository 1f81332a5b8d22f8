"""What other users went on to after sessions like the user's latest. `sessions` cuts them."""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from recs_platform.contracts.time import DAY_MICROSECONDS
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sessions import Sessions, last_steps, spans, split_sessions
from recs_platform.stages.retrieval.sources.base import Fitted, SourceConfig, SourceLists, lists_of
from recs_platform.stages.retrieval.sparse import SparseRows, from_sorted_pairs, product
from recs_platform.stages.retrieval.top_n import best_of_rows, blocks_by_cost, excluded_mask, unpack

# Beyond so many half-lives a session fades no further: a score must stay above 0.
_HALF_LIVES_MAX = 40
# Stored values in one block: 4 million keep its products below about 200 MB.
_BLOCK_COST = 4_000_000
# Steps after an item that the target has not met; greater than any history.
_NOWHERE = np.int16(np.iinfo(np.int16).max)


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

    `users`: int32, `fading`: float32 (0, 1], of the rows of `past`. `index`: items by rows of `past`, the newest
    `sample` of each item, worth the item's idf.
    """

    sessions: Sessions
    trails: SparseRows
    past: SparseRows
    users: NDArray[np.int32]
    fading: NDArray[np.float32]
    index: SparseRows


@dataclass(frozen=True, eq=False)
class Neighbours:
    """One entry a target and past session: `rows` of the targets and `sessions`, both int64; `weights` float32.

    `positions`: int64, where in the session the item is that the target met last. Sorted by row.
    """

    rows: NDArray[np.int64]
    sessions: NDArray[np.int64]
    positions: NDArray[np.int64]
    weights: NDArray[np.float32]


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
        keys = np.zeros((len(targets), n), dtype=np.int64)
        for positions in blocks_by_cost(_costs(memory, current, self.config), fit.problem.n_items, _BLOCK_COST):
            neighbours = find_neighbours(memory, current.take(positions), targets[positions], self.config)
            scores = _continuations(memory, neighbours, len(positions), self.config)
            excluded = excluded_mask(fit.problem, targets[positions])
            keys[positions] = best_of_rows(scores, ~excluded[scores.rows, scores.columns], n)
        return lists_of(targets, keys)


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
    return SessionMemory(sessions, trails, past, sessions.users[newest], fading, _index(past, config))


def current_sessions(memory: SessionMemory, targets: NDArray[np.int32], config: VSKnnConfig) -> SparseRows:
    """Targets by items: steps after the item, for the last `history` steps of each target's latest session."""
    latest = memory.trails.take(memory.sessions.latest(targets))
    kept = latest.values < config.history
    shape = (len(targets), latest.n_columns)
    return from_sorted_pairs(latest.rows[kept], latest.columns[kept], latest.values[kept], shape)


def find_neighbours(
    memory: SessionMemory, current: SparseRows, targets: NDArray[np.int32], config: VSKnnConfig
) -> Neighbours:
    """The `sessions` most similar past sessions of others, ties by the newer one; `current` as `current_sessions`."""
    weights = np.power(config.decay, current.values.astype(np.float64)).astype(np.float32)
    weighted = SparseRows(current.starts, current.columns, weights, current.n_columns)
    similar = product(weighted, memory.index)
    keys = best_of_rows(similar, memory.users[similar.columns] != targets[similar.rows], config.sessions)
    rows, _ = np.nonzero(keys)
    sessions, similarity = unpack(keys[keys > 0])
    positions, steps_after = _last_shared(memory.past.take(sessions), current, rows)
    met = np.power(config.decay, steps_after.astype(np.float64))
    weights = (similarity * met * memory.fading[sessions]).astype(np.float32)
    return Neighbours(rows, sessions.astype(np.int64), positions, weights)


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


def _costs(memory: SessionMemory, current: SparseRows, config: VSKnnConfig) -> NDArray[np.int64]:
    """Values compared for each target, or at most read from its neighbours if those are more."""
    cumulated = np.concatenate([[0], np.cumsum(memory.index.lengths[current.columns])])
    compared = cumulated[current.starts[1:]] - cumulated[current.starts[:-1]]
    return np.maximum(compared, config.sessions * int(memory.past.lengths.max(initial=0)))


def _last_shared(
    sessions: SparseRows, current: SparseRows, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Position in each session of the item that its target (`rows` of `current`) met last, and the steps after it."""
    met = np.full((current.n_rows, current.n_columns), _NOWHERE)
    met[current.rows, current.columns] = current.values
    found = met.ravel()[np.repeat(rows * current.n_columns, sessions.lengths) + sessions.columns]
    # Every session has two items at least: no segment is empty.
    steps_after = np.minimum.reduceat(found, sessions.starts[:-1]) if len(rows) else found
    where = np.flatnonzero(found == np.repeat(steps_after, sessions.lengths))
    return where - sessions.starts[:-1], steps_after.astype(np.int64)


def _continuations(memory: SessionMemory, neighbours: Neighbours, n_rows: int, config: VSKnnConfig) -> SparseRows:
    """Targets by items: what stands within `reach` of the shared item in each neighbour, summed."""
    starts = memory.past.starts[neighbours.sessions]
    before = np.minimum(neighbours.positions, config.reach)
    after = np.minimum(memory.past.lengths[neighbours.sessions] - 1 - neighbours.positions, config.reach)
    lengths = before + after + 1
    steps = spans(starts + neighbours.positions - before, lengths)
    distances = steps - np.repeat(starts + neighbours.positions, lengths)
    around = SparseRows(
        np.concatenate([[0], np.cumsum(lengths)]),
        memory.past.columns[steps],
        _worth_by_distance(config)[distances + config.reach],
        memory.past.n_columns,
    )
    pairs = np.arange(len(neighbours.rows), dtype=np.int32)
    heard = from_sorted_pairs(neighbours.rows, pairs, neighbours.weights, (n_rows, len(pairs)))
    return product(heard, around)


def _worth_by_distance(config: VSKnnConfig) -> NDArray[np.float32]:
    """Worth of positions from `reach` before the shared item to `reach` after it; the item itself is worth nothing."""
    falling = np.power(config.nearness, np.arange(config.reach, dtype=np.float64))
    return np.concatenate([config.backward * falling[::-1], [0.0], falling]).astype(np.float32)
