"""The ingest job with a retention: old events are in no file of the home any more, and nowhere that analysts look."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from recs_platform.contracts.home import Lock
from recs_platform.contracts.setting_groups import PrivacySettings, PublishSettings
from recs_platform.contracts.tables import REMOVALS
from recs_platform.defs.assets import retention
from recs_platform.lake.locks import exclusive
from recs_platform.pipeline.platform import Platform
from recs_platform.pipeline.publishing import publish
from recs_platform.stages.events.removals import is_republish_due
from recs_platform_tests.homes import ask, copy_home, execute, failures, land_contract, platform_at

KEY = dg.AssetKey(["raw", "removals"])
DAYS = 30


def click(number: int, age_days: float) -> dict[str, Any]:
    at = datetime.now(UTC) - timedelta(days=age_days)
    return {
        "event_id": f"{age_days:.0f}-days-{number}",
        "user_id": f"u{number}",
        "item_id": "i1",
        "event_type": "click",
    } | {"occurred_at": at.isoformat()}


def home_at(root: Path, days: int | None, *, linked: bool = False) -> Platform:
    publishing = PublishSettings(events_as_table_max_rows=0 if linked else 1000)
    return platform_at(root, privacy=PrivacySettings(retention_days=days), publish=publishing)


def ingest(platform: Platform) -> dict[str, Any]:
    """Run the job; metadata of the asset."""
    result = execute(platform, "ingest", key=None)
    assert result.success, failures(result)
    found = next(event for event in result.get_asset_materialization_events() if event.asset_key == KEY)
    return {name: value.value for name, value in found.materialization.metadata.items()}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A home without a retention, with young and old events ingested and published twice. Read-only."""
    platform = home_at(tmp_path_factory.mktemp("published") / "home", None, linked=True)
    land_contract(platform, "mixed/events.jsonl", [click(1, 1), click(2, 90)])
    land_contract(platform, "old/events.jsonl", [click(3, 200)])
    said = ingest(platform)
    assert said["retention"] == "off: privacy.retention_days is not set"
    assert said["dagster/row_count"] == 0
    assert REMOVALS.name not in platform.lake.names()
    publish(platform)
    publish(platform)
    return platform


@pytest.fixture
def mixed(published: Platform, tmp_path: Path) -> Path:
    """A copy of it, to remove from."""
    return copy_home(published, tmp_path / "home").home.root


@dataclass(frozen=True)
class Removed:
    """A home after a removal, and what the asset said of it. Read-only: copy it to write."""

    platform: Platform
    said: dict[str, Any]

    def copy(self, root: Path) -> Platform:
        return home_at(copy_home(self.platform, root).home.root, DAYS)


@pytest.fixture(scope="module")
def removed(published: Platform, tmp_path_factory: pytest.TempPathFactory) -> Removed:
    platform = home_at(copy_home(published, tmp_path_factory.mktemp("removed") / "home").home.root, DAYS)
    return Removed(platform, ingest(platform))


def published_folders(platform: Platform) -> list[str]:
    return sorted(path.name for path in (platform.home.published / "files").iterdir())


def traces(root: Path, text: bytes) -> list[str]:
    """Data files, no logs of commits, that hold the text: Parquet and DuckDB keep it as it is where rows are few."""
    folders = ("lake", "landing", "published", "batches", "tmp")
    found = [path for folder in folders for path in (root / folder).rglob("*") if path.is_file()]
    files = [path for path in found if "_delta_log" not in path.parts]
    return [str(path.relative_to(root)) for path in files if text in path.read_bytes()]


def assert_gone(platform: Platform, said: dict[str, Any], *, folders: int) -> None:
    assert (said["events_removed"], said["landing_files_deleted"], said["republished"]) == (2, 1, "true")
    assert said["dagster/row_count"] == 2
    assert ask(platform, "from raw.events")["event_id"].to_list() == ["1-days-1"]
    assert ask(platform, "select sum(rows_removed)::int as n from raw.removals")["n"].item() == 2
    assert len(published_folders(platform)) == folders
    assert traces(platform.home.root, b"200-days-3") == []
    assert traces(platform.home.root, b"90-days-2") == ["landing/contract/mixed/events.jsonl"]
    assert not is_republish_due(platform.home)


def test_old_events_leave_the_lake_landing_and_what_is_published(published: Platform, removed: Removed) -> None:
    assert len(published_folders(published)) == 2
    assert traces(published.home.root, b"200-days-3")
    assert_gone(removed.platform, removed.said, folders=0)


