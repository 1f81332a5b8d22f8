"""Measured runs: a home with a made-up log, each run in a process of its own, its steps with memory and floors.

What a run does is what `recs run` does; see `cli.graph`.
"""

import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from recs_platform.cli.house import make_home, open_dagster, open_home
from recs_platform.cli.pipeline_benchmark.floors import FloorKind, Floors, measure_floors
from recs_platform.cli.pipeline_benchmark.memory import peak_bytes, sampled
from recs_platform.cli.pipeline_benchmark.results import Machine, PipelineCost, RunCost, Sizes, StepCost
from recs_platform.cli.progress import Progress
from recs_platform.cli.show import say, step_name
from recs_platform.contracts.home import Home
from recs_platform.contracts.time import as_of_key
from recs_platform.settings import Settings
from recs_platform.world.log import write_log_by_day

if TYPE_CHECKING:
    import dagster as dg

    from recs_platform.cli.pipeline_benchmark.memory import Samples
    from recs_platform.defs.running import Outcome
    from recs_platform.defs.step_records import StepRecord
    from recs_platform.pipeline.platform import Platform

T = TypeVar("T")
FIRST, UNCHANGED, NEXT_DAY = "first build", "unchanged", "one more day"
RUNS = (FIRST, UNCHANGED, NEXT_DAY)
_LAST_DAY = "last_day"
_SCANS = {"sql", "duckdb"}
_PRODUCTS = {"retrieval"}


def apart(action: Callable[..., T], *arguments: object) -> T:
    """Run it in a process of its own: memory and imports are then those of one command."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        return alone.submit(action, *arguments).result()


def measure_pipeline(folder: Path, sizes: Sizes, settings: Settings, runs: int) -> PipelineCost:
    """Lay a log of these sizes in `folder` and measure the first `runs` of RUNS on it, each from its process's start.

    Threads and memory limit are those of `settings`; other settings are defaults, or what the environment says.
    """
    machine = Machine(os.cpu_count() or 1, settings.threads, settings.memory_limit_gb, os.getloadavg()[0])
    home = folder / "home"
    say(f"making a log of {sizes.events:,} events of {sizes.users:,} users and {sizes.items:,} items")
    as_of = apart(lay_home, home, sizes, settings.threads, settings.memory_limit_gb)
    costs: list[RunCost] = []
    for title in RUNS[:runs]:
        if title == NEXT_DAY:
            as_of += timedelta(days=1)
            shutil.copyfile(folder / _LAST_DAY / "events.parquet", _landing(home) / "events-later.parquet")
        started = time.monotonic()
        cost = apart(run_once, home, title, as_of)
        costs.append(replace(cost, seconds=time.monotonic() - started))
    say("measuring the machine's floors")
    floors = apart(floors_of, home)
    events = [sizes.events + (sizes.events // sizes.days if run.title == NEXT_DAY else 0) for run in costs]
    with_floors = [_with_floors(run, floors, sizes, count) for run, count in zip(costs, events, strict=True)]
    return PipelineCost(datetime.now(UTC).isoformat(), sizes, machine, floors, with_floors)


def lay_home(home: Path, sizes: Sizes, threads: int, memory_limit_gb: float) -> datetime:
    """Make the home, its log landed; the midnight at the end of the log."""
    home.mkdir(parents=True)
    Home(home).settings_file.write_text(
        f"threads = {threads}\nmemory_limit_gb = {memory_limit_gb}\nlanding_settle_seconds = 0.0\n"
    )
    make_home(Home(home))
    last_day = home.parent / _LAST_DAY
    return write_log_by_day(
        _landing(home), last_day, events=sizes.events, users=sizes.users, items=sizes.items, days=sizes.days
    )


def run_once(home: Path, title: str, as_of: datetime) -> RunCost:
    """Ingest, then build the as-of where there is a reason to; its steps are without floors."""
    with sampled() as samples:
        platform = open_home(home)
        from recs_platform.defs import launch
        from recs_platform.defs.step_records import step_records
        from recs_platform.pipeline.plans import plan_build

        with open_dagster(platform) as instance:
            run = _Runner(platform, instance, title)
            run.follow("ingest", lambda watch: launch.ingest(platform, instance, watch))
            if plan_build(platform, as_of, datetime.now(UTC)).runs:
                run.follow("build", lambda watch: launch.build(platform, instance, as_of, watch))
            records = [record for run_id in run.ids for record in step_records(platform, instance, run_id)]
    steps = [_cost(record, samples) for record in records]
    return RunCost(
        title,
        as_of_key(as_of),
        0.0,
        samples.cpu[-1] - samples.cpu[0],
        run.seconds,
        # The kernel brings its own peak up to date now and then: a sample may be above it.
        max(peak_bytes(), *samples.resident),
        steps,
        _ndcg(platform),
    )


class _Runner:
    """Follows Dagster runs, sums their seconds and remembers their ids."""

    def __init__(self, platform: "Platform", instance: "dg.DagsterInstance", title: str) -> None:
        self.platform, self.instance, self.title = platform, instance, title
        self.ids: list[str] = []
        self.seconds = 0.0

    def follow(self, job: str, action: "Callable[[Callable[[str, str], None]], Outcome]") -> None:
        progress, started = Progress(f"{self.title}, {job}"), time.monotonic()
        with progress.following():
            self.ids.append(action(progress.watch).run_id)
        self.seconds += time.monotonic() - started


def floors_of(home: Path) -> Floors:
    """Floors of the machine, the scan on the events of the home."""
    return measure_floors(open_home(home))


def _landing(home: Path) -> Path:
    return Home(home).landing / "contract"


def _cost(record: "StepRecord", samples: "Samples") -> StepCost:
    span = record.start, record.end
    return StepCost(
        step_name(record.name),
        record.end - record.start,
        samples.cpu_seconds(*span),
        record.rows,
        samples.peak(*span),
        _floor_kind(record),
    )


def _floor_kind(record: "StepRecord") -> FloorKind | None:
    if record.groups & _PRODUCTS:
        return "product"
    if record.kinds & _SCANS:
        return "scan"
    return None if record.rows is None else "copy"


def _with_floors(run: RunCost, floors: Floors, sizes: Sizes, events: int) -> RunCost:
    def bounded(step: StepCost) -> StepCost:
        if step.floor is None:
            return step
        least = floors.seconds(step.floor, events=events, users=sizes.users, items=sizes.items, rows=step.rows)
        return replace(step, floor_seconds=least)

    return replace(run, steps=[bounded(step) for step in run.steps])


def _ndcg(platform: "Platform") -> dict[str, float]:
    """NDCG@10 of the final lists and of popularity, as the release in force was measured."""
    from recs_platform.pipeline.questions.release_summary import summarize_release
    from recs_platform.stages.releases import current_release

    quality = summarize_release(platform, current_release(platform.home)).quality or {}
    models = {name: quality.get(name) for name in ("final", "popularity")}
    return {name: model["value"] for name, model in models.items() if model is not None}
