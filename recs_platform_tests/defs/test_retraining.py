"""What the drift sensor and the weekly schedule ask for; what an episode is, is tested beside `pipeline.retraining`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from recs_platform.defs import retraining
from recs_platform.defs.requests import ASKED_TAG, ATTEMPTS_MAX
from recs_platform.pipeline.current import CurrentPlatform
from recs_platform.pipeline.retraining import DriftVerdict
from recs_platform_tests.homes import land_contract, platform_at, take_in

AT = datetime(2024, 1, 20, tzinfo=UTC)
STATUS = dg.DagsterRunStatus


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def _carry_out(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, key: str) -> None:
    @dg.job(name="retrain_ranker")
    def stand_in() -> None: ...

    instance.create_run_for_job(stand_in, status=status, tags={ASKED_TAG: key})


def test_an_episode_asks_until_a_run_succeeded_and_then_no_more(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [DriftVerdict(AT, "warn", "events: moved", proposes_training=True)]
    monkeypatch.setattr(retraining, "drift_verdicts", lambda *_: given)
    sensor, cursor = retraining.drift_sensor(CurrentPlatform(platform_at(tmp_path / "home"))), ""

    def tick() -> Any:
        nonlocal cursor
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        done = sensor(context)
        cursor = str(context.cursor)
        return done

    for attempt in (1, 2):
        request = tick()
        assert (request.partition_key, request.tags[ASKED_TAG]) == ("2024-01-20", "drift since 2024-01-20")
        assert str(request.run_key).endswith(f":{attempt}")
        _carry_out(instance, STATUS.FAILURE if attempt == 1 else STATUS.SUCCESS, request.tags[ASKED_TAG])
    assert instance.get_dynamic_partitions("as_of") == ["2024-01-20"]
    assert "a ranker was trained for the drift since 2024-01-20" in str(tick().skip_message)
    assert "quiet as-ofs since" in str(tick().skip_message)


def test_failed_runs_are_given_up_and_drift_that_proposes_no_training_is_named(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor = retraining.drift_sensor(CurrentPlatform(platform_at(tmp_path / "home")))
    monkeypatch.setattr(retraining, "drift_verdicts", lambda *_: [])
    context = dg.build_sensor_context(instance=instance)
    assert "no as-of has drift reports" in str(sensor.evaluate_tick(context).skip_message)
    monkeypatch.setattr(retraining, "drift_verdicts", lambda *_: [DriftVerdict(AT, "warn", "category: gone")])
    assert "proposes no training, look at its report: category: gone" in str(sensor.evaluate_tick(context).skip_message)
    monkeypatch.setattr(retraining, "drift_verdicts", lambda *_: [DriftVerdict(AT, "warn", proposes_training=True)])
    for _ in range(ATTEMPTS_MAX):
        _carry_out(instance, STATUS.FAILURE, "drift since 2024-01-20")
    assert "launch `retrain_ranker`" in str(
        sensor.evaluate_tick(dg.build_sensor_context(instance=instance)).skip_message
    )


def test_the_week_is_skipped_without_data_and_without_news(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = platform_at(tmp_path / "home")
    moment = datetime(2024, 2, 5, 3, 30, tzinfo=UTC)
    assert "no event" in str(retraining.weekly_request(platform, instance, moment).skip_message)
    click = {"user_id": "u1", "item_id": "i1", "event_type": "click", "occurred_at": "2024-01-15T00:00:00Z"}
    land_contract(platform, "events.jsonl", [click])
    take_in(platform)
    request = retraining.weekly_request(platform, instance, moment)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == "2024-01-16"
    monkeypatch.setattr(retraining, "trained_already", lambda *_: "no new data: ranker r")
    assert "no new data" in str(retraining.weekly_request(platform, instance, moment).skip_message)
