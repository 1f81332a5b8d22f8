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
    score over the user's top score of the source. `fused`: float32 (n,).
    """

    names: tuple[str, ...]
    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ranks: NDArray[np.int32]
    shares: NDArray[np.float32]
    fused: NDArray[np.float32]

    def take(self, kept: NDArray[np.bool_]) -> "MergedLists":
        """The entries that `kept` flags."""
        return MergedLists(
            self.names,
            self.users[kept],
            self.items[kept],
            self.ranks[:, kept],
            self.shares[:, kept],
            self.fused[kept],
        )


def merge_lists(problem: RetrievalProblem, lists: Mapping[str, SourceLists], rule: MergeRule) -> MergedLists:
    """Fused score = sum over sources of weight * score / root mean square of the user's scores in that source's list.

    Scores are divided because sources count in units of their own; by each user's, because an active user's products
    are greater. Summed in the order of `lists`, so that the same lists give the same bytes. What `rule.tiers` put first
    is then `lifted`.
    """
    pairs = distinct_pairs(problem, lists)
    ranks = np.zeros((len(lists), len(pairs)), dtype=np.int32)
    shares = np.zeros((len(lists), len(pairs)), dtype=np.float32)
    fused = np.zeros(len(pairs), dtype=np.float32)
    tiers = np.full(len(pairs), np.iinfo(np.int8).max, dtype=np.int8)
    for row, (name, given) in enumerate(lists.items()):
        positions = np.searchsorted(pairs, pair_keys(problem, given))
        ranks[row, positions], shares[row, positions] = _ranks_and_shares(given)
        fused[positions] += np.float32(rule.weights.get(name, 1.0)) * normalized(given)
        of_source = rule.tiers[name][given.users] if name in rule.tiers else np.int8(0)
        tiers[positions] = np.minimum(tiers[positions], of_source)
    n_items = max(problem.n_items, 1)
    users, items = (pairs // n_items).astype(np.int32), (pairs % n_items).astype(np.int32)
    fused = lifted(users, tiers, fused)
    order = np.lexsort((items, -fused, users))
    merged = MergedLists(tuple(lists), users[order], items[order], ranks[:, order], shares[:, order], fused[order])
    return merged if rule.keep is None else merged.take(_kept(merged, rule.keep, rule.quotas))


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


def lifted(users: NDArray[np.int32], tiers: NDArray[np.int8], fused: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores plus, for each higher tier of the same user, the greatest score in it and 1, float32 (n,).

    What is in a lower tier then has the greater score; a user's highest tier keeps its scores. `users` ascend.
    """
    if not tiers.any():
        return fused
    rows = np.cumsum(np.diff(users, prepend=users[:1]) > 0)
    tops = np.zeros((rows[-1] + 1, int(tiers.max()) + 1), dtype=np.float32)
    np.maximum.at(tops, (rows, tiers), fused + 1)
    above = np.cumsum(tops[:, ::-1], axis=1, dtype=np.float32)[:, ::-1] - tops
    return (fused + above[rows, tiers]).astype(np.float32)


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
            **wide,
        }
    )


def _ranks_and_shares(lists: SourceLists) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    first = np.searchsorted(lists.users, lists.users)
    return (np.arange(len(first)) - first + 1).astype(np.int32), lists.scores / lists.scores[first]


def _kept(merged: MergedLists, keep: int, quotas: Mapping[str, NDArray[np.int32]]) -> NDArray[np.bool_]:
    """Flags: within a quota, or among the user's best that fill up to `keep`."""
    kept = np.zeros(len(merged.users), dtype=np.bool_)
    for row, name in enumerate(merged.names):
        if name in quotas:
            kept |= (merged.ranks[row] > 0) & (merged.ranks[row] <= quotas[name][merged.users])
    left = keep - np.bincount(merged.users[kept], minlength=int(merged.users.max(initial=0)) + 1)
    free = np.flatnonzero(~kept)
    users = merged.users[free]
    rank = np.arange(len(free)) - np.searchsorted(users, users)
    kept[free[rank < left[users]]] = True
    return kept


def _source_lists(names: tuple[str, ...], offered: NDArray[np.bool_]) -> pl.Series:
    """Names of the sources that offer each pair: one list for each pattern of `offered` (n_sources, n_pairs)."""
    bits = (offered.astype(np.int64) << np.arange(len(names))[:, None]).sum(axis=0)
    patterns, pattern_of = np.unique(bits, return_inverse=True)
    chosen = [[name for bit, name in enumerate(names) if int(pattern) >> bit & 1] for pattern in patterns]
    return pl.Series(chosen, dtype=pl.List(pl.String)).gather(pattern_of)
