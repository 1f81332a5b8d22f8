"""Measurement of the whole graph on a made-up log, by the command that measures it alone; see `recs benchmark`."""

import json
from pathlib import Path
from typing import Any

from benchmarks.homes import measured_recs
from benchmarks.timing import Row

EVENTS = 1_000_000
EVENTS_MIN = 20_000


def pipeline(folder: Path, scale: float) -> list[Row]:
    """Each run of `recs benchmark pipeline` beside the bodies of its steps; per-step figures are the command's own."""
    events = max(EVENTS_MIN, int(EVENTS * scale))
    home = folder / "pipeline"
    done = measured_recs(home, "benchmark", "pipeline", "--events", str(events), "--json")
    return [_row(run, events) for run in json.loads(done.output)["runs"]]


def _row(run: dict[str, Any], events: int) -> Row:
    return Row(
        f"recs benchmark pipeline: {run['title']}",
        run["seconds"],
        events,
        "events",
        "bodies of its steps",
        run["step_seconds"],
        told=f"{run['orchestration_share']:.0%} outside steps",
        peak_gib=run["peak_bytes"] / 2**30,
    )
