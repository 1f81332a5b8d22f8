"""The job `daily_release` ingests, then builds the day that follows from what it ingested."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from recs_platform.defs import running
from recs_platform.pipeline.plans import BuildPlan
from recs_platform.pipeline.platform import Platform
from recs_platform_tests.homes import execute, failures, land_contract, platform_at, take_in

CLICK = {"user_id": "u1", "item_id": "i1", "event_type": "click", "occurred_at": "2024-02-02T00:00:00Z"}


def _release(platform: Platform, **config: Any) -> dg.ExecuteInProcessResult:
    return execute(platform, "daily_release", key=None, run_config={"ops": {"release_day": {"config": config}}})


def test_what_was_ingested_decides_the_day_unless_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both runs are stand-ins: one takes the files in without Dagster, one notes what it was asked to build."""
    platform = platform_at(tmp_path / "home")
    asked: list[tuple[datetime, bool]] = []

    def ingest(*_: Any) -> SimpleNamespace:
        take_in(platform)
        return SimpleNamespace(run_id="taken in", warnings=[])

    def build(*given: Any, forced: bool, plan: BuildPlan) -> SimpleNamespace:
        assert plan.as_of == given[3]
        at = given[3]
        asked.append((at, forced))
        return SimpleNamespace(run_id="built", warnings=["check verdict on reports.drift warns"])

    monkeypatch.setattr(running, "run_job", ingest)
    monkeypatch.setattr(running, "run_build", build)
    empty = _release(platform)
    assert not empty.success
    assert "the lake holds no event" in str(failures(empty))
    land_contract(platform, "events.jsonl", [CLICK])
    done = _release(platform)
    assert done.output_for_node("release_day") == "2024-02-03"
    assert _release(platform, as_of="2024-02-05", force=True).success
    assert asked == [(datetime(2024, 2, 3, tzinfo=UTC), False), (datetime(2024, 2, 5, tzinfo=UTC), True)]
    refused = _release(platform, as_of="2000-01-01")
    assert "no event before" in str(failures(refused))
