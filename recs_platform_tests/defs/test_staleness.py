"""What the UI calls stale is what `recs plan` would build, after each kind of change.

Builds that the UI starts are in `test_graph_truth`.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from recs_platform.contracts.time import as_of_key
from recs_platform.defs import launch
from recs_platform.defs.assembly import build_definitions
from recs_platform.defs.instance import open_instance
from recs_platform.pipeline.plans import plan_build
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.defs.test_own_models import COLUMNS, SQL
from recs_platform_tests.homes import Built, copy_home, ignore, land_contract
from recs_platform_tests.unit.warehouse.conftest import yml

CLICK = {"user_id": "u1", "item_id": "i1", "event_type": "click"}
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def home(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return copy_home(built.platform, tmp_path_factory.mktemp("stale") / "home", data_tests=True)


@pytest.fixture(scope="module")
def instance(home: Platform) -> Iterator[dg.DagsterInstance]:
    with open_instance(home.home) as opened:
        yield opened


def stale(platform: Platform, instance: dg.DagsterInstance, at: datetime) -> set[str]:
    """Assets of an as-of that the UI calls stale."""
    graph = build_definitions(platform).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    keys = [key for key in graph.materializable_asset_keys if graph.get(key).is_partitioned]
    return {key.to_user_string() for key in keys if resolver.get_status(key, as_of_key(at)) is not StaleStatus.FRESH}


def agreed(platform: Platform, instance: dg.DagsterInstance, at: datetime) -> bool:
    """Whether the as-of is to be built, which both say alike."""
    plan, found = plan_build(platform, at, datetime.now(UTC)), stale(platform, instance, at)
    assert plan.runs == bool(found), (plan.reasons, found)
    return plan.runs


def ingest(platform: Platform, instance: dg.DagsterInstance, name: str, **event: Any) -> None:
    land_contract(platform, name, [{**CLICK, **event}])
    launch.ingest(platform, instance, ignore)


def test_nothing_is_stale_after_a_build(home: Platform, instance: dg.DagsterInstance, built: Built) -> None:
    assert not agreed(home, instance, built.as_of)


@pytest.mark.trial
def test_later_events_leave_it_fresh_and_earlier_ones_do_not(built: Built, tmp_path: Path) -> None:
    platform = copy_home(built.platform, tmp_path / "home")  # without data tests: they are hundreds of records
    with open_instance(platform.home) as instance:
        ingest(platform, instance, "later/events.jsonl", occurred_at=(built.as_of + DAY).isoformat())
        assert not agreed(platform, instance, built.as_of)
        ingest(platform, instance, "earlier/events.jsonl", occurred_at=(built.as_of - DAY).isoformat())
        assert agreed(platform, instance, built.as_of)
        assert "features/user_features" in stale(platform, instance, built.as_of)


@pytest.mark.trial
def test_settings_code_and_models_make_it_stale(
    home: Platform, instance: dg.DagsterInstance, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(home, settings=home.settings.model_copy(update={"max_per_category": 2}))
    assert agreed(other, instance, built.as_of)
    harmless = replace(home, settings=home.settings.model_copy(update={"schedule_hour": 5}))
    assert not agreed(harmless, instance, built.as_of)
    folder = home.home.models / "features"
    folder.mkdir(parents=True)
    (folder / "mine.sql").write_text(SQL)
    (folder / "mine.yml").write_text(yml("mine", COLUMNS, grain="user_id"))
    assert agreed(replace(home), instance, built.as_of)
    shutil.rmtree(folder)
    assert not agreed(replace(home), instance, built.as_of)
    monkeypatch.setattr("recs_platform.pipeline.build_records.code_hash", lambda *_: "another")
    assert agreed(replace(home), instance, built.as_of)
