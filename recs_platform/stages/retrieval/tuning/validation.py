"""Lists of several sources measured, under any weights, against what was held out of users' histories.

`weighting` chooses weights by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.evaluation.metrics import Hits, ndcg, recall
from recs_platform.stages.retrieval.merge import distinct_pairs, normalized, pair_keys
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import SourceLists

# Comparisons of hits with their user's candidates held at once: 32 MB of indices.
_BLOCK_COMPARISONS = 4_000_000


@dataclass(frozen=True, eq=False)
class HeldOut:
    """`users`: int32 codes, ascending. `pairs`: keys of user and item, ascending. `counts`: items held out of each."""

    users: NDArray[np.int32]
    pairs: NDArray[np.int64]
    counts: NDArray[np.int64]


def held_out_of(problem: RetrievalProblem, pairs: pl.DataFrame, *, users_max: int, seed: int) -> HeldOut:
    """Pairs (user_id, item_id, distinct) of at most `users_max` users whom the problem knows a positive of.

    Items that the problem does not know count as missed.
    """
    wanted = pairs.with_columns(
        user=_codes(pairs[c.USER_ID], problem.user_series), item=_codes(pairs[c.ITEM_ID], problem.item_series)
    ).filter(pl.col("user").is_not_null())
    known = np.flatnonzero(problem.preferences.lengths)
    counts = np.bincount(wanted["user"].to_numpy(), minlength=problem.n_users)
    users = known[counts[known] > 0]
    if len(users) > users_max:
        users = np.sort(np.random.default_rng(seed).choice(users, users_max, replace=False))
    found = wanted.filter(pl.col("item").is_not_null() & pl.col("user").is_in(pl.Series(users).implode()))
    keys = found["user"].to_numpy().astype(np.int64) * problem.n_items + found["item"].to_numpy()
    return HeldOut(users.astype(np.int32), np.sort(keys), counts[users])


def _codes(ids: pl.Series, known: pl.Series) -> pl.Series:
    """Position of each id in `known`, NULL where it is not there."""
    positions = pl.DataFrame({"id": known, "code": pl.int_range(len(known), dtype=pl.Int64, eager=True)})
    return pl.DataFrame({"id": ids.cast(pl.String)}).join(positions, on="id", how="left", maintain_order="left")["code"]


@dataclass(frozen=True, eq=False)
class Pool:
    """Everything that any source offers to the held-out users: one entry a user and item, sorted by user and item.

    `scores`: float32 (n, n_sources), normalized by user, 0 where the source does not offer it. `user_positions`:
    each entry's user as position in `held_out.users`.
    """

    held_out: HeldOut
    names: tuple[str, ...]
    user_positions: NDArray[np.int64]
    scores: NDArray[np.float32]
    is_hit: NDArray[np.bool_]

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.searchsorted(self.user_positions, np.arange(len(self.held_out.users) + 1))

    def values(self, weights: Mapping[str, float], k: int) -> NDArray[np.float64]:
        """Mean of recall@k and NDCG@k of each user (n_users,), lists by weighted score, ties by item.

        Recall over all that was held out; NDCG with gain 1, its ideal over min(k, held out).
        """
        hits = self._hits(weights, k)
        return (recall(hits) + ndcg(hits)) / 2

    def recalls(self, weights: Mapping[str, float], k: int) -> NDArray[np.float64]:
        """Recall@k of each user (n_users,) of all that was held out, lists as for `values`."""
        return recall(self._hits(weights, k))

    def _hits(self, weights: Mapping[str, float], k: int) -> Hits:
        """The held-out items among the first `k`."""
        fused = self.scores @ np.array([weights.get(name, 0.0) for name in self.names], dtype=np.float32)
        hits = np.flatnonzero(self.is_hit & (fused > 0))
        ranks = self._ranks(fused, hits)
        found = ranks <= k
        return Hits(self.user_positions[hits][found], ranks[found].astype(np.float64), self.held_out.counts, k)

    def _ranks(self, fused: NDArray[np.float32], hits: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rank of each hit among its user's entries, from 1."""
        lengths = np.diff(self._starts)[self.user_positions[hits]]
        blocks = np.flatnonzero(np.diff(np.cumsum(lengths) // _BLOCK_COMPARISONS)) + 1
        ranks = [self._block_ranks(fused, part) for part in np.split(hits, blocks)]
        return np.concatenate(ranks)

    def _block_ranks(self, fused: NDArray[np.float32], hits: NDArray[np.int64]) -> NDArray[np.int64]:
        begins = self._starts[self.user_positions[hits]]
        lengths = self._starts[self.user_positions[hits] + 1] - begins
        row = np.repeat(np.arange(len(hits)), lengths)
        others = np.arange(len(row)) - (np.cumsum(lengths) - lengths - begins)[row]
        hit = hits[row]
        is_before = (fused[others] > fused[hit]) | ((fused[others] == fused[hit]) & (others < hit))
        return 1 + np.bincount(row[is_before], minlength=len(hits))


def pool_lists(problem: RetrievalProblem, held_out: HeldOut, lists: Mapping[str, SourceLists]) -> Pool:
    """Put the lists of the held-out users side by side."""
    pairs = distinct_pairs(problem, lists)
    scores = np.zeros((len(pairs), len(lists)), dtype=np.float32)
    for column, given in enumerate(lists.values()):
        scores[np.searchsorted(pairs, pair_keys(problem, given)), column] = normalized(given)
    positions = np.searchsorted(held_out.users, pairs // max(problem.n_items, 1))
    return Pool(held_out, tuple(lists), positions, scores, np.isin(pairs, held_out.pairs, assume_unique=True))


def join_pools(pools: Sequence[Pool]) -> Pool:
    """Pools of the same sources, with different problems, as one: users of one come after those of the pool before it.

    Its `held_out.users` number the users; its `held_out.pairs` are empty, as codes of problems differ.
    """
    counts = np.concatenate([pool.held_out.counts for pool in pools])
    starts = np.cumsum([0, *(len(pool.held_out.counts) for pool in pools[:-1])])
    return Pool(
        HeldOut(np.arange(len(counts), dtype=np.int32), np.empty(0, dtype=np.int64), counts),
        pools[0].names,
        np.concatenate([pool.user_positions + start for pool, start in zip(pools, starts, strict=True)]),
        np.concatenate([pool.scores for pool in pools]),
        np.concatenate([pool.is_hit for pool in pools]),
    )
