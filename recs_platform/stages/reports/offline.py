"""Offline metrics: means and intervals over held-out users, and whether the final lists beat what they are made from.

The input is one value per user and window, scored in `pipeline.training.evaluation`; the page is `offline_page`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recs_platform.contracts import columns as c
from recs_platform.contracts.counted import counted
from recs_platform.contracts.errors import ContractError
from recs_platform.contracts.tables import OFFLINE_METRICS
from recs_platform.stages.reports.inputs import ReportInputs
from recs_platform.stages.reports.offline_names import (
    EVERYONE,
    FINAL,
    MINUS_BEST,
    MINUS_POPULARITY,
    NDCG,
    PER_USER,
    POPULARITY,
)
from recs_platform.stages.reports.offline_page import numbers, sections
from recs_platform.stages.reports.report import ReportResult, write_report
from recs_platform.stages.reports.verdicts import Judgement, contract_frame, verdict_rows

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

NAME = "offline_metrics"
_SLICE = (c.PROTOCOL, c.K)
_SEPARATOR = "\x1f"


class OfflineConfig(BaseModel):
    """What the final lists are held to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    best_source_margin: Annotated[
        float, Field(ge=0, le=1, description="share of the best source's ndcg that the final lists may lack")
    ] = 0.05
    users_min: Annotated[int, Field(ge=2, description="fewer held-out users: no_data")] = 30


