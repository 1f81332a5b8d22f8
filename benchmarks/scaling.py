# matplotlib leaves much untyped.
# pyright: reportUnknownMemberType=false
"""How the processor seconds of each step grow with the events: a·n^b by least squares on logarithms.

`python -m benchmarks.scaling [FOLDER] [--wall] [--to 10000000] [--plot FILE.png]` reads what `recs benchmark pipeline`
saved in FOLDER (`<home>/reports/benchmarks`), the newest of each size, and prints a Markdown table a run. An exponent
of two sizes is a line through two points; beyond the largest size it is a guess.
"""

import argparse
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.homes import print_table
from recs_platform.cli.pipeline_benchmark.results import PipelineCost
from recs_platform.cli.pipeline_benchmark.saved import WHOLE
from recs_platform.settings import home_folder

SIZES_MIN = 2
SHOWN_SECONDS = 1.0
Seconds = dict[int, float]


def newest_by_size(folder: Path) -> dict[int, PipelineCost]:
    """The last saved benchmark of each number of events, ascending."""
    read = (PipelineCost.from_json(json.loads(path.read_text("utf-8"))) for path in folder.glob("pipeline-*.json"))
    by_time = sorted(read, key=lambda cost: cost.measured_at)
    newest = {cost.sizes.events: cost for cost in by_time}
    return {events: newest[events] for events in sorted(newest)}


def seconds_by_step(costs: Mapping[int, PipelineCost], *, wall: bool) -> dict[str, dict[str, Seconds]]:
    """Seconds of processors or on the wall by run, step and number of events; the whole run is a step."""
    found: dict[str, dict[str, Seconds]] = {}
    for events, cost in costs.items():
        for run in cost.runs:
            steps = found.setdefault(run.title, {})
            steps.setdefault(WHOLE, {})[events] = run.seconds if wall else run.cpu_seconds
            for step in run.steps:
                steps.setdefault(step.step, {})[events] = step.seconds if wall else step.cpu_seconds
    return found


def fit(seconds: Seconds) -> tuple[float, float]:
    """`a` and `b` of seconds ~ a·n^b.

    >>> a, b = fit({10: 3.0, 100: 30.0, 1000: 300.0})
    >>> round(a, 3), round(b, 3)
    (0.3, 1.0)
    """
    slope, height = np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)
    return math.exp(height), float(slope)


def rows(steps: Mapping[str, Seconds], sizes: Iterable[int], to: int) -> list[list[object]]:
    """A line for each step that takes a second at some size, the dearest at the largest one first."""
    told = {step: each for step, each in steps.items() if len(each) >= SIZES_MIN and max(each.values()) > SHOWN_SECONDS}
    lines: list[list[object]] = []
    for step, each in sorted(told.items(), key=lambda pair: -pair[1][max(pair[1])]):
        a, b = fit(each)
        lines.append([step, *(f"{each[n]:.1f}" if n in each else "" for n in sizes), f"{b:.2f}", f"{a * to**b:,.0f}"])
    return lines


def plot(steps: Mapping[str, Seconds], path: Path, most: int = 8) -> None:
    """The dearest steps against size, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for step, each in sorted(steps.items(), key=lambda pair: -pair[1][max(pair[1])])[: most + 1]:
        axes.loglog(list(each), list(each.values()), marker="o", label=step)
    axes.set_xlabel("events")
    axes.set_ylabel("seconds")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit the cost of each step against the number of events.")
    parser.add_argument("folder", type=Path, nargs="?", help="saved benchmarks; those of the home when absent")
    parser.add_argument("--wall", action="store_true", help="seconds on the wall, not of processors")
    parser.add_argument("--to", type=int, default=10_000_000, help="size to extrapolate to")
    parser.add_argument("--plot", type=Path, help="PNG of the first build")
    options = parser.parse_args()
    costs = newest_by_size(options.folder or home_folder() / "reports" / "benchmarks")
    if len(costs) < SIZES_MIN:
        parser.error("fewer than two sizes are saved; run `recs benchmark pipeline` with several --events")
    by_run = seconds_by_step(costs, wall=options.wall)
    for title, steps in by_run.items():
        print(f"\n{title}\n")
        heads = [f"{events:,}" for events in costs]
        print_table(["step", *heads, "exponent b", f"guess at {options.to:,}"], rows(steps, costs, options.to))
    if options.plot:
        plot(next(iter(by_run.values())), options.plot)


if __name__ == "__main__":
    main()
