"""Staleness in the UI, by the same rule as `recs plan`: the version of an as-of's inputs.

Raw tables only grow and keep one data version for ever. Whether new rows matter to an as-of that was built follows from
the version of `events/inputs`, which is reported here after an ingestion or a release that may have changed it.
"""
# Dagster leaves parts of its records untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
import polars as pl
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from recs_platform.contracts.manifests import content_key
from recs_platform.contracts.time import parse_instant
from recs_platform.defs.partitions import AS_OF_PARTITIONS, INPUTS_KEY
from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.build_records import catalogue_version, files_before, inputs_version, raw_versions
from recs_platform.pipeline.data_versions import catalogue_contents, known_files, last_ingestion
from recs_platform.pipeline.platform import Platform
from recs_platform.stages.releases import previous_release

LOG_VERSION = dg.DataVersion("log")
CATALOGUE_TAG, CONTENTS_TAG = "recs/catalogue_version", "recs/contents"
# Older as-ofs are not checked here; `recs plan` does when one of them is built again.
AS_OFS_MAX = 30


def input_tags(run: AsOfRun, contents_key: str) -> dict[str, str]:
    """Tags of a materialization of the inputs: what spares reading the catalogue again while no row of it came.

    None where rows came that the run does not know: its contents are not those of the versions it found.
    """
    if last_ingestion(run.platform) > run.known_at:
        return {}
    return _tags(run.raw_versions, contents_key)


def _tags(versions: Mapping[str, int], contents_key: str) -> dict[str, str]:
    return {CATALOGUE_TAG: catalogue_version(versions), CONTENTS_TAG: contents_key}


def report_inputs(platform: Platform, instance: dg.DagsterInstance) -> list[str]:
    """Report the inputs of each of the last built as-ofs where they are no longer those it was built from.

    Returns the keys of those as-ofs.
    """
    now, versions, changed = datetime.now(UTC), raw_versions(platform), list[str]()
    registered = set(instance.get_dynamic_partitions(str(AS_OF_PARTITIONS.name)))
    keys = sorted(registered & instance.get_materialized_partitions(INPUTS_KEY))[-AS_OFS_MAX:]
    files = known_files(platform, now) if keys else pl.DataFrame()
    for key in keys:
        at, known = parse_instant(key), recorded_tags(instance, key)
        if known.get(CATALOGUE_TAG) == catalogue_version(versions):
            contents = known[CONTENTS_TAG]
        else:
            contents = content_key(catalogue_contents(platform, at, now))
        before = previous_release(platform.home, at)
        version = inputs_version(files_before(files, at), contents, None if before is None else before.version)
        if version != known.get(DATA_VERSION_TAG):
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    INPUTS_KEY,
                    partition=key,
                    description="The inputs as they are now; nothing is built from them yet.",
                    tags={DATA_VERSION_TAG: version, **_tags(versions, contents)},
                )
            )
            changed.append(key)
    return changed


def recorded_tags(instance: dg.DagsterInstance, key: str) -> Mapping[str, str]:
    """Tags of the inputs of an as-of that were reported last; none where none were."""
    filters = dg.AssetRecordsFilter(asset_key=INPUTS_KEY, asset_partitions=[key])
    records = instance.fetch_materializations(filters, limit=1).records
    found = records[0].asset_materialization if records else None
    return {} if found is None else found.tags or {}
