"""Quality of service by user group: does any group get clearly worse lists. Exposure of items is in `exposure`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.stages.reports.verdicts import DIMENSION, RATIO, REFERENCE, Verdict

if TYPE_CHECKING:
    import polars as pl

QUALITY = "quality"
NDCG = "ndcg"
NO_GROUP = "no_data"
OTHER = "other"
# Who people are, and how they come: the second kind may warn, since little is known of whoever is new.
ATTRIBUTES = (c.AGE_BAND, c.GENDER, c.COUNTRY, c.SUBSCRIPTION, c.REGION, c.TOP_DEVICE, c.TENURE)
BLOCKING = (c.AGE_BAND, c.GENDER, c.COUNTRY, c.SUBSCRIPTION)
NEW, ESTABLISHED = "new", "established"


class QualityConfig(BaseModel):
    """When a group counts as worse served; the whole interval must lie below the limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users_min: Annotated[int, Field(ge=2, description="smaller groups are shown and not judged")] = 30
    warn_below: Annotated[float, Field(gt=0, le=1, description="upper end of the group's ndcg over everyone's")] = 0.8
    block_below: Annotated[float, Field(gt=0, le=1, description="the same; half the quality is not to be released")] = (
        0.5
    )
    new_days: Annotated[
        float, Field(gt=0, description="days since sign-up or the first event in which a user is new")
    ] = 28.0
    block_users_min: Annotated[int, Field(ge=2, description="a smaller group warns instead of blocking")] = 100
    groups_max: Annotated[int, Field(ge=1, description="values of an attribute shown; the rest is `other`")] = 8
    coverage_min: Annotated[
        float, Field(ge=0, le=1, description="share of evaluated users in judged groups below which it is no_data")
    ] = 0.8


def with_tenure(users: pl.DataFrame, tenures: pl.DataFrame, config: QualityConfig) -> pl.DataFrame:
    """The users with `tenure`: new, established, or null where it is not known; `tenures`: user_id, tenure_days."""
    import polars as pl

    is_new = pl.col(c.TENURE_DAYS) < config.new_days
    named = pl.when(is_new).then(pl.lit(NEW)).when(is_new.is_not_null()).then(pl.lit(ESTABLISHED))
    told = tenures.select(c.USER_ID, named.cast(pl.String).alias(c.TENURE))
    return users.join(told, on=c.USER_ID, how="left")


def quality_rows(
    user_metrics: pl.DataFrame, users: pl.DataFrame, *, seed: int, config: QualityConfig
) -> list[dict[str, Any]]:
    """Rows of `reports.bias`, dimension `quality`, for each of ATTRIBUTES; as_of is left out.

    `user_metrics`: user_id, value (one row a user and window); `users`: user_id and the attributes. A group's value is
    its mean with a 95 % interval over users, `reference` everyone's mean. Users whose attribute is missing are a group
    `no_data` that is never judged, nor is one with few users or one that is everyone.
    """
    joined = user_metrics.select(c.USER_ID, c.VALUE).join(users, on=c.USER_ID, how="left")
    rows: list[dict[str, Any]] = []
    for attribute in ATTRIBUTES:
        rows.extend(_attribute_rows(joined, attribute, seed=seed, config=config))
    return rows


def _attribute_rows(
    joined: pl.DataFrame, attribute: str, *, seed: int, config: QualityConfig
) -> Iterator[dict[str, Any]]:
    import numpy as np
    import polars as pl

    from recs_platform.evaluation.bootstrap import cluster_intervals

    if joined.is_empty():
        yield _row(attribute, NO_GROUP, "no_data", sample_size=0)
        return
    grouped = joined.sort(c.USER_ID).with_columns(group_of(joined, attribute, config))
    names = sorted(grouped[c.GROUP].unique().to_list())
    # One column a group, everyone last; a row counts in its own group only, so all share the same draws.
    masks = [pl.when(pl.col(c.GROUP) == name).then(pl.col(c.VALUE)) for name in names]
    values = grouped.select(*(mask.alias(str(j)) for j, mask in enumerate(masks)), pl.col(c.VALUE)).cast(pl.Float64)
    codes = grouped[c.USER_ID].rank("dense").cast(pl.Int64).to_numpy()
    found = cluster_intervals(codes, values.to_numpy(), seed=seed)
    overall, everyone = float(found.value[-1]), int(found.users[-1])
    for j, name in enumerate(names):
        n = int(found.users[j])
        high = float(found.high[j])
        judged = name != NO_GROUP and config.users_min <= n < everyone and overall > 0
        yield _row(
            attribute,
            name,
            _verdict(attribute, high / overall, n, config) if judged else "no_data",
            value=float(found.value[j]),
            reference=overall,
            ci_low=None if np.isnan(found.low[j]) else float(found.low[j]),
            ci_high=None if np.isnan(high) else high,
            sample_size=n,
        )


def group_of(joined: pl.DataFrame, attribute: str, config: QualityConfig) -> pl.Expr:
    """The user's group: the attribute's value while among the most frequent, `other` beyond, `no_data` when missing."""
    import polars as pl

    text = pl.col(attribute).cast(pl.String).str.strip_chars()
    stated = pl.when(text != "").then(text)
    counts = (
        joined.select(c.USER_ID, stated.alias(c.GROUP))
        .unique()
        .drop_nulls(c.GROUP)
        .group_by(c.GROUP)
        .len("n")
        .sort(["n", c.GROUP], descending=[True, False])
    )
    kept: Sequence[str] = counts[c.GROUP].head(config.groups_max).to_list()
    named = pl.when(stated.is_in(kept)).then(stated).otherwise(pl.lit(OTHER))
    return pl.when(stated.is_null()).then(pl.lit(NO_GROUP)).otherwise(named).alias(c.GROUP)


def _verdict(attribute: str, highest: float, n: int, config: QualityConfig) -> Verdict:
    if attribute in BLOCKING and highest < config.block_below and n >= config.block_users_min:
        return "block"
    return "warn" if highest < config.warn_below else "pass"


def _row(
    attribute: str,
    group: str,
    verdict: Verdict,
    *,
    sample_size: int,
    value: float | None = None,
    reference: float | None = None,
    ci_low: float | None = None,
    ci_high: float | None = None,
) -> dict[str, Any]:
    return {
        DIMENSION: QUALITY,
        c.ATTRIBUTE: attribute,
        c.GROUP: group,
        c.METRIC: NDCG,
        c.VALUE: value,
        REFERENCE: reference,
        RATIO: value / reference if value is not None and reference else None,
        c.CI_LOW: ci_low,
        c.CI_HIGH: ci_high,
        c.SAMPLE_SIZE: sample_size,
        c.VERDICT: verdict,
    }
