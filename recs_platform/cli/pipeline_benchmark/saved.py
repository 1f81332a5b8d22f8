"""Earlier benchmarks: one JSON file each in the home's `reports/benchmarks`; what is slower than in the last."""

import json
from collections.abc import Iterator
from pathlib import Path

from recs_platform.cli.pipeline_benchmark.results import Machine, PipelineCost, RunCost, Sizes
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.lake.disk import replace_text

SLOWER_FROM = 1.15
# Below this a step's seconds are noise.
SECONDS_MIN = 0.2
WHOLE = "the whole run"


def save(home: Home, cost: PipelineCost) -> Path:
    """Write it beside those of before."""
    at = "".join(char for char in cost.measured_at[:19] if char.isalnum())
    path = _folder(home) / f"{_stem(cost.sizes, cost.machine)}-{at}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(cost.to_json(), indent=1))
    return path


def last_saved(home: Home, sizes: Sizes, machine: Machine) -> PipelineCost | None:
    """The newest of the same sizes and threads; None where there is none. Raises UsageError for a damaged file."""
    paths = sorted(_folder(home).glob(f"{_stem(sizes, machine)}-*.json"))
    if not paths:
        return None
    try:
        return PipelineCost.from_json(json.loads(paths[-1].read_text("utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{paths[-1]} is no saved benchmark ({error!r}); remove it") from None


def last_seconds(last: PipelineCost | None) -> dict[tuple[str, str], float]:
    """Seconds of before by run and step."""
    runs = [] if last is None else last.runs
    return {(run.title, step): seconds for run in runs for step, seconds in _seconds(run)}


def slower(cost: PipelineCost, last: PipelineCost | None) -> list[tuple[str, str, float]]:
    """(run, step, times the last seconds) of what takes 15 % more than in the last benchmark, the worst first."""
    before = last_seconds(last)
    found = [
        (run.title, step, seconds / then)
        for run in cost.runs
        for step, seconds in _seconds(run)
        if (then := before.get((run.title, step))) and is_slower(seconds, then)
    ]
    return sorted(found, key=lambda each: -each[2])


def is_slower(seconds: float, before: float) -> bool:
    """Whether it is 15 % slower, and by more than noise.

    >>> is_slower(11.4, 10.0), is_slower(11.5, 10.0), is_slower(0.02, 0.01)
    (False, True, False)
    """
    return seconds >= before * SLOWER_FROM and seconds - before >= SECONDS_MIN


def _seconds(run: RunCost) -> Iterator[tuple[str, float]]:
    yield WHOLE, run.seconds
    for step in run.steps:
        yield step.step, step.seconds


def _folder(home: Home) -> Path:
    return home.reports / "benchmarks"


def _stem(sizes: Sizes, machine: Machine) -> str:
    return f"pipeline-{sizes.events}-{sizes.users}-{sizes.items}-{sizes.days}d-{machine.threads}t"
