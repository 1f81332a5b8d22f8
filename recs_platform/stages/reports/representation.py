"""Groups of users in what the ranker learned from, and in the probabilities that are given of listed items.

How well their lists serve them is in `quality`, which forms the groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.stages.reports.quality import ATTRIBUTES, NO_GROUP, QualityConfig, group_of
from recs_platform.stages.reports.verdicts import DIMENSION, NO_DATA, RATIO, REFERENCE, Verdict

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

TRAINING, CALIBRATION = "training", "calibration"
SHARE, CHOSEN = "share_of_training", "share_chosen"
# Who is new today was not there at the cutoffs that a ranker learns from.
_LEARNED = tuple(attribute for attribute in ATTRIBUTES if attribute != c.TENURE)


class RepresentationConfig(BaseModel):
    """When a group counts as missing or misjudged; the whole interval must lie beyond the limit, and it only warns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users_min: Annotated[int, Field(ge=2, description="smaller groups are shown and not judged")] = 30
    training_ratio_min: Annotated[
        float, Field(ge=0, lt=1, description="share of what is learned from over share of users: warn below")
    ] = 0.5
    calibration_ratio_min: Annotated[
        float, Field(ge=0, lt=1, description="chosen over expected of a group's listed items: warn below")
    ] = 0.75
    calibration_ratio_max: Annotated[float, Field(gt=1, description="the same: warn above")] = 1.25

    def limits(self, dimension: str, ratio: float) -> tuple[float, float]:
        """Least and greatest ratio, of which one counts: that on the side of 1 on which the ratio lies."""
        if dimension == TRAINING:
            return self.training_ratio_min, float("inf")
        return (self.calibration_ratio_min, float("inf")) if ratio < 1 else (0.0, self.calibration_ratio_max)


def training_rows(
    learned_from: pl.DataFrame, users: pl.DataFrame, *, seed: int, config: RepresentationConfig, groups: QualityConfig
) -> Iterator[dict[str, Any]]:
    """Rows of `reports.bias`, dimension `training`, without as_of: each group's share of what the ranker learns from.

    `learned_from`: user_id, one row a user and window with a positive; `users`: user_id and the attributes, everybody
    who is given lists. The reference is the group's share of `users`; intervals draw users. No rows where nothing was
    learned from; those whose attribute is missing are never judged, nor are small groups.
    """
    import polars as pl

    for attribute in _LEARNED if not learned_from.is_empty() else ():
        named = users.select(c.USER_ID, group_of(users, attribute, groups))
        sizes = dict(named.group_by(c.GROUP).len().iter_rows())
        rows = learned_from.select(c.USER_ID).join(named, on=c.USER_ID, how="inner").sort(c.USER_ID)
        names = sorted(sizes)
        if rows.is_empty() or names == [NO_GROUP]:
            continue
        hits = rows.select((pl.col(c.GROUP) == name).cast(pl.Float64).alias(str(at)) for at, name in enumerate(names))
        for name, interval in zip(names, _intervals(rows, hits.to_numpy(), seed), strict=True):
            size = int(sizes[name])
            is_judged = name != NO_GROUP and config.users_min <= size < users.height
            yield _row(
                TRAINING, attribute, name, SHARE, interval, size / users.height, size, config if is_judged else None
            )


def calibration_rows(
    tested: pl.DataFrame, users: pl.DataFrame, *, seed: int, config: RepresentationConfig, groups: QualityConfig
) -> Iterator[dict[str, Any]]:
    """Rows of `reports.bias`, dimension `calibration`: the share of each group's listed items that were chosen.

    `tested`: user_id, probability, was_chosen. The reference is the mean probability that was given of them; intervals
    draw users. Items without a probability do not count.
    """
    import polars as pl

    told = tested.filter(pl.col(c.PROBABILITY).is_not_null()).select(c.USER_ID, c.PROBABILITY, c.WAS_CHOSEN)
    for attribute in ATTRIBUTES if not told.is_empty() else ():
        joined = told.join(users.select(c.USER_ID, attribute), on=c.USER_ID, how="left").sort(c.USER_ID)
        rows = joined.with_columns(group_of(joined, attribute, groups))
        about = {
            str(name): (float(expected), int(n))
            for name, expected, n in rows.group_by(c.GROUP)
            .agg(pl.col(c.PROBABILITY).mean(), pl.col(c.USER_ID).n_unique().alias("n"))
            .iter_rows()
        }
        names = sorted(about)
        if names == [NO_GROUP]:
            continue
        chosen = rows.select(
            pl.when(pl.col(c.GROUP) == name).then(pl.col(c.WAS_CHOSEN).cast(pl.Float64)).alias(str(at))
            for at, name in enumerate(names)
        )
        for name, interval in zip(names, _intervals(rows, chosen.to_numpy(), seed), strict=True):
            expected, n = about[name]
            is_judged = name != NO_GROUP and n >= config.users_min
            yield _row(CALIBRATION, attribute, name, CHOSEN, interval, expected, n, config if is_judged else None)


_Interval = tuple[float, float | None, float | None]


def _intervals(rows: pl.DataFrame, values: NDArray[np.float64], seed: int) -> list[_Interval]:
    import polars as pl

    from recs_platform.evaluation.bootstrap import cluster_intervals

    found = cluster_intervals(rows[c.USER_ID].rank("dense").cast(pl.Int64).to_numpy(), values, seed=seed)
    return [
        (float(value), None if low != low else float(low), None if high != high else float(high))  # noqa: PLR0124  NaN
        for value, low, high in zip(found.value, found.low, found.high, strict=True)
    ]


def _row(
    dimension: str,
    attribute: str,
    group: str,
    metric: str,
    interval: _Interval,
    reference: float,
    sample_size: int,
    judged_by: RepresentationConfig | None,
) -> dict[str, Any]:
    value, low, high = interval
    ratio = value / reference if reference else None
    verdict: Verdict = NO_DATA
    if judged_by is not None and ratio is not None and low is not None and high is not None:
        least, greatest = judged_by.limits(dimension, ratio)
        verdict = "warn" if high / reference < least or low / reference > greatest else "pass"
    return {
        DIMENSION: dimension,
        c.ATTRIBUTE: attribute,
        c.GROUP: group,
        c.METRIC: metric,
        c.VALUE: value,
        REFERENCE: reference,
        RATIO: ratio,
        c.CI_LOW: low,
        c.CI_HIGH: high,
        c.SAMPLE_SIZE: sample_size,
        c.VERDICT: verdict,
    }
