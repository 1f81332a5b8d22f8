"""What a Dagster run has made so far, read from its own log, and the record of the build that follows from it."""
# Dagster leaves parts of its records untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import dagster as dg

from recs_platform.pipeline.as_of_run import AsOfRun
from recs_platform.pipeline.build_records import record_build, run_basis
from recs_platform.pipeline.run_rows import Made

RELEASE_KEY = dg.AssetKey(["releases", "release"])
LAST_KEY = dg.AssetKey(["releases", "analytics"])
RELEASE_ID = "release_id"


def made_assets(instance: dg.DagsterInstance, run_id: str) -> Mapping[str, dg.AssetMaterialization]:
    """The last materialization of each asset in a run, by the asset's name."""
    made: dict[str, dg.AssetMaterialization] = {}
    cursor: str | None = None
    while True:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        for record in page.records:
            found = record.event_log_entry.asset_materialization
            if found is not None:
                made[asset_name(found.asset_key)] = found
        if not page.has_more:
            return made
        cursor = page.cursor


def made_so_far(instance: dg.DagsterInstance, run_id: str, run: AsOfRun, assets: Collection[str]) -> Made:
    """What a run has made once the last asset is made, which asks; with a release where these are all `assets`."""
    made, basis = made_assets(instance, run_id), run_basis(run)
    is_whole = not set(assets) - set(made) - {asset_name(LAST_KEY)}
    return Made(
        as_of=run.as_of,
        known_at=run.known_at,
        assets={*made, asset_name(LAST_KEY)},
        release=str(made[asset_name(RELEASE_KEY)].metadata[RELEASE_ID].value) if is_whole else None,
        data_version=basis.data_version,
        code=basis.code,
        libraries=basis.libraries,
        ended_at=datetime.now(UTC),
    )


def record_whole_build(run_id: str, run: AsOfRun, made: Made) -> str | None:
    """Record a build of everything, called by the last asset; returns its release, or None where some lack."""
    if made.release is None:
        return None
    record_build(run, assets=made.assets, release=made.release, sealed_at=datetime.now(UTC), run_id=run_id)
    return made.release


def record_partial_build(instance: dg.DagsterInstance, run_id: str, run: AsOfRun) -> None:
    """Record what a run made that did not make everything; nothing where it made nothing."""
    made = made_assets(instance, run_id)
    if made:
        record_build(run, assets=made, release=None, sealed_at=datetime.now(UTC), run_id=run_id)


def asset_name(key: dg.AssetKey) -> str:
    """The name of its table: `features.user_features`."""
    return ".".join(key.path)
