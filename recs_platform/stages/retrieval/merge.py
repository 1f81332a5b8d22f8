"""Lists of several sources merged into one frame of candidates."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import SourceLists, lists_of
from recs_platform.stages.retrieval.sparse import from_sorted_pairs
from recs_platform.stages.retrieval.top_n import best_of_matrix


@dataclass(frozen=True, eq=False)
class MergeRule:
    """How lists become one: `weights` by source, 1 where not named; `keep` the best of each user, all where None.

    `quotas`: by source, for each user code (n_users,) how many of its items are kept wherever the merge puts them.
    `tiers`: by source, for each user code, 0 where not named: what a lower tier offers comes before all of a higher.
    """

    weights: Mapping[str, float]
    quotas: Mapping[str, NDArray[np.int32]] = field(default_factory=dict[str, NDArray[np.int32]])
    keep: int | None = None
    tiers: Mapping[str, NDArray[np.int8]] = field(default_factory=dict[str, NDArray[np.int8]])


@dataclass(frozen=True, eq=False)
class MergedLists:
    """One entry a user and item that any source offers, sorted by user, fused score descending, item.

    `users`, `items`: int32 codes. `ranks`: int32 (n_sources, n), 0 = not offered. `shares`: float32 (n_sources, n),
    score over the user's top score of the source. `fused`: float32 (n,). `similarity`: float32 (n, 2), as
    HistorySimilarity gives it; None where there is none.
    """

    names: tuple[str, ...]
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ranks: NDArray[np.int32]
    shares: NDArray[np.float32]
    fused: NDArray[np.float32]
    similarity: NDArray[np.float32] | None = None

    def take(self, kept: NDArray[np.bool_] | NDArray[np.int64]) -> "MergedLists":
        """The entries that `kept` flags, or those at its positions."""
        return MergedLists(
            self.names,
            self.users[kept],
            self.items[kept],
            self.ranks.T[kept].T,
            self.shares.T[kept].T,
            self.fused[kept],
            None if self.similarity is None else self.similarity[kept],
        )


def merge_lists(
    problem: RetrievalProblem, lists: Mapping[str, SourceLists], rule: MergeRule, *, threads: int = 1
) -> MergedLists:
    """Fused score = sum over sources of weight * score / root mean square of the user's scores in that source's list.

    Scores are divided because sources count in units of their own; by each user's, because an active user's products
    are greater. Summed in the order of `lists`, so that the same lists give the same bytes. Where `rule.tiers` put
    something first, it then gains, for each higher tier of the same user, the greatest score in that and 1. Of the
    order that results, what is within a quota is kept, and of the rest the best that fill up to `keep`.
    """
    from recs_platform.contracts.compiled_loops import by_rows
    from recs_platform.stages.retrieval.kernels import merge_rows

    targets = _targets(lists)
    starts, items, scores = _stacked(lists, targets)
    room = (starts[:, 1:] - starts[:, :-1]).sum(axis=0)
    quotas = np.full((len(lists), len(targets)), -1, dtype=np.int32)
    tiers = np.zeros((len(lists), len(targets)), dtype=np.int64)
    for row, name in enumerate(lists):
        if name in rule.quotas:
            quotas[row] = rule.quotas[name][targets]
        if name in rule.tiers:
            tiers[row] = rule.tiers[name][targets]
    if rule.keep is not None:
        room = np.minimum(room, np.maximum(rule.keep, np.maximum(quotas, 0).sum(axis=0)))
    begins = np.cumsum(room) - room
    merged = _empty(tuple(lists), int(room.sum()))
    counts = np.zeros(len(targets), dtype=np.int64)
    weights = np.array([rule.weights.get(name, 1.0) for name in lists], dtype=np.float32)
    keep = -1 if rule.keep is None else rule.keep
    given = (starts, items, scores, weights, tiers, int(tiers.max(initial=0)) + 1, quotas, keep, problem.n_items)

    def work(first: int, last: int) -> None:
        written = (merged.items, merged.ranks.T, merged.shares.T, merged.fused)
        merge_rows(first, last, *given, begins, counts, *written)

    by_rows(len(targets), threads, work)
    merged.users[:] = np.repeat(targets, room)
    if (counts == room).all():
        return merged
    return merged.take(np.arange(len(merged.users)) - np.repeat(begins, room) < np.repeat(counts, room))


def _targets(lists: Mapping[str, SourceLists]) -> NDArray[np.int32]:
    """Users who are offered anything, ascending."""
    users = [given.users[np.diff(given.users, prepend=-1) > 0] for given in lists.values()]
    return np.unique(np.concatenate([np.empty(0, np.int32), *users]))


def _stacked(
    lists: Mapping[str, SourceLists], targets: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """All lists in a row: where that of a source and target begins, (n_sources, n_targets + 1), items and scores."""
    starts = np.zeros((len(lists), len(targets) + 1), dtype=np.int64)
    begun = 0
    for row, given in enumerate(lists.values()):
        starts[row, :-1] = begun + np.searchsorted(given.users, targets)
        begun += len(given.users)
        starts[row, -1] = begun
    items = np.concatenate([np.empty(0, np.int32), *(given.items for given in lists.values())])
    scores = np.concatenate([np.empty(0, np.float32), *(given.scores for given in lists.values())])
    return starts, items, scores


def _empty(names: tuple[str, ...], n: int) -> MergedLists:
    """Room for `n` entries; what sources say of one entry stands together in memory."""
    return MergedLists(
        names,
        users=np.empty(n, dtype=np.int32),
        items=np.empty(n, dtype=np.int32),
        ranks=np.empty((n, len(names)), dtype=np.int32).T,
        shares=np.empty((n, len(names)), dtype=np.float32).T,
        fused=np.empty(n, dtype=np.float32),
    )


def best_merged(
    problem: RetrievalProblem, lists: Mapping[str, SourceLists], weights: Mapping[str, float], n: int
) -> SourceLists:
    """The `n` greatest fused scores above 0 of each user, as `merge_lists` gives them without tiers, and nothing else.

    A third of its time: what is not among the best is not ordered.
    """
    pairs = distinct_pairs(problem, lists)
    fused = np.zeros(len(pairs), dtype=np.float32)
    for name, given in lists.items():
        fused[np.searchsorted(pairs, pair_keys(problem, given))] += np.float32(weights.get(name, 1.0)) * normalized(
            given
        )
    codes, items = pairs // max(problem.n_items, 1), (pairs % max(problem.n_items, 1)).astype(np.int32)
    users, rows = np.unique(codes, return_inverse=True)
    scores = from_sorted_pairs(rows, items, fused, (len(users), problem.n_items))
    return lists_of(users.astype(np.int32), best_of_matrix(scores, n))


def normalized(lists: SourceLists) -> NDArray[np.float32]:
    """Scores over the root mean square of the scores in their user's list, float32 (n,)."""
    squares = lists.scores.astype(np.float64) ** 2
    sums = np.bincount(lists.users, weights=squares)
    counts = np.bincount(lists.users)
    return (lists.scores / np.sqrt(sums / np.maximum(counts, 1))[lists.users]).astype(np.float32)


