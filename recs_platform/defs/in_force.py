"""The asset `releases/in_force`: which release is shown, and how good and how new it is.

No run makes it: whatever may change what is in force reports it (a build, a rollback, a withdrawal).
"""
# Dagster leaves parts of its records untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.time import as_of_key
from recs_platform.defs import metadata
from recs_platform.defs.made_assets import LAST_KEY, RELEASE_ID
from recs_platform.pipeline.platform import Platform
from recs_platform.stages import releases

IN_FORCE_KEY = dg.AssetKey(["releases", "in_force"])
_SECONDS_A_DAY = 86_400


def in_force_asset() -> dg.AssetSpec:
    """What the UI shows of it."""
    return dg.AssetSpec(
        IN_FORCE_KEY,
        deps=[LAST_KEY],
        group_name="releases",
        kinds={"parquet"},
        owners=metadata.OWNERS,
        description="The release in force: what `recommendations.current`, `recs recommend` and the server show. "
        "Reported by builds, rollbacks and withdrawals; the jobs `rollback_release` and `withdraw_release` change it.",
    )


def report_in_force(platform: Platform, instance: dg.DagsterInstance) -> Manifest | None:
    """Report the release in force, and name it on the pages of reports; returns it, None where there is none."""
    # What loading definitions does without.
    from recs_platform.pipeline.report_index import refresh_pages

    refresh_pages(platform.home)
    found = releases.list_releases(platform.home)
    current = None if found.is_empty() else releases.current_release(platform.home)
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            IN_FORCE_KEY,
            metadata={RELEASE_ID: "none"} if current is None else _facts(platform, current),
            tags={} if current is None else {"dagster/data_version": current.version},
        )
    )
    return current


def _facts(platform: Platform, current: Manifest) -> Mapping[str, dg.MetadataValue | str | bool | float | int]:
    # What loading definitions does without.
    from recs_platform.pipeline.questions.release_summary import summarize_release
    from recs_platform.pipeline.served import replaced_in_force

    summary = summarize_release(platform, current)
    before = releases.previous_release(platform.home, current.as_of)
    churn = None if before is None else releases.diff_releases(platform.home, before.version, current.version)
    rows = releases.list_releases(platform.home).filter(release_id=current.version).to_dicts()
    quality, verdicts, *warnings = summary.lines
    facts: dict[str, dg.MetadataValue | str | bool | float | int] = {
        RELEASE_ID: current.version,
        "as_of": as_of_key(current.as_of),
        "age_days": (datetime.now(UTC) - current.as_of).total_seconds() / _SECONDS_A_DAY,
        "is_pinned": bool(rows[0]["is_pinned"]),
        "is_stale": bool(rows[0]["is_stale"]),
        "users": int(rows[0]["n_users"]),
        "quality": quality,
        "verdicts": verdicts,
        "warnings": "\n".join(warnings),
    }
    stale = releases.why_stale(platform.home, current.version)
    if stale is not None:
        facts["why_stale"] = stale
    expired = releases.expired_share(platform.home, current.version, datetime.now(UTC))
    if expired is not None:
        facts["expired_list_share"] = expired
    replaced = releases.replacement_of(platform.home, current.version)
    if replaced is not None:
        facts |= {"replaced": replaced_in_force(platform) or "", **replaced.metrics}
    if churn is not None and churn.changed_share is not None:
        facts |= {"compared_with": churn.a, "changed_share": churn.changed_share}
    return facts