def summarize_metrics(
    user_metrics: pl.DataFrame,
    user_segments: pl.DataFrame,
    *,
    as_of: datetime,
    horizon_days: int,
    seed: int,
    list_metrics: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Rows of `reports.offline_metrics`, ordered by protocol, k, segment, model, metric.

    `user_metrics` has the columns of `reports.user_metrics`, `user_segments` user_id, segment_name (one row a user; a
    user with none counts in `all` only). Intervals draw users with all their windows. `ndcg_minus_popularity` and
    `ndcg_minus_best_source` are paired within user and window; the best source is the model other than `final` with
    the highest mean ndcg over everyone in that protocol. `list_metrics` (model, metric, k, value, protocol, n_windows)
    are added without intervals. Raises ContractError when a user is in two segments.
    """
    if user_segments[c.USER_ID].is_duplicated().any():
        raise ContractError("user_segments has users in more than one segment; each belongs to one")
    rows: list[dict[str, Any]] = []
    for keys, part in user_metrics.group_by(*_SLICE, maintain_order=True):
        rows.extend(_slice_rows(part, user_segments, keys=keys, horizon_days=horizon_days, seed=seed))
    if list_metrics is not None:
        rows.extend(_list_rows(list_metrics, user_metrics, horizon_days=horizon_days))
    frame = contract_frame([{c.AS_OF: as_of, **row} for row in rows], OFFLINE_METRICS)
    return frame.sort(c.PROTOCOL, c.K, c.SEGMENT, c.MODEL, c.METRIC)


def run(inputs: ReportInputs, config: OfflineConfig | None = None) -> ReportResult:
    """The report: every metric with its interval, judged and written as a page."""
    frame = summarize_metrics(
        inputs.user_metrics,
        inputs.user_segments,
        as_of=inputs.as_of,
        horizon_days=inputs.horizon_days,
        seed=inputs.seed,
        list_metrics=inputs.list_metrics,
    )
    verdicts = verdict_rows(NAME, judge_metrics(frame, config or OfflineConfig()), as_of=inputs.as_of)
    page = write_report(inputs, NAME, "Offline metrics", sections(frame, inputs.earlier_metrics), verdicts)
    return ReportResult(OFFLINE_METRICS.name, frame, verdicts, page, numbers=numbers(frame))


def judge_metrics(metrics: pl.DataFrame, config: OfflineConfig) -> list[Judgement]:
    """Two judgements a protocol and k: final over popularity, final over the best source. Never a block."""
    import polars as pl

    # Recall among candidates has a k of its own, at which there are no lists to judge.
    judged = pl.col(c.METRIC).is_in([NDCG, MINUS_POPULARITY, MINUS_BEST])
    everyone = metrics.filter((pl.col(c.SEGMENT) == EVERYONE) & judged)
    judgements: list[Judgement] = []
    for (protocol, k), part in everyone.group_by(*_SLICE, maintain_order=True):
        means = part.filter((pl.col(c.METRIC) == NDCG) & (pl.col(c.MODEL) != FINAL))[c.VALUE]
        best = means.cast(pl.Float64).max()
        margin = -config.best_source_margin * best if isinstance(best, float) else 0.0
        for metric, limit in ((MINUS_POPULARITY, 0.0), (MINUS_BEST, margin)):
            row = part.filter(pl.col(c.METRIC) == metric).rows(named=True)
            judgements.append(_judge(f"{metric}@{k} ({protocol})", row, limit, config))
    return judgements or [Judgement(MINUS_POPULARITY, "no_data", "No user had held-out events.")]


def _judge(subject: str, found: Sequence[dict[str, Any]], limit: float, config: OfflineConfig) -> Judgement:
    row = found[0] if found else {}
    users = int(row.get(c.N_USERS, 0))
    low = row.get(c.CI_LOW)
    if low is None or users < config.users_min:
        return Judgement(
            subject, "no_data", f"{counted(users, 'held-out user window')}; {config.users_min} are needed."
        )
    # Against popularity the bound must be above zero; against the best source it may touch the margin.
    passed = low > limit or (subject.startswith(MINUS_BEST) and low == limit)
    sample = counted(users, "user window")
    text = f"Difference {row[c.VALUE]:+.4f}, at least {low:+.4f} (95 %), over {sample}; limit {limit:+.4f}."
    # Users' last events leak across users: what passes there may fail on a later day.
    is_on_later_days = f"({PER_USER}" not in subject
    return Judgement(subject, "pass" if passed and is_on_later_days else "warn", text, float(low), limit, users)


def _slice_rows(
    part: pl.DataFrame, segments: pl.DataFrame, *, keys: tuple[object, ...], horizon_days: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Rows of one protocol and k: everyone, then each segment."""
    import polars as pl

    wide = _wide(part).join(segments.select(c.USER_ID, c.SEGMENT_NAME), on=c.USER_ID, how="left")
    shared = dict(zip(_SLICE, keys, strict=True)) | {c.HORIZON_DAYS: horizon_days}
    for name in [None, *sorted(wide[c.SEGMENT_NAME].drop_nulls().unique().to_list())]:
        rows = wide if name is None else wide.filter(pl.col(c.SEGMENT_NAME) == name)
        windows = {c.N_WINDOWS: rows[c.CUTOFF].n_unique(), c.SEGMENT: EVERYONE if name is None else name}
        yield from ({**shared, **windows, **row} for row in _interval_rows(rows, seed=seed))


def _wide(part: pl.DataFrame) -> pl.DataFrame:
    """One row a user and window, one column a model and metric, then the two differences; ordered by user, cutoff."""
    import polars as pl

    name = pl.concat_str(c.MODEL, c.METRIC, separator=_SEPARATOR).alias("series")
    names = sorted(part.select(name)["series"].unique().to_list())
    values = [pl.col(c.VALUE).filter(pl.col("series") == series).first().alias(series) for series in names]
    wide = part.with_columns(name).group_by(c.USER_ID, c.CUTOFF).agg(values).sort(c.USER_ID, c.CUTOFF)
    final = _series(FINAL, NDCG)
    rivals = {MINUS_POPULARITY: _series(POPULARITY, NDCG), MINUS_BEST: _best_source(wide)}
    if final not in wide.columns:
        return wide
    return wide.with_columns(
        (pl.col(final) - pl.col(rival)).alias(_series(FINAL, metric))
        for metric, rival in rivals.items()
        if rival in wide.columns
    )


def _best_source(wide: pl.DataFrame) -> str | None:
    """Column of the best ndcg among models other than final; ties by name."""
    ending = _SEPARATOR + NDCG
    rivals = [name for name in wide.columns if name.endswith(ending) and name != _series(FINAL, NDCG)]
    means = _means(wide, rivals)
    return max(sorted(rivals), key=lambda name: means[name], default=None)


def _means(wide: pl.DataFrame, names: Sequence[str]) -> dict[str, float]:
    """Exact-order means of columns, nulls left out; a column without values has mean minus infinity."""
    import math

    found = {name: wide[name].drop_nulls().to_list() for name in names}
    return {name: math.fsum(values) / len(values) if values else -math.inf for name, values in found.items()}


def _interval_rows(rows: pl.DataFrame, *, seed: int) -> Iterator[dict[str, Any]]:
    import polars as pl

    from recs_platform.evaluation.bootstrap import cluster_intervals

    names = [name for name in rows.columns if _SEPARATOR in name]
    codes = rows[c.USER_ID].rank("dense").cast(pl.Int64).to_numpy()
    values: NDArray[np.float64] = rows.select(names).cast(pl.Float64).to_numpy()
    found = cluster_intervals(codes, values, seed=seed)
    for j, name in enumerate(names):
        if not found.rows[j]:
            continue
        model, metric = name.split(_SEPARATOR)
        single = int(found.users[j]) == 1
        yield {
            c.MODEL: model,
            c.METRIC: metric,
            c.VALUE: float(found.value[j]),
            c.CI_LOW: None if single else float(found.low[j]),
            c.CI_HIGH: None if single else float(found.high[j]),
            c.N_USERS: int(found.rows[j]),
        }


def _list_rows(lists: pl.DataFrame, user_metrics: pl.DataFrame, *, horizon_days: int) -> Iterator[dict[str, Any]]:
    counted = user_metrics.select(*_SLICE, c.USER_ID, c.CUTOFF).unique().group_by(*_SLICE).len(c.N_USERS)
    for row in lists.join(counted, on=_SLICE, how="left").iter_rows(named=True):
        yield {**row, c.N_USERS: row[c.N_USERS] or 0, c.SEGMENT: EVERYONE, c.HORIZON_DAYS: horizon_days}


def _series(model: str, metric: str) -> str:
    return f"{model}{_SEPARATOR}{metric}"
