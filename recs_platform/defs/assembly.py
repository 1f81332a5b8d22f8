"""Builds the definitions of one home: the eight stages in the order data flows, jobs, automation, resources."""

from collections.abc import Mapping
from functools import lru_cache

import dagster as dg

from recs_platform.defs.assets import (
    events,
    features,
    flags,
    ranking,
    releases,
    reports,
    reranking,
    retention,
    retrieval,
    segments,
)
from recs_platform.defs.automation import build_schedules, build_sensors
from recs_platform.defs.jobs import JOBS
from recs_platform.defs.logs import file_logger
from recs_platform.defs.resources import build_resources
from recs_platform.defs.sql_checks import raw_checks
from recs_platform.pipeline.platform import Platform

STAGES = (events, flags, retention, features, segments, retrieval, ranking, reranking, reports, releases)


def build_definitions(
    platform: Platform, resources: Mapping[str, dg.ResourceDefinition] | None = None
) -> dg.Definitions:
    """The whole graph of a home; `resources` stand in for the ones of the same name (tests do this)."""
    return dg.Definitions(
        assets=[asset for stage in STAGES for asset in stage.build_assets(platform)],
        asset_checks=raw_checks(platform),
        jobs=JOBS,
        sensors=build_sensors(platform),
        schedules=build_schedules(platform),
        resources={**build_resources(platform), **(resources or {})},
        loggers={"file": file_logger(platform)},
        executor=dg.in_process_executor,
    )


@lru_cache(maxsize=4)
def definitions_of(platform: Platform) -> dg.Definitions:
    """The same, built once a process for each of the last few homes."""
    return build_definitions(platform)
