"""Exposure of items: the share of list positions that each popularity tier gets. Service to users is in `quality`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.stages.reports.verdicts import DIMENSION, RATIO, REFERENCE, Verdict

if TYPE_CHECKING:
    import polars as pl

EXPOSURE = "exposure"
POPULARITY_TIER = "popularity_tier"
VS_INTERACTIONS = "exposure_share_vs_interactions"
VS_CATALOGUE = "exposure_share_vs_catalogue"
HEAD, TORSO, TAIL, UNSEEN = "head", "torso", "tail", "never_interacted"
TIERS = (HEAD, TORSO, TAIL, UNSEEN)
TIER = "tier"
_ITEMS = "items"


class ExposureConfig(BaseModel):
    """Tiers and limits. Exposure only warns: favouring what is liked is a recommender's work, up to a point."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    head_share: Annotated[float, Field(gt=0, lt=1, description="share of interactions that the head's items make")] = (
        0.2
    )
    tail_share: Annotated[float, Field(gt=0, lt=1, description="share of interactions that the tail's items make")] = (
        0.2
    )
    head_ratio_max: Annotated[float, Field(gt=0, description="positions per interaction, head: warn above")] = 2.0
    tail_ratio_min: Annotated[float, Field(ge=0, description="positions per interaction, tail: warn below")] = 0.5
    unseen_ratio_min: Annotated[
        float, Field(ge=0, description="positions over catalogue share of items without interactions: warn below")
    ] = 0.05
    users_min: Annotated[int, Field(ge=2, description="fewer lists: no_data")] = 30

    def limits(self, metric: str, tier: str) -> tuple[float, float]:
        """Least and greatest ratio of exposure to its reference; (0, inf) where there is no limit."""
        limits = {
            (VS_INTERACTIONS, HEAD): (0.0, self.head_ratio_max),
            (VS_INTERACTIONS, TAIL): (self.tail_ratio_min, float("inf")),
            (VS_CATALOGUE, UNSEEN): (self.unseen_ratio_min, float("inf")),
        }
        return limits.get((metric, tier), (0.0, float("inf")))


def assign_tiers(item_counts: pl.DataFrame, config: ExposureConfig) -> pl.DataFrame:
    """item_id, interaction_count, tier; one row an item, most interacted first, ties by item_id.

    Going down that order, items that begin within the first `head_share` of interactions are head, those that begin
    within the last `tail_share` tail, between them torso; items without interactions are `never_interacted`.
    """
    import polars as pl

    ordered = item_counts.sort([c.INTERACTION_COUNT, c.ITEM_ID], descending=[True, False])
    count = pl.col(c.INTERACTION_COUNT).cast(pl.Int64)
    before = (count.cum_sum() - count) / count.sum()
    tier = (
        pl.when(count == 0)
        .then(pl.lit(UNSEEN))
        .when(before < config.head_share)
        .then(pl.lit(HEAD))
        .when(before < 1.0 - config.tail_share)
        .then(pl.lit(TORSO))
        .otherwise(pl.lit(TAIL))
    )
    return ordered.select(c.ITEM_ID, count, tier.alias(TIER))


def exposure_rows(
    lists: pl.DataFrame, item_counts: pl.DataFrame, *, seed: int, config: ExposureConfig
) -> list[dict[str, Any]]:
    """Rows of `reports.bias`, dimension `exposure`: each tier's share of list positions, held against two references.

    One metric compares with the tier's share of interactions, the other with its share of the catalogue; within each
    the values sum to 1, and so do the references. Every position counts the same. Items in lists that `item_counts`
    lacks have no interactions. The verdict needs the whole interval beyond the limit; a tier with an empty reference
    is not judged. No lists: one row of `no_data`.
    """
    from recs_platform.evaluation.bootstrap import cluster_intervals

    if lists.is_empty():
        return [_row(VS_INTERACTIONS, "no_data", "no_data")]
    tiers = assign_tiers(_whole_catalogue(lists, item_counts), config)
    users, positions = _positions(lists, tiers)
    found = cluster_intervals(users.to_numpy(), positions.to_numpy(), seed=seed)
    measured = {
        tier: (float(found.value[j]), float(found.low[j]), float(found.high[j])) for j, tier in enumerate(TIERS)
    }
    return list(_judged(measured, _references(tiers), lists[c.USER_ID].n_unique(), config))


def _judged(
    measured: dict[str, tuple[float, float, float]],
    references: dict[str, dict[str, tuple[float, int]]],
    n_lists: int,
    config: ExposureConfig,
) -> Iterator[dict[str, Any]]:
    for metric, reference in references.items():
        for tier, interval in measured.items():
            share, n_items = reference[tier]
            verdict: Verdict = "no_data"
            if share and n_lists >= config.users_min:
                least, greatest = config.limits(metric, tier)
                verdict = "warn" if interval[1] > greatest * share or interval[2] < least * share else "pass"
            yield _row(metric, tier, verdict, interval=interval, reference=share, sample_size=n_items)


def _whole_catalogue(lists: pl.DataFrame, item_counts: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    counted = item_counts.select(c.ITEM_ID, pl.col(c.INTERACTION_COUNT).cast(pl.Int64))
    uncounted = lists.select(c.ITEM_ID).unique().join(counted, on=c.ITEM_ID, how="anti")
    return pl.concat([counted, uncounted.with_columns(pl.lit(0, pl.Int64).alias(c.INTERACTION_COUNT))])


def _positions(lists: pl.DataFrame, tiers: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """A code of the user and a 0/1 column a tier, one row per position of a list."""
    import polars as pl

    joined = lists.select(c.USER_ID, c.ITEM_ID).join(tiers, on=c.ITEM_ID, how="left").sort(c.USER_ID, c.ITEM_ID)
    hits = joined.select((pl.col(TIER) == tier).cast(pl.Float64).alias(tier) for tier in TIERS)
    return joined[c.USER_ID].rank("dense").cast(pl.Int64), hits


def _references(tiers: pl.DataFrame) -> dict[str, dict[str, tuple[float, int]]]:
    """Metric to tier to (fair share, items in the tier)."""
    import polars as pl

    counted = tiers.group_by(TIER).agg(pl.col(c.INTERACTION_COUNT).sum(), pl.len().alias(_ITEMS))
    found = {row[TIER]: (int(row[c.INTERACTION_COUNT]), int(row[_ITEMS])) for row in counted.iter_rows(named=True)}
    pairs = {tier: found.get(tier, (0, 0)) for tier in TIERS}
    interactions, items = (max(1, sum(pair[j] for pair in pairs.values())) for j in (0, 1))
    return {
        VS_INTERACTIONS: {tier: (count / interactions, n) for tier, (count, n) in pairs.items()},
        VS_CATALOGUE: {tier: (n / items, n) for tier, (_, n) in pairs.items()},
    }


def _row(
    metric: str,
    tier: str,
    verdict: Verdict,
    *,
    interval: tuple[float, float, float] | None = None,
    reference: float | None = None,
    sample_size: int = 0,
) -> dict[str, Any]:
    value, low, high = interval or (None, None, None)
    single = low is None or low != low  # noqa: PLR0124  NaN: one list has no spread
    return {
        DIMENSION: EXPOSURE,
        c.ATTRIBUTE: POPULARITY_TIER,
        c.GROUP: tier,
        c.METRIC: metric,
        c.VALUE: value,
        REFERENCE: reference,
        RATIO: value / reference if value is not None and reference else None,
        c.CI_LOW: None if single else low,
        c.CI_HIGH: None if single else high,
        c.SAMPLE_SIZE: sample_size,
        c.VERDICT: verdict,
    }
