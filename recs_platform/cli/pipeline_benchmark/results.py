"""What a benchmark of the pipeline found, as values: sizes, machine, floors, runs and their steps. JSON and back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from recs_platform.cli.pipeline_benchmark.floors import FloorKind, Floors


@dataclass(frozen=True)
class Sizes:
    """How large the log is; runs of the same sizes are compared with each other."""

    events: int
    users: int
    items: int
    days: int


@dataclass(frozen=True)
class Machine:
    """What the runs had: cores in all, threads and memory of the settings, load (1 minute) before the first run."""

    cores: int
    threads: int
    memory_limit_gb: float
    load: float


@dataclass(frozen=True)
class StepCost:
    """One step of a run: seconds of its body, processor seconds and the most memory meanwhile, rows of what it made.

    Processor seconds are those of all threads: on a busy machine they say more than seconds.
    """

    step: str
    seconds: float
    cpu_seconds: float
    rows: int | None = None
    peak_bytes: int | None = None
    floor: FloorKind | None = None
    floor_seconds: float | None = None

    @property
    def rows_a_second(self) -> float | None:
        return None if self.rows is None or self.seconds <= 0 else self.rows / self.seconds

    @property
    def times_floor(self) -> float | None:
        return self.seconds / self.floor_seconds if self.floor_seconds else None


@dataclass(frozen=True)
class RunCost:
    """One `recs run`: seconds of its process, of processors in it, and of what Dagster ran in it.

    `ndcg`: NDCG@10 by model (final, popularity) where the run built a release that could be measured.
    """

    title: str
    as_of: str
    seconds: float
    cpu_seconds: float
    dagster_seconds: float
    peak_bytes: int
    steps: list[StepCost] = field(default_factory=list[StepCost])
    ndcg: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def step_seconds(self) -> float:
        return sum(step.seconds for step in self.steps)

    @property
    def orchestration_share(self) -> float:
        """Share of the process's seconds outside the bodies of steps: start, imports, planning, Dagster's records."""
        return max(0.0, 1.0 - self.step_seconds / self.seconds)


@dataclass(frozen=True)
class PipelineCost:
    """All that one benchmark measured; `measured_at` in UTC."""

    measured_at: str
    sizes: Sizes
    machine: Machine
    floors: Floors
    runs: list[RunCost]

    def to_json(self) -> dict[str, Any]:
        """JSON-like values, what follows from others included."""
        values = asdict(self)
        for run, run_values in zip(self.runs, values["runs"], strict=True):
            run_values |= {"step_seconds": run.step_seconds, "orchestration_share": run.orchestration_share}
            for step, step_values in zip(run.steps, run_values["steps"], strict=True):
                step_values |= {"rows_a_second": step.rows_a_second, "times_floor": step.times_floor}
        return values

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "PipelineCost":
        """What `to_json` gave; KeyError or TypeError for anything else."""
        return PipelineCost(
            values["measured_at"],
            Sizes(**values["sizes"]),
            Machine(**values["machine"]),
            Floors(**values["floors"]),
            [_run(run) for run in values["runs"]],
        )


def _run(values: Mapping[str, Any]) -> RunCost:
    known: dict[str, Any] = {name: values[name] for name in RunCost.__dataclass_fields__}
    known["steps"] = [_step(step) for step in values["steps"]]
    return RunCost(**known)


def _step(values: Mapping[str, Any]) -> StepCost:
    return StepCost(**{name: values[name] for name in StepCost.__dataclass_fields__})
