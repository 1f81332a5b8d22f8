"""A benchmark of the pipeline as text: one table a run, the whole, floors, and what became slower."""

import typer

from recs_platform.cli.format import number, share
from recs_platform.cli.pipeline_benchmark.floors import MEANING, FloorKind
from recs_platform.cli.pipeline_benchmark.results import PipelineCost, RunCost, StepCost
from recs_platform.cli.pipeline_benchmark.saved import WHOLE, is_slower, last_seconds, slower
from recs_platform.cli.show import put_table, say

COLUMNS = [
    "step",
    "seconds",
    "cpu s",
    "rows",
    "rows/s",
    "peak GiB",
    "floor",
    "floor s",
    "times floor",
    "last s",
    "slower",
]
SHOWN_SHARE = 0.005
_GIB = 2**30


def put_cost(cost: PipelineCost, last: PipelineCost | None) -> None:
    """Print a table for each run, then what the floors are; what is slower goes to stderr."""
    before = last_seconds(last)
    for run in cost.runs:
        typer.echo(f"\n{run.title}, as of {run.as_of}")
        put_table(COLUMNS, _rows(run, before))
        typer.echo(_whole(run))
    machine, floors = cost.machine, cost.floors
    typer.echo(f"\n{machine.cores} cores, {machine.threads} threads, DuckDB's limit {machine.memory_limit_gb:g} GB")
    typer.echo(f"load before the first run {machine.load:.1f}: trust ratios more than seconds on a busy machine")
    rates: dict[FloorKind, str] = {
        "scan": f"{number(floors.scanned_rows)} events/s",
        "product": f"{number(floors.flops / 1e9)} GFLOP/s",
        "copy": f"{number(floors.copied_bytes / 1e9)} GB/s",
    }
    for kind, rate in rates.items():
        typer.echo(f"floor {kind} ({rate}): {MEANING[kind]}")
    typer.echo("last: no saved run of these sizes" if last is None else f"last: measured {last.measured_at[:16]}")
    for title, step, times in slower(cost, last):
        say(f"slower: {title}, {step}: {times:.2f} times the last run")


def _rows(run: RunCost, before: dict[tuple[str, str], float]) -> list[list[object]]:
    steps = sorted(run.steps, key=lambda step: -step.seconds)
    shown = [step for step in steps if step.seconds >= SHOWN_SHARE * run.seconds]
    others = [step for step in steps if step.seconds < SHOWN_SHARE * run.seconds]
    rows = [_row(step, before.get((run.title, step.step))) for step in shown]
    if others:
        rows.append(
            _row(
                StepCost(
                    f"{len(others)} shorter steps",
                    sum(step.seconds for step in others),
                    sum(step.cpu_seconds for step in others),
                ),
                None,
            )
        )
    return [
        *rows,
        _row(StepCost(WHOLE, run.seconds, run.cpu_seconds, None, run.peak_bytes), before.get((run.title, WHOLE))),
    ]


def _row(step: StepCost, last: float | None) -> list[object]:
    return [
        step.step,
        f"{step.seconds:.2f}",
        f"{step.cpu_seconds:.2f}",
        "" if step.rows is None else f"{step.rows:,}",
        "" if step.rows_a_second is None else number(step.rows_a_second),
        "" if step.peak_bytes is None else f"{step.peak_bytes / _GIB:.2f}",
        step.floor,
        "" if step.floor_seconds is None else number(step.floor_seconds),
        "" if step.times_floor is None else number(step.times_floor),
        "" if last is None else f"{last:.2f}",
        "slower" if last is not None and is_slower(step.seconds, last) else "",
    ]


def _whole(run: RunCost) -> str:
    quality = ", ".join(f"{name} {value:.4f}" for name, value in run.ndcg.items())
    return (
        f"{run.seconds:.1f} s in all: steps {run.step_seconds:.1f} s, Dagster's runs {run.dagster_seconds:.1f} s, "
        f"outside steps {share(run.orchestration_share)}; peak {run.peak_bytes / _GIB:.2f} GiB; "
        f"NDCG@10 {quality or 'not measured'}"
    )