def test_old_events_leave_what_is_published_as_views_of_linked_files(mixed: Path) -> None:
    platform = home_at(mixed, DAYS, linked=True)
    assert_gone(platform, ingest(platform), folders=1)


def test_what_was_removed_is_not_taken_in_again(published: Platform, removed: Removed, tmp_path: Path) -> None:
    platform = removed.copy(tmp_path / "home")
    again = (published.home.landing / "contract" / "old/events.jsonl").read_bytes()
    for name in ("old", "renamed"):
        path = platform.home.landing / "contract" / name / "events.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(again)
    said = ingest(platform)
    assert (said["events_removed"], said["landing_files_deleted"], said["republished"]) == (0, 2, "false")
    assert ask(platform, "from raw.events")["event_id"].to_list() == ["1-days-1"]


def test_with_nothing_due_nothing_is_written(removed: Removed, tmp_path: Path) -> None:
    platform = removed.copy(tmp_path / "home")
    versions = {name: platform.lake.version(name) for name in platform.lake.names() if name != "raw.event_flags"}
    published = platform.home.analytics.stat().st_mtime_ns
    said = ingest(platform)
    assert said["events_removed"] == 0
    assert {name: platform.lake.version(name) for name in versions} == versions
    assert platform.home.analytics.stat().st_mtime_ns == published


def test_a_publish_that_failed_is_made_up_for(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = home_at(mixed, DAYS, linked=True)

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(retention, "publish", fail)
        result = execute(platform, "ingest", key=None)
        assert not result.success
        assert "disk full" in failures(result)
    assert traces(mixed, b"200-days-3")
    said = ingest(platform)
    assert (said["events_removed"], said["republished"]) == (0, "true")
    assert traces(mixed, b"200-days-3") == []
    assert len(published_folders(platform)) == 1


def test_a_build_under_way_puts_the_removal_off(mixed: Path) -> None:
    platform = home_at(mixed, DAYS)
    with exclusive(platform.home.lock(Lock.AS_OF)):
        said = ingest(platform)
    assert "as_of is held by process" in said["retention"]
    assert said["events_removed"] == 0
    assert ingest(platform)["events_removed"] == 2


def test_everything_old_leaves_an_empty_table_that_can_be_filled_again(tmp_path: Path) -> None:
    platform = home_at(tmp_path / "home", DAYS)
    land_contract(platform, "events.jsonl", [click(1, 90), click(2, 91)])
    assert ingest(platform)["events_removed"] == 2
    land_contract(platform, "events.jsonl", [click(3, 2)])
    assert ingest(platform)["events_removed"] == 0
    publish(platform)
    assert ask(platform, "from raw.events")["event_id"].to_list() == ["2-days-3"]


def test_an_empty_home_has_nothing_to_remove(tmp_path: Path) -> None:
    platform = home_at(tmp_path / "home", DAYS)
    assert ingest(platform)["events_removed"] == 0
    assert not platform.home.analytics.exists()


def test_without_keep_landing_what_was_ingested_leaves_landing_and_the_rest_stays(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home", privacy=PrivacySettings(keep_landing=False))
    land_contract(platform, "good/events.jsonl", [click(1, 1), click(2, 90)])
    land_contract(platform, "partly/events.jsonl", [click(3, 1), {**click(4, 1), "event_type": "teleport"}])
    land_contract(platform, "later/events.jsonl.part", [click(5, 1)])
    (platform.home.landing / "contract" / "notes.xyz").write_text("of no source")
    said = ingest(platform)
    assert (said["ingested_files_deleted"], said["ingested_files_undeletable"]) == (2, 0)
    left = sorted(file.name for file in platform.home.landing.rglob("*") if file.is_file())
    assert left == ["events.jsonl.part", "notes.xyz"]
    # The same content once more brings nothing, and goes too.
    land_contract(platform, "again/events.jsonl", [click(3, 1), {**click(4, 1), "event_type": "teleport"}])
    land_contract(platform, "new/events.jsonl", [click(6, 1)])
    again = ingest(platform)
    assert again["ingested_files_deleted"] >= 1
    with platform.model_run(datetime.now(UTC), datetime.now(UTC)) as run:
        assert run.count("raw.events") == 4
        assert run.count("raw.quarantine") >= 1


def test_landing_is_kept_unless_the_setting_says_otherwise(tmp_path: Path) -> None:
    platform = platform_at(tmp_path / "home")
    land_contract(platform, "events.jsonl", [click(1, 1)])
    ingest(platform)
    assert [file.name for file in platform.home.landing.rglob("*") if file.is_file()] == ["events.jsonl"]
