"""Jobs of the Launchpad: what is wrong in their config, or names what there is not, ends them with one sentence."""

from typing import Any

import pytest

from recs_platform.pipeline.platform import Platform
from recs_platform_tests.homes import execute, platform_at


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return platform_at(tmp_path_factory.mktemp("empty") / "home")


@pytest.mark.parametrize(
    ("job", "op", "config", "said"),
    [
        ("rollback_release", "roll_back", {"release_id": "x"}, "no release 'x'"),
        ("withdraw_release", "take_back", {"release_id": "x"}, "no release 'x'"),
        ("evaluate", "evaluate_past", {"as_of": "x"}, "not a date: 'x'"),
        ("tune", "search_parameters", {"minutes": 0.0}, "minutes = 0: it must be above 0"),
        ("forget_user", "forget_one", {"user": "x"}, "user 'x' is unknown"),
        ("replay_quarantine", "raw", {"replay": True, "source": "wold"}, "no source 'wold'; did you mean 'world'"),
        ("replay_quarantine", "raw", {"source": "world"}, "source = 'world' names what to replay, and replay is false"),
        ("publish", None, {}, "nothing to publish yet"),
    ],
)
def test_a_wrong_word_in_the_launchpad_is_told_in_one_line(
    empty: Platform, job: str, op: str | None, config: dict[str, Any], said: str
) -> None:
    run_config = {} if op is None else {"ops": {op: {"config": config}}}
    result = execute(empty, job, key=None, run_config=run_config)
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert failed.step_failure_data.error.message.startswith(f"dagster._core.definitions.events.Failure: {said}")
