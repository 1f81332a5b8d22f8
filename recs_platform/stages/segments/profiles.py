"""What clusters are like, and who moved between segments since the as-of before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recs_platform.contracts import columns as c
from recs_platform.stages.segments.components import Labels, Vector
from recs_platform.stages.segments.scaling import Matrix

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

ABSENT = "absent"
ROUNDING = 1e-12  # a smaller deviation is that of equal values


@dataclass(frozen=True)
class Profiles:
    """`z` (clusters, features), 0 where unknown; `rows` are those of cluster_profiles, by cluster and rank."""

    z: Matrix
    rows: pl.DataFrame


def profile_clusters(values: Matrix, features: Sequence[str], labels: Labels, ids: Sequence[str]) -> Profiles:
    """Mean of each feature (column of `values`, NaN where missing) over each cluster, against that over all users.

    Features without a known value have no row.
    """
    overall, deviation = _mean_and_deviation(values)
    means = [_mean_and_deviation(values[labels == label])[0] for label in range(len(ids))]
    of_clusters = np.array(means).reshape(len(ids), len(features))
    differences = of_clusters - overall
    z = np.divide(differences, deviation, out=np.zeros_like(differences), where=deviation > 0)
    sizes = np.bincount(labels, minlength=len(ids))
    return Profiles(np.nan_to_num(z), _rows(features, ids, sizes, of_clusters, overall, z))


def _mean_and_deviation(values: Matrix) -> tuple[Vector, Vector]:
    """Over the known values of each column; the mean is NaN where there is none."""
    known = ~np.isnan(values)
    counts = np.count_nonzero(known, axis=0)
    divisors = np.where(counts > 0, counts, np.nan)
    mean: Vector = np.where(known, values, 0.0).sum(axis=0) / divisors
    deviation: Vector = np.sqrt(np.where(known, (values - mean) ** 2, 0.0).sum(axis=0) / divisors)
    return mean, np.where(deviation > ROUNDING * np.maximum(1.0, np.abs(mean)), deviation, 0.0)


def _rows(
    features: Sequence[str], ids: Sequence[str], sizes: Labels, means: Matrix, overall: Matrix, z: Matrix
) -> pl.DataFrame:
    import polars as pl

    rows: list[tuple[object, ...]] = []
    for label, segment_id in enumerate(ids):
        sized: Vector = np.nan_to_num(np.abs(z[label]))
        known = [at for at in range(len(features)) if not np.isnan(overall[at])]
        for rank, at in enumerate(sorted(known, key=lambda at: (-round(float(sized[at]), 9), features[at])), start=1):
            mean = None if np.isnan(means[label, at]) else float(means[label, at])
            score = None if mean is None else float(z[label, at])
            rows.append((segment_id, features[at], mean, float(overall[at]), score, rank, int(sizes[label])))
    schema = {
        c.SEGMENT_ID: pl.String(), c.FEATURE: pl.String(), c.MEAN: pl.Float64(), c.OVERALL_MEAN: pl.Float64(),
        c.Z: pl.Float64(), c.RANK: pl.Int32(), c.USER_COUNT: pl.Int64(),
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def migrations(before: pl.DataFrame, now: pl.DataFrame, *, segmentation: str, previous_as_of: datetime) -> pl.DataFrame:
    """Rows of segments.migrations of one segmentation; both frames have user_id and segment_id, a user once.

    Whoever is in one of them only is `absent` from the other.
    """
    import polars as pl

    then = before.select(c.USER_ID, pl.col(c.SEGMENT_ID).alias(c.FROM_SEGMENT_ID))
    moved = now.select(c.USER_ID, pl.col(c.SEGMENT_ID).alias(c.TO_SEGMENT_ID)).join(
        then, on=c.USER_ID, how="full", coalesce=True
    )
    pair = [c.FROM_SEGMENT_ID, c.TO_SEGMENT_ID]
    counted = (
        moved.with_columns(pl.col(pair).fill_null(ABSENT))
        .group_by(pair)
        .agg(pl.len().cast(pl.Int64).alias(c.USER_COUNT))
    )
    share = pl.col(c.USER_COUNT) / pl.col(c.USER_COUNT).sum().over(c.FROM_SEGMENT_ID)
    return counted.select(
        pl.lit(segmentation).alias(c.SEGMENTATION),
        *pair,
        pl.lit(previous_as_of).dt.cast_time_unit("us").alias(c.PREVIOUS_AS_OF),
        c.USER_COUNT,
        share.alias(c.SHARE_OF_FROM),
    ).sort(pair)
