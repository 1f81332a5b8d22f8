"""Withdrawal of a release, and removal of an as-of with everything built for it. Builds are in `launch`."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import NotReady, RecsError, UsageError
from recs_platform.contracts.home import Lock
from recs_platform.contracts.manifests import Manifest
from recs_platform.contracts.time import as_of_key, parse_instant
from recs_platform.defs.partitions import AS_OF_PARTITIONS
from recs_platform.lake.artifacts import remove_artifact, sealed_versions
from recs_platform.lake.locks import exclusive
from recs_platform.pipeline.build_records import BUILDS
from recs_platform.pipeline.event_span import require_possible
from recs_platform.pipeline.named_in_settings import require_hidden
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish, publish_releases
from recs_platform.pipeline.report_inputs import report_folder
from recs_platform.pipeline.rollback import saying_what_is_in_force, take_back
from recs_platform.stages import releases
from recs_platform.warehouse.publish import PublishReport

Say = Callable[[str], None]


@dataclass(frozen=True)
class Removed:
    """What there was of an as-of: partition keys, releases (now withdrawn), lake tables that held rows of it."""

    keys: tuple[str, ...]
    releases: tuple[str, ...]
    tables: tuple[str, ...]

    @property
    def is_nothing(self) -> bool:
        return not (self.keys or self.releases or self.tables)


def withdraw(platform: Platform, release_id: str, say: Say) -> Manifest | None:
    """Withdraw a release and publish without it; returns the release then in force, None where none is left.

    Waits for a build that is under way. Raises RecsError for an unknown id, and changes nothing then.
    """
    require_hidden(platform)
    with exclusive(platform.home.lock(Lock.AS_OF), on_wait=say):
        was_pinned = releases.pinned_release(platform.home) == release_id
        with saying_what_is_in_force(platform.home, withdrawing=release_id):
            published = publish_releases(platform, change=lambda: take_back(platform, release_id, say), on_wait=say)
        _report(published, say)
        if was_pinned:
            say(f"{release_id} was pinned; the pin is removed")
    return _in_force(platform)


def list_as_ofs(platform: Platform, instance: dg.DagsterInstance, now: datetime) -> list[dict[str, Any]]:
    """Every as-of that is registered, released or in the lake, by time: its last release, and any problem with it."""
    sealed = {manifest.as_of: manifest.version for manifest in _sealed(platform)}
    current = _in_force(platform)
    keys = instance.get_dynamic_partitions(str(AS_OF_PARTITIONS.name))
    instants = {instant for key in keys if (instant := _instant(key)) is not None} | made_as_ofs(platform)
    rows = [
        {
            c.AS_OF: as_of_key(instant),
            "is_registered": as_of_key(instant) in keys,
            c.RELEASE_ID: sealed.get(instant),
            c.IS_CURRENT: current is not None and sealed.get(instant) == current.version,
            "remark": _remark(platform, instant, now),
        }
        for instant in sorted(instants)
    ]
    strays = [key for key in keys if _instant(key) is None]
    empty = {"is_registered": True, c.RELEASE_ID: None, c.IS_CURRENT: False, "remark": "not a date: remove it"}
    return [*rows, *({c.AS_OF: key, **empty} for key in strays)]


def made_as_ofs(platform: Platform) -> set[datetime]:
    """Every as-of that is released or in the lake."""
    in_lake = {instant for name in _as_of_tables(platform) for instant in platform.lake.as_ofs(name)}
    return {manifest.as_of for manifest in _sealed(platform)} | in_lake


def remove_as_of(platform: Platform, instance: dg.DagsterInstance, text: str, say: Say) -> Removed:
    """Remove an as-of: its releases are withdrawn, its rows, pages, build records and partition go; then publish.

    `text` is a registered key as it stands, or any way to write the instant. Raises UsageError for what is neither,
    RecsError where there is nothing of it. Rankers and vectors are keyed by their inputs, and stay.
    """
    require_hidden(platform)
    _find_something(platform, instance, text)  # a mistake is told at once, whoever holds the lock
    with exclusive(platform.home.lock(Lock.AS_OF), on_wait=say):
        found = _find_something(platform, instance, text)
        clear_as_of(platform, instance, text, found, say)
        if found.releases or found.tables:
            _report(publish(platform, on_wait=say), say)
    return found


def _find_something(platform: Platform, instance: dg.DagsterInstance, text: str) -> Removed:
    found = find_as_of(platform, instance, text)
    if found.is_nothing:
        known = ", ".join(row[c.AS_OF] for row in list_as_ofs(platform, instance, datetime.now(UTC))) or "none"
        raise RecsError(f"there is nothing as of {text}; as-ofs: {known}")
    return found


def clear_as_of(platform: Platform, instance: dg.DagsterInstance, text: str, found: Removed, say: Say) -> None:
    """Remove what was found of an as-of; the caller holds the lock of builds, and publishes."""
    for release_id in found.releases:
        take_back(platform, release_id, say)
    instant = _instant(text)
    if instant is not None:
        _remove_made(platform, instant, found.tables)
    for key in found.keys:
        instance.delete_dynamic_partition(str(AS_OF_PARTITIONS.name), key)


def find_as_of(platform: Platform, instance: dg.DagsterInstance, text: str) -> Removed:
    """What there is of an as-of."""
    keys = instance.get_dynamic_partitions(str(AS_OF_PARTITIONS.name))
    instant = _instant(text)
    if instant is None:
        if text not in keys:
            parse_instant(text)
        return Removed((text,), (), ())
    return Removed(
        tuple(key for key in keys if _instant(key) == instant),
        tuple(manifest.version for manifest in _sealed(platform) if manifest.as_of == instant),
        tuple(name for name in _as_of_tables(platform) if instant in platform.lake.as_ofs(name)),
    )


def _remove_made(platform: Platform, instant: datetime, tables: Sequence[str]) -> None:
    for name in tables:
        platform.lake.delete_as_of(name, instant)
    for record in sealed_versions(platform.home.artifacts, BUILDS):
        if record.as_of == instant:
            remove_artifact(platform.home.artifacts, BUILDS, record.version)
    shutil.rmtree(report_folder(platform, instant), ignore_errors=True)


def _as_of_tables(platform: Platform) -> list[str]:
    """Tables of the lake that hold rows by as-of."""
    contracts = [table.name for table in platform.contracts if table.is_as_of and table.history_of is None]
    models = [model.name for model in platform.models if model.materialized == "table"]
    names = [*contracts, *(name for name in models if platform.models.is_as_of(name))]
    return [name for name in names if platform.lake.exists(name)]


def _sealed(platform: Platform) -> list[Manifest]:
    return sealed_versions(platform.home.artifacts, releases.RELEASES_ARTIFACT)


def _in_force(platform: Platform) -> Manifest | None:
    return releases.current_release(platform.home) if _sealed(platform) else None


def _report(published: PublishReport, say: Say) -> None:
    for sentence in published.set_aside:
        say(sentence)


def _instant(key: str) -> datetime | None:
    try:
        return parse_instant(key)
    except UsageError:
        return None


def _remark(platform: Platform, instant: datetime, now: datetime) -> str:
    """Why a run of it would be rejected; empty where it would not."""
    try:
        require_possible(platform, instant, now)
    except (NotReady, UsageError) as error:
        return str(error).partition(";")[0]
    return ""
