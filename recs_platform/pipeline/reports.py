"""What the reports read and where they write. Composes lake tables into inputs; judges nothing."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl

from recs_platform.contracts import columns as c
from recs_platform.contracts.tables import LIST_METRICS, LISTS, USER_METRICS, VERDICTS
from recs_platform.contracts.time import as_of_key
from recs_platform.pipeline.partition_writer import Written, write_frames
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.retrieval.facts import retrieval_facts
from recs_platform.stages.features import feature_scopes
from recs_platform.stages.reports import Report, ReportInputs, ReportResult
from recs_platform.warehouse.runner import ModelRun

DRIFT_TABLES = ("features.user_features", "features.item_features")
INTERACTION_COUNT = "interaction_count"
N_WINDOWS = [c.PROTOCOL, c.MODEL, c.METRIC, c.K]


def report_folder(platform: Platform, at: datetime) -> Path:
    """Pages of one as-of."""
    return platform.home.reports / as_of_key(at)


def read_inputs(platform: Platform, at: datetime, known: datetime) -> ReportInputs:
    """Everything the reports of an as-of look at; the drift reference is the same SQL one horizon earlier."""
    settings = platform.settings
    earlier = at - timedelta(days=settings.horizon_days)
    folder = report_folder(platform, at)
    folder.mkdir(parents=True, exist_ok=True)
    with platform.model_run(earlier, known, scratch=True) as run:
        reference = _features(run) if run.count("staging.stg_events") else None
    with platform.model_run(at, known) as run:
        return ReportInputs(
            user_metrics=run.frame(USER_METRICS.name),
            list_metrics=_pooled(run.frame(LIST_METRICS.name)),
            user_segments=run.frame("segments.user_segments", [c.USER_ID, c.SEGMENT_NAME]),
            users=run.frame("staging.stg_users"),
            lists=run.frame(LISTS.name, [c.USER_ID, c.ITEM_ID, c.RANK]),
            item_counts=run.frame("features.item_features", [c.ITEM_ID, INTERACTION_COUNT]),
            reference_features=reference or {},
            current_features=_features(run),
            feature_columns={table: feature_scopes(platform.models.get(table)) for table in DRIFT_TABLES},
            read_retrieval=partial(retrieval_facts, platform, at, known),
            as_of=at,
            reference_as_of=earlier if reference else None,
            horizon_days=settings.horizon_days,
            seed=settings.seed,
            folder=folder,
        )


def write_report(platform: Platform, report: Report, result: ReportResult, at: datetime) -> Written:
    """The report's table, and its verdicts in the place of its earlier ones for this as-of."""
    written = write_frames(platform, report.table, [result.frame], at)
    others = _verdicts_so_far(platform, at).filter(pl.col(c.REPORT) != report.name)
    write_frames(platform, VERDICTS, [pl.concat([others, result.verdicts.select(others.columns)])], at)
    return written


def _verdicts_so_far(platform: Platform, at: datetime) -> pl.DataFrame:
    with platform.model_run(at, at) as run:
        return run.frame(VERDICTS.name)


def _features(run: ModelRun) -> Mapping[str, pl.DataFrame]:
    return {table: run.frame(table) for table in DRIFT_TABLES}


def _pooled(list_metrics: pl.DataFrame) -> pl.DataFrame:
    """Means over the windows."""
    return list_metrics.group_by(N_WINDOWS, maintain_order=True).agg(
        pl.col(c.VALUE).mean(), pl.col(c.CUTOFF).n_unique().cast(pl.Int32).alias(c.N_WINDOWS)
    )
