"""What starts runs by itself: once for the same files, once for the same data, always with a registered as-of."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from recs_platform.defs.assembly import build_definitions
from recs_platform.defs.platform import Platform
from recs_platform_tests.homes import copy_home, land_contract, platform_at, take_in

CLICK = {"user_id": "u1", "item_id": "i1", "event_type": "click", "occurred_at": "2024-01-15T00:00:00Z"}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        yield opened


def _landing(platform: Platform, instance: dg.DagsterInstance):
    sensor = build_definitions(platform).resolve_sensor_def("landing_sensor")
    return sensor.evaluate_tick(dg.build_sensor_context(instance=instance))


def _daily(platform: Platform, instance: dg.DagsterInstance, at: datetime):
    repository = build_definitions(platform).get_repository_def()
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at, repository_def=repository)
    return repository.get_schedule_def("daily_build").evaluate_tick(context)


def test_new_files_ask_for_one_run_named_by_their_content(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    first, second = platform_at(tmp_path / "a"), platform_at(tmp_path / "b")
    for platform in (first, second):
        land_contract(platform, "events.jsonl", [CLICK])
    asked = [_landing(platform, instance).run_requests for platform in (first, first, second)]
    assert [len(requests or ()) for requests in asked] == [1, 1, 1]
    keys = [requests[0].run_key for requests in asked if requests]
    assert len(set(keys)) == 1
    land_contract(first, "more/events.jsonl", [{**CLICK, "user_id": "u2"}])
    more = _landing(first, instance).run_requests
    assert more
    assert more[0].run_key not in keys


def test_nothing_new_is_a_skip_that_says_so(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    platform = platform_at(tmp_path / "home")
    assert _landing(platform, instance).skip_message
    land_contract(platform, "events.jsonl", [CLICK])
    take_in(platform)
    tick = _landing(platform, instance)
    assert not tick.run_requests
    assert "nothing new" in str(tick.skip_message)


def test_the_schedule_asks_for_a_registered_as_of(taken_in: Platform, instance: dg.DagsterInstance) -> None:
    tick = _daily(taken_in, instance, datetime(2024, 1, 20, 3, tzinfo=UTC))
    assert [request.partition_key for request in tick.run_requests or ()] == ["2024-01-20"]
    assert "2024-01-20" in instance.get_dynamic_partitions("as_of")


def test_the_schedule_never_asks_for_days_without_events(taken_in: Platform, instance: dg.DagsterInstance) -> None:
    late = [_daily(taken_in, instance, datetime(2030, 5, day, 3, tzinfo=UTC)).run_requests for day in (1, 2)]
    requests = [each[0] for each in late if each]
    assert [request.partition_key for request in requests] == ["2024-01-31", "2024-01-31"]
    assert requests[0].run_key == requests[1].run_key


def test_the_same_day_with_new_data_is_asked_for_again(
    taken_in: Platform, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    at = datetime(2024, 1, 20, 3, tzinfo=UTC)
    before = _daily(platform, instance, at).run_requests
    land_contract(platform, "events.jsonl", [CLICK])
    take_in(platform)
    after = _daily(platform, instance, at).run_requests
    assert before
    assert after
    assert before[0].run_key != after[0].run_key


def test_the_schedule_of_an_empty_lake_skips_and_says_why(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    tick = _daily(platform_at(tmp_path / "home"), instance, datetime(2024, 1, 20, 3, tzinfo=UTC))
    assert not tick.run_requests
    assert "no event" in str(tick.skip_message)
