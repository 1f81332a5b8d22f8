"""Builds the definitions of one home: the eight stages in the order data flows, jobs, automation, resources."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

import dagster as dg

from recs_platform.defs.asset_pages import with_pages
from recs_platform.defs.assets import (
    champion,
    events,
    features,
    flags,
    inputs,
    ranking,
    releases,
    reports,
    reranking,
    retention,
    retrieval,
    scoring,
    segments,
)
from recs_platform.defs.automation import build_schedules, build_sensors
from recs_platform.defs.daily_release import daily_release_job
from recs_platform.defs.forgetting import forget_user, forget_waiting_job
from recs_platform.defs.in_force import in_force_asset
from recs_platform.defs.jobs import JOBS
from recs_platform.defs.landing_assets import landing_assets
from recs_platform.defs.logs import file_logger
from recs_platform.defs.operator_jobs import OPERATOR_JOBS
from recs_platform.defs.pruning import prune_job
from recs_platform.defs.release_jobs import RELEASE_JOBS
from recs_platform.defs.resources import build_resources
from recs_platform.defs.sql_checks import raw_checks
from recs_platform.pipeline.build_records import code_version
from recs_platform.pipeline.current import CurrentPlatform
from recs_platform.pipeline.platform import Platform

STAGES = (
    *(events, flags, retention, inputs, features, segments, retrieval),
    *(ranking, champion, scoring, reranking, reports, releases),
)


def build_definitions(
    platform: Platform,
    resources: Mapping[str, dg.ResourceDefinition] | None = None,
    read: Callable[[], Platform] | None = None,
) -> dg.Definitions:
    """The whole graph of a home; `resources` stand in for the ones of the same name (tests do this).

    `read` reads the platform anew, which sensors and schedules do where its files changed.
    """
    current = CurrentPlatform(platform, read)
    made = [asset for stage in STAGES for asset in stage.build_assets(platform)]
    unpartitioned = [asset for asset in made if asset.partitions_def is None]
    version = code_version(platform, datetime.now(UTC))
    built = [_versioned(asset, version) for asset in made if asset.partitions_def is not None]
    daily_release = daily_release_job(lambda: definitions_of(platform))
    return dg.Definitions(
        assets=with_pages(platform, [*landing_assets(platform), *unpartitioned, *built, in_force_asset()]),
        asset_checks=raw_checks(platform),
        jobs=[*JOBS, daily_release, *OPERATOR_JOBS, *RELEASE_JOBS, forget_user, forget_waiting_job, prune_job],
        sensors=build_sensors(current),
        schedules=build_schedules(current),
        resources={**build_resources(platform, built), **(resources or {})},
        loggers={"file": file_logger(platform)},
        executor=dg.in_process_executor,
    )


def _versioned(asset: dg.AssetsDefinition, version: str) -> dg.AssetsDefinition:
    """The asset with code, settings and libraries in its code version: another one, and the UI calls it stale."""

    def versioned(spec: dg.AssetSpec) -> dg.AssetSpec:
        own = [spec.code_version] if spec.code_version else []
        return spec.replace_attributes(  # pyright: ignore[reportUnknownMemberType]
            code_version="-".join([*own, version])
        )

    return asset.map_asset_specs(versioned)


@lru_cache(maxsize=4)
def definitions_of(platform: Platform) -> dg.Definitions:
    """The same, built once a process for each of the last few homes."""
    return build_definitions(platform)
