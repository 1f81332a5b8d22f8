"""Scoring: candidates with features in, each user's best in order out. Rankers are trained in `ranker`."""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import ContractError
from recs_platform.stages.ranking.ranker import Ranker


def rank_candidates(
    batches: Iterable[pl.DataFrame], ranker: Ranker, *, top_n: int, threads: int
) -> Iterator[pl.DataFrame]:
    """Score candidates chunk by chunk; memory is bounded by one batch.

    Args:
        batches: `user_id`, `item_id`, `sources`, `fused_score` and the ranker's features; each holds whole users.
        ranker: The champion.
        top_n: Rows kept a user.
        threads: Cores the forest may use; the scores do not depend on it.

    Yields:
        For each batch `user_id`, `item_id`, `score` Float64, `rank` Int32 from 1, `sources`; sorted by user and rank.
        Ties go to the greater `fused_score`, then the lesser item_id. Raises FeatureMismatch when a feature is absent,
        ContractError when a user of one batch goes on in the next.
    """
    previous: set[str] = set()
    for batch in batches:
        users: set[str] = set(batch[c.USER_ID].unique())
        split = sorted(previous & users)
        if split:
            raise ContractError(f"user {split[0]!r} is in two batches of candidates; a batch must hold whole users")
        previous = users
        yield best_rows(batch, ranker.score(batch, threads), top_n)


def best_of_users(users: NDArray[np.int32], scores: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Positions of the `n` rows of each user with the greatest scores, by user and rank; ties go to the earlier row.

    `users`: codes, ascending, a row each.

    >>> best_of_users(np.array([3, 3, 3, 7], np.int32), np.array([0.1, 0.9, 0.1, 0.5]), 2)
    array([1, 0, 3])
    """
    order = order_of_users(users, scores, np.zeros(len(users), dtype=np.float32))
    return order[ranks_of_users(users) <= n]


def order_of_users(
    users: NDArray[np.int32], scores: NDArray[np.floating], fused: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Positions of the rows of each user in turn, the greatest score first; ties by `fused`, then to the earlier row.

    `users`: codes, ascending, a row each.

    >>> order_of_users(np.array([3, 3, 7], np.int32), np.array([0.1, 0.1, 0.5]), np.array([1, 2, 3], np.float32))
    array([1, 0, 2])
    """
    from recs_platform.stages.ranking.kernels import order_rows

    order = np.empty(len(users), dtype=np.int64)
    order_rows(np.append(_begins(users), len(users)), scores.astype(np.float64), fused, order)
    return order


def ranks_of_users(users: NDArray[np.int32]) -> NDArray[np.int64]:
    """How manieth row of its user each is, from 1; the rows of a user stand together.

    >>> ranks_of_users(np.array([3, 3, 7], np.int32))
    array([1, 2, 1])
    """
    begins = _begins(users)
    return np.arange(len(users)) - np.repeat(begins, np.diff(begins, append=len(users))) + 1


def _begins(users: NDArray[np.int32]) -> NDArray[np.int64]:
    """The first row of each user."""
    return np.flatnonzero(np.diff(users, prepend=users[:1] - 1))


def best_rows(rows: pl.DataFrame, scores: NDArray[np.float64], top_n: int) -> pl.DataFrame:
    """The best of each user by `scores` (n,), in the columns and the order of `rank_candidates`."""
    return (
        rows.select(c.USER_ID, c.ITEM_ID, pl.Series(c.SCORE, scores, pl.Float64), c.SOURCES, c.FUSED_SCORE)
        .sort(c.USER_ID, c.SCORE, c.FUSED_SCORE, c.ITEM_ID, descending=[False, True, True, False])
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(c.USER_ID).alias(c.RANK))
        .filter(pl.col(c.RANK) <= top_n)
        .select(c.USER_ID, c.ITEM_ID, c.SCORE, c.RANK, c.SOURCES)
    )
