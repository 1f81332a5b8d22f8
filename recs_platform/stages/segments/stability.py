"""Stable segment ids: clusters of this as-of matched to those of the previous one. Clustering is in `clustering`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recs_platform.contracts import columns as c
from recs_platform.stages.segments.scaling import Matrix, scale
from recs_platform.stages.segments.segmenter import NO_SEGMENT
from recs_platform.stages.segments.sklearn_adapter import least_cost_pairs

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.stages.segments.components import Labels
    from recs_platform.stages.segments.segmenter import Segmenter

MATCH_MAX = 0.75  # a match needs half of what one of its two reasons can give
ORDER_DECIMALS = 3


@dataclass(frozen=True)
class Previous:
    """The as-of before: its segmenter, and its members (user_id, segment_id)."""

    segmenter: Segmenter
    members: pl.DataFrame


def canonical_order(centers: Matrix) -> list[int]:
    """Indexes of clusters by their centres in the scaled features, greatest in the first feature first, then the next.

    It depends on where clusters lie alone: neither on a seed nor on the labels an algorithm gave.
    """
    keys = [tuple(row) for row in -np.round(centers, ORDER_DECIMALS)]
    return sorted(range(len(keys)), key=lambda index: keys[index])


def first_numbers(count: int) -> list[int]:
    """Numbers of clusters in canonical order where no as-of lies before."""
    return list(range(1, count + 1))


def match_numbers(previous: Previous, users: pl.Series, values: Mapping[str, Matrix], labels: Labels) -> list[int]:
    """Lasting number of each cluster 0, 1, …: that of the cluster before it was matched to, else one never used.

    `users` are those clustered now, `labels` their clusters, `values` (users,) each feature's column. Pairs are matched
    to the least total cost: half for how far the centre moved, in the scales of then, as a share of the
    distance to the nearest other cluster of then; half for one less the Jaccard index of the members, among users
    clustered both times. A pair that costs more than MATCH_MAX is no match.
    """
    count = int(labels.max()) + 1 if len(labels) else 0
    before = previous.segmenter.clusters
    numbers: dict[int, int] = {}
    if before and count:
        cost = (_distance_cost(previous.segmenter, values, labels) + _member_cost(previous, users, labels)) / 2
        for then, now in least_cost_pairs(np.round(cost, 9)):
            if cost[then, now] <= MATCH_MAX:
                numbers[now] = before[then].number
    fresh = iter(range(previous.segmenter.last_number + 1, previous.segmenter.last_number + 1 + count))
    return [numbers[index] if index in numbers else next(fresh) for index in range(count)]


def _distance_cost(segmenter: Segmenter, values: Mapping[str, Matrix], labels: Labels) -> Matrix:
    """(clusters then, clusters now), 0 = the centre stayed, 1 = it is as far as another cluster was, or farther."""
    rows = len(labels)
    unknown = np.full(rows, np.nan)
    scaled = scale(np.column_stack([values.get(name, unknown) for name in segmenter.names]), segmenter.measures)
    now = np.array([scaled[labels == index].mean(axis=0) for index in range(int(labels.max()) + 1)])
    then = np.array([cluster.center for cluster in segmenter.clusters])
    return np.minimum(_distances(then, now) / _separation(then)[:, None], 1.0)


def _distances(a: Matrix, b: Matrix) -> Matrix:
    return np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2))


def _separation(centers: Matrix) -> Matrix:
    """Distance of each cluster to its nearest other; of an only one, what a deviation in each feature makes."""
    if len(centers) == 1:
        return np.array([max(1.0, float(np.sqrt(centers.shape[1])))])
    apart = _distances(centers, centers)
    np.fill_diagonal(apart, np.inf)
    return np.maximum(apart.min(axis=1), 1e-9)


def _member_cost(previous: Previous, users: pl.Series, labels: Labels) -> Matrix:
    """(clusters then, clusters now), one less the Jaccard index among users clustered both times."""
    import polars as pl

    order = {cluster.segment_id: index for index, cluster in enumerate(previous.segmenter.clusters)}
    then = previous.members.filter(pl.col(c.SEGMENT_ID) != NO_SEGMENT).select(
        c.USER_ID, pl.col(c.SEGMENT_ID).replace_strict(order, default=None, return_dtype=pl.Int64).alias("then")
    )
    now = pl.DataFrame({c.USER_ID: users, "now": labels})
    pairs = now.join(then.drop_nulls(), on=c.USER_ID, how="inner").group_by("then", "now").len("both")
    both = np.zeros((len(order), int(labels.max()) + 1))
    both[pairs["then"].to_numpy(), pairs["now"].to_numpy()] = pairs["both"].to_numpy()
    union = both.sum(axis=1)[:, None] + both.sum(axis=0)[None, :] - both
    return 1.0 - both / np.maximum(union, 1.0)
