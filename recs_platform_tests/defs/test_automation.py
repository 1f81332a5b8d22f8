"""What the sensors and the schedule ask for, and that they ask once for the same data and no more."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from recs_platform.defs.assembly import definitions_of
from recs_platform.defs.requests import ASKED_TAG, ATTEMPTS_MAX, WORK_TAG
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.homes import Built, copy_home, land_contract, platform_at, take_in

CLICK = {"user_id": "u1", "item_id": "i1", "event_type": "click", "occurred_at": "2024-01-15T00:00:00Z"}
STATUS = dg.DagsterRunStatus


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on disk: a schedule is evaluated on no other."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        yield opened


@pytest.fixture
def waiting(tmp_path: Path) -> Platform:
    """A home with one new file, which need not settle."""
    platform = platform_at(tmp_path / "home", landing_settle_seconds=0)
    land_contract(platform, "events.jsonl", [CLICK])
    return platform


def _landing(platform: Platform, instance: dg.DagsterInstance, cursor: str | None = None):
    sensor = definitions_of(platform).resolve_sensor_def("landing_sensor")
    return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))


def _daily(platform: Platform, instance: dg.DagsterInstance, at: datetime):
    repository = definitions_of(platform).get_repository_def()
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at, repository_def=repository)
    return repository.get_schedule_def("daily_build").evaluate_tick(context)


def _after_ingestion(platform: Platform, instance: dg.DagsterInstance):
    """What the sensor on successful ingestions asks for after one; the run is a stand-in, the work is done."""

    @dg.job(name="ingest")
    def stand_in() -> None: ...

    take_in(platform)
    return _after(stand_in, platform, instance)


def _after(job: dg.JobDefinition, platform: Platform, instance: dg.DagsterInstance):
    done = job.execute_in_process(instance=instance)
    (success,) = [event for event in done.all_events if event.event_type is dg.DagsterEventType.PIPELINE_SUCCESS]
    context = dg.build_run_status_sensor_context("new_events_sensor", success, instance, done.dagster_run)
    return definitions_of(platform).resolve_sensor_def("new_events_sensor")(context)


def _run(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus, **tags: str) -> str:
    """A run of that job in that state."""

    @dg.job(name=job)
    def stand_in() -> None: ...

    return instance.create_run_for_job(stand_in, status=status, tags=tags).run_id


def _asked(instance: dg.DagsterInstance, platform: Platform, status: dg.DagsterRunStatus) -> str:
    """Carry out what the landing sensor asks for, as a run that ended so."""
    request = _landing(platform, instance).run_requests
    assert request
    return _run(instance, "ingest", status, **request[0].tags)


def test_new_files_ask_for_one_run_named_by_their_content(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    first, second = (platform_at(tmp_path / name, landing_settle_seconds=0) for name in "ab")
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


def test_the_cursor_says_which_content_was_asked_for_and_how_often(
    waiting: Platform, instance: dg.DagsterInstance
) -> None:
    tick = _landing(waiting, instance)
    assert tick.run_requests
    assert json.loads(str(tick.cursor)) == {"key": tick.run_requests[0].tags[ASKED_TAG], "attempts": 1}


def test_the_run_that_was_asked_for_takes_the_files_in_and_nothing_more_is_asked(
    waiting: Platform, instance: dg.DagsterInstance
) -> None:
    request = _landing(waiting, instance).run_requests
    assert request
    job = definitions_of(waiting).resolve_job_def("ingest")
    assert job.execute_in_process(instance=instance, tags=request[0].tags).success
    tick = _landing(waiting, instance)
    assert not tick.run_requests
    assert "nothing new" in str(tick.skip_message)


@pytest.mark.parametrize("status", [STATUS.STARTING, STATUS.STARTED])
def test_while_an_ingestion_is_under_way_no_second_one_is_asked_for(
    waiting: Platform, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run_id = _run(instance, "ingest", status)
    tick = _landing(waiting, instance)
    assert not tick.run_requests
    assert run_id[:8] in str(tick.skip_message)
    assert "contract/events.jsonl" in str(tick.skip_message)


def test_a_failed_run_is_asked_for_again_and_after_three_it_is_said_what_to_do(
    waiting: Platform, instance: dg.DagsterInstance
) -> None:
    keys: list[str | None] = []
    last = ""
    for _ in range(ATTEMPTS_MAX):
        requests = _landing(waiting, instance).run_requests
        assert requests
        keys.append(requests[0].run_key)
        last = _asked(instance, waiting, STATUS.FAILURE)
    assert [str(key).rpartition(":")[2] for key in keys] == ["1", "2", "3"]
    tick = _landing(waiting, instance)
    assert not tick.run_requests
    assert last in str(tick.skip_message)
    assert "recs ingest" in str(tick.skip_message)
    land_contract(waiting, "more/events.jsonl", [{**CLICK, "user_id": "u2"}])
    assert _landing(waiting, instance).run_requests


def test_what_is_left_alone_is_named(waiting: Platform, instance: dg.DagsterInstance) -> None:
    take_in(waiting)
    (waiting.home.landing / "contract" / "stranger.xyz").write_text("?")
    (waiting.home.landing / "contract" / "users.jsonl").symlink_to(waiting.home.landing / "contract" / "events.jsonl")
    tick = _landing(waiting, instance)
    assert not tick.run_requests
    assert "contract/stranger.xyz" in str(tick.skip_message)
    assert "contract/users.jsonl" in str(tick.skip_message)


def test_a_file_that_may_still_be_written_is_left_for_the_next_time(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    platform = platform_at(tmp_path / "home", landing_settle_seconds=3600)
    land_contract(platform, "events.jsonl", [CLICK])
    tick = _landing(platform, instance)
    assert not tick.run_requests
    assert "still settling: contract/events.jsonl" in str(tick.skip_message)


def test_an_ingestion_that_changed_something_asks_for_a_build(
    taken_in: Platform, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    asked = _after(definitions_of(platform).resolve_job_def("ingest"), platform, instance)
    assert isinstance(asked, dg.RunRequest)
    assert asked.partition_key == "2024-01-31"
    assert "2024-01-31" in instance.get_dynamic_partitions("as_of")


def test_an_ingestion_that_changed_nothing_asks_for_none(
    built: Built, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    platform = copy_home(built.platform, tmp_path / "home")
    skipped = _after_ingestion(platform, instance)
    assert isinstance(skipped, dg.SkipReason)
    assert "up to date" in str(skipped.skip_message)
    land_contract(platform, "events.jsonl", [CLICK])
    assert isinstance(_after_ingestion(platform, instance), dg.RunRequest)


def test_a_build_under_way_is_not_asked_for_again(
    taken_in: Platform, tmp_path: Path, stored: dg.DagsterInstance
) -> None:
    at = datetime(2024, 1, 20, 3, tzinfo=UTC)
    request = _daily(taken_in, stored, at).run_requests
    assert request
    run_id = _run(stored, "build", STATUS.STARTED, **request[0].tags)
    tick = _daily(taken_in, stored, at)
    assert not tick.run_requests
    assert run_id[:8] in str(tick.skip_message)


def test_a_build_of_the_same_by_a_command_is_not_doubled(waiting: Platform, instance: dg.DagsterInstance) -> None:
    """`recs run` and `daily_release` ingest too: the sensor sees their ingestion, and the build that follows."""
    request = _after_ingestion(waiting, instance)
    _run(instance, "build", STATUS.STARTED, **{WORK_TAG: "2024-01-16:other"})
    assert _after_ingestion(waiting, instance).tags == request.tags
    run_id = _run(instance, "build", STATUS.STARTED, **{WORK_TAG: request.tags[ASKED_TAG]})
    assert run_id[:8] in str(_after_ingestion(waiting, instance).skip_message)


def test_the_schedule_asks_for_a_registered_as_of(taken_in: Platform, stored: dg.DagsterInstance) -> None:
    tick = _daily(taken_in, stored, datetime(2024, 1, 20, 3, tzinfo=UTC))
    assert [request.partition_key for request in tick.run_requests or ()] == ["2024-01-20"]
    assert "2024-01-20" in stored.get_dynamic_partitions("as_of")


def test_the_schedule_never_asks_for_days_without_events(taken_in: Platform, stored: dg.DagsterInstance) -> None:
    late = [_daily(taken_in, stored, datetime(2030, 5, day, 3, tzinfo=UTC)).run_requests for day in (1, 2)]
    requests = [each[0] for each in late if each]
    assert [request.partition_key for request in requests] == ["2024-01-31", "2024-01-31"]
    assert requests[0].run_key == requests[1].run_key


def test_the_schedule_asks_for_nothing_that_is_up_to_date(built: Built, stored: dg.DagsterInstance) -> None:
    tick = _daily(built.platform, stored, datetime(2030, 5, 1, 3, tzinfo=UTC))
    assert not tick.run_requests
    assert "up to date" in str(tick.skip_message)


def test_the_same_day_with_new_data_is_asked_for_again(
    taken_in: Platform, tmp_path: Path, stored: dg.DagsterInstance
) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    at = datetime(2024, 1, 20, 3, tzinfo=UTC)
    before = _daily(platform, stored, at).run_requests
    land_contract(platform, "events.jsonl", [CLICK])
    take_in(platform)
    after = _daily(platform, stored, at).run_requests
    assert before
    assert after
    assert before[0].run_key != after[0].run_key


def test_the_schedule_of_an_empty_lake_skips_and_says_why(tmp_path: Path, stored: dg.DagsterInstance) -> None:
    tick = _daily(platform_at(tmp_path / "home"), stored, datetime(2024, 1, 20, 3, tzinfo=UTC))
    assert not tick.run_requests
    assert "no event" in str(tick.skip_message)
