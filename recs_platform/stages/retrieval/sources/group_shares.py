"""Shares of items in groups of users, and the best items of users in several groups."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recs_platform.stages.retrieval.packing import Keys, pack, unpack
from recs_platform.stages.retrieval.top_n import best

# Candidates of combinations ranked at once: their keys take 32 MB.
_BLOCK_VALUES = 4_000_000


@dataclass(frozen=True, eq=False)
class GroupShares:
    """What groups like. Row 0 of `shares` and `order` is the group of users who have none: all zero.

    `items`: int32 (n_kept,), eligible items that anybody likes, ascending. `shares`: float32 (n_groups + 1, n_kept),
    the kind's weight * smoothed share. `order`: int32 (n_groups + 1, n_kept), positions in `items` by share descending.
    `combinations`: int32 (n_combinations, kinds), rows of `shares`; `combination_of`: int32 (n_users,).
    """

    items: NDArray[np.int32]
    shares: NDArray[np.float32]
    order: NDArray[np.int32]
    combinations: NDArray[np.int32]
    combination_of: NDArray[np.int32]


def best_of_groups(groups: GroupShares, combinations: NDArray[np.int32], width: int) -> Keys:
    """Keys (n_combinations, min(width, n_kept)) of the items with the greatest sums of shares, descending.

    The threshold algorithm (Fagin, Lotem & Naor 2003): an item that is in none of the groups' first `depth` cannot
    have more than the sum of the shares at that depth, so what is above that sum is settled.
    """
    n_items = len(groups.items)
    width = min(width, n_items)
    found = np.zeros((len(combinations), width), dtype=np.int64)
    # Groups agree so much that a quarter more than what is asked for settles most.
    pending, depth = np.arange(len(combinations)), min(width + width // 4 + 1, n_items)
    while len(pending) and width:
        for part in _parts(pending, min(depth * combinations.shape[1], n_items)):
            found[part] = best(_head_keys(groups, combinations[part], depth), width)
        lowest = groups.order[combinations[pending], depth - 1]
        bound = _summed(groups.shares, combinations[pending], lowest[:, :, None])[:, 0]
        _, settled = unpack(found[pending, -1])
        pending = pending[(settled <= bound) & (depth < n_items)]
        depth = min(2 * depth, n_items)
    return found


def _head_keys(groups: GroupShares, combinations: NDArray[np.int32], depth: int) -> Keys:
    """Keys of the items among the first `depth` of any of a combination's groups, each once; 0 elsewhere."""
    rows, kinds = combinations.shape
    if depth * kinds < len(groups.items):
        # Sorted, so that shares are read in the order of memory, and what is there twice stands together.
        positions = np.sort(groups.order[combinations, :depth].reshape(rows, -1), axis=1)
    else:
        positions = np.broadcast_to(np.arange(len(groups.items), dtype=np.int32), (rows, len(groups.items)))
    scores = _summed(
        groups.shares, combinations, np.broadcast_to(positions[:, None, :], (rows, kinds, positions.shape[1]))
    )
    return np.where(np.diff(positions, axis=1, prepend=-1) > 0, pack(scores, groups.items[positions]), 0)


def _summed(
    shares: NDArray[np.float32], combinations: NDArray[np.int32], positions: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Sums over the groups (rows, n) of their shares at `positions` (rows, kinds, n).

    Always first to last: a bound and what it bounds must round alike.
    """
    total = np.zeros((positions.shape[0], positions.shape[2]), dtype=np.float32)
    for kind in range(combinations.shape[1]):
        # One flat index a value: numpy reads it faster than a pair of row and column.
        total += shares.reshape(-1).take(combinations[:, kind, None] * np.int64(shares.shape[1]) + positions[:, kind])
    return total


def _parts(pending: NDArray[np.int64], values: int) -> Iterator[NDArray[np.int64]]:
    rows = max(1, _BLOCK_VALUES // max(values, 1))
    for start in range(0, len(pending), rows):
        yield pending[start : start + rows]
