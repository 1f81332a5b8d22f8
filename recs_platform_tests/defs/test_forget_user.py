"""The job `forget_user`: its run leaves no trace of the user either, not even in its own config."""

from pathlib import Path

import dagster as dg
import pytest

from recs_platform.defs.assembly import definitions_of
from recs_platform.defs.forgetting import forget_sensor
from recs_platform.defs.instance import open_instance
from recs_platform.lake.forget_requests import add_request
from recs_platform.pipeline.current import CurrentPlatform
from recs_platform.pipeline.forgetting.receipts import read_receipts
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.forgotten_people import holders
from recs_platform_tests.homes import copy_home, platform_at

USER = "u3e00-07"


def test_the_run_forgets_its_own_config(taken_in: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = copy_home(taken_in, tmp_path / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(platform.home.dagster))
    config = {"ops": {"forget_one": {"config": {"user": USER}}}}
    with open_instance(platform.home) as instance:
        result = definitions_of(platform).resolve_job_def("forget_user").execute_in_process(config, instance=instance)
        assert result.success
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.run_config == {"ops": {"forget_one": {"config": {"user": "(forgotten)"}}}}
    assert [receipt.number for receipt in read_receipts(platform.home)] == [1]
    assert holders(taken_in.home.root, [USER]) != []
    assert holders(platform.home.root, [USER]) == []


def test_what_was_asked_for_over_http_is_one_run(tmp_path: Path) -> None:
    platform = platform_at(tmp_path)
    sensor = forget_sensor(CurrentPlatform(platform))
    context = dg.build_sensor_context
    assert isinstance(sensor(context()), dg.SkipReason)
    add_request(platform.home, "u1")
    first, again = sensor(context()), sensor(context())
    assert isinstance(first, dg.RunRequest)
    assert first == again
    assert "u1" not in str(first)
    add_request(platform.home, "u2")
    assert sensor(context()) != first