def distinct_pairs(problem: RetrievalProblem, lists: Mapping[str, SourceLists]) -> NDArray[np.int64]:
    """Keys of the pairs that any source offers, ascending."""
    pairs = np.sort(np.concatenate([np.empty(0, np.int64), *(pair_keys(problem, given) for given in lists.values())]))
    # np.unique hashes, which takes ten times as long as sorting here.
    return pairs[np.diff(pairs, prepend=-1) > 0]


def pair_keys(problem: RetrievalProblem, lists: SourceLists) -> NDArray[np.int64]:
    """User code * number of items + item code."""
    return lists.users.astype(np.int64) * problem.n_items + lists.items


def candidates_frame(problem: RetrievalProblem, merged: MergedLists) -> pl.DataFrame:
    """Columns as `candidates_contract` less as_of, for the sources that were merged."""
    offered = merged.ranks > 0
    wide: dict[str, pl.Series] = {}
    for row, name in enumerate(merged.names):
        absent = pl.Series(~offered[row])
        wide[c.source_rank(name)] = pl.Series(merged.ranks[row]).set(absent, None)
        wide[c.source_score_share(name)] = pl.Series(merged.shares[row]).set(absent, None)
    return pl.DataFrame(
        {
            c.USER_ID: problem.user_series.gather(merged.users),
            c.ITEM_ID: problem.item_series.gather(merged.items),
            c.SOURCES: _source_lists(merged.names, offered),
            c.SOURCE_COUNT: pl.Series(offered.sum(axis=0), dtype=pl.Int32),
            c.FUSED_SCORE: pl.Series(merged.fused, dtype=pl.Float32),
            **{name: pl.Series(values).fill_nan(None) for name, values in similarities(merged).items()},
            **wide,
        }
    )


def similarities(merged: MergedLists) -> dict[str, NDArray[np.float32]]:
    """What `similarity` holds by column of candidates: float32 (n,), NaN where missing. Empty where there is none."""
    if merged.similarity is None:
        return {}
    return {c.LAST_ITEM_SIMILARITY: merged.similarity[:, 0], c.LATEST_ITEMS_SIMILARITY: merged.similarity[:, 1]}


def _source_lists(names: tuple[str, ...], offered: NDArray[np.bool_]) -> pl.Series:
    """Names of the sources that offer each pair: one list for each pattern of `offered` (n_sources, n_pairs)."""
    bits = (offered.astype(np.int64) << np.arange(len(names))[:, None]).sum(axis=0)
    # np.unique sorts all of them, which takes ten times as long.
    patterns = pl.Series(bits).unique().sort()
    chosen = [[name for bit, name in enumerate(names) if pattern >> bit & 1] for pattern in patterns.to_list()]
    return pl.Series(chosen, dtype=pl.List(pl.String)).gather(patterns.search_sorted(pl.Series(bits)))
