"""Lists of several sources made into one frame of candidates. Which sources there are is not known here."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.stages.retrieval.problem import RetrievalProblem
from recs_platform.stages.retrieval.sources.base import SourceLists


def merge_lists(problem: RetrievalProblem, lists: Mapping[str, SourceLists], rank_constant: int) -> pl.DataFrame:
    """One row a user and item that any source offers.

    Columns as `candidates_contract` less as_of. fused_score = sum over sources of 1 / (rank_constant + rank)
    (Cormack, Clarke & Büttcher 2009), summed in the order of `lists`. Sorted by user_id, fused_score descending,
    item_id.
    """
    pairs = np.sort(np.concatenate([_keys(problem, given) for given in lists.values()]))
    # np.unique hashes, which takes ten times as long as sorting here.
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    ranks = np.zeros((len(lists), len(pairs)), dtype=np.int32)
    shares = np.zeros((len(lists), len(pairs)), dtype=np.float32)
    for row, given in enumerate(lists.values()):
        places = np.searchsorted(pairs, _keys(problem, given))
        ranks[row, places], shares[row, places] = _ranks_and_shares(given)
    fused = np.zeros(len(pairs))
    for rank in ranks:
        fused += np.where(rank > 0, 1 / (rank_constant + rank), 0.0)
    n_items = max(problem.n_items, 1)
    order = np.lexsort((pairs, -fused.astype(np.float32), pairs // n_items))
    return _frame(
        problem,
        tuple(lists),
        pairs=pairs[order],
        ranks=ranks[:, order],
        shares=shares[:, order],
        fused=fused[order],
    )


def _keys(problem: RetrievalProblem, lists: SourceLists) -> NDArray[np.int64]:
    return lists.users.astype(np.int64) * problem.n_items + lists.items


def _ranks_and_shares(lists: SourceLists) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    first = np.searchsorted(lists.users, lists.users)
    return (np.arange(len(first)) - first + 1).astype(np.int32), lists.scores / lists.scores[first]


def _frame(
    problem: RetrievalProblem,
    names: tuple[str, ...],
    *,
    pairs: NDArray[np.int64],
    ranks: NDArray[np.int32],
    shares: NDArray[np.float32],
    fused: NDArray[np.float64],
) -> pl.DataFrame:
    n_items = max(problem.n_items, 1)
    offered = ranks > 0
    wide: dict[str, pl.Series] = {}
    for row, name in enumerate(names):
        absent = pl.Series(~offered[row])
        wide[c.source_rank(name)] = pl.Series(ranks[row]).set(absent, None)
        wide[c.source_score_share(name)] = pl.Series(shares[row]).set(absent, None)
    return pl.DataFrame(
        {
            c.USER_ID: problem.user_series.gather(pairs // n_items),
            c.ITEM_ID: problem.item_series.gather(pairs % n_items),
            c.SOURCES: _source_lists(names, offered),
            c.SOURCE_COUNT: pl.Series(offered.sum(axis=0), dtype=pl.Int32),
            c.FUSED_SCORE: pl.Series(fused, dtype=pl.Float32),
            **wide,
        }
    )


def _source_lists(names: tuple[str, ...], offered: NDArray[np.bool_]) -> pl.Series:
    """Names of the sources that offer each pair: looked up by the bits of `offered` (n_sources, n_pairs)."""
    bits = (offered * (1 << np.arange(len(names)))[:, None]).sum(axis=0)
    chosen = [[name for bit, name in enumerate(names) if pattern >> bit & 1] for pattern in range(1 << len(names))]
    return pl.Series(chosen, dtype=pl.List(pl.String)).gather(bits)
