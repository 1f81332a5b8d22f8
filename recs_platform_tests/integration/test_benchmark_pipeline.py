"""`recs benchmark pipeline` measures the whole graph, and says what became slower since it was measured last."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import duckdb
import pytest

from recs_platform.cli.pipeline_benchmark import floors, runs
from recs_platform.cli.pipeline_benchmark.results import PipelineCost
from recs_platform.cli.pipeline_benchmark.saved import WHOLE, last_saved, save, slower
from recs_platform.cli.pipeline_benchmark.table import put_cost
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Home
from recs_platform.world.log import write_log_by_day
from recs_platform_tests.homes import CommandLine, draw_nothing

T = TypeVar("T")
SIZES = ("--events", "2000", "--users", "60", "--items", "100", "--days", "20")
STEP = "features_of_events"


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of their own would import everything again; no number of the drift report or of floors is read."""

    def here(action: Callable[..., T], *arguments: object) -> T:
        return action(*arguments)

    monkeypatch.setattr(runs, "apart", here)
    draw_nothing(monkeypatch)
    monkeypatch.setattr(floors, "_COPY_BYTES", 2**20)
    monkeypatch.setattr(floors, "_SIDE", 128)


@pytest.mark.trial
@pytest.mark.usefixtures("in_this_process")
def test_the_whole_graph_is_measured_and_what_became_slower_is_named(
    recs: CommandLine, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    monkeypatch.setenv("RECS_TRAINING__WINDOWS_MIN", "2")
    code, out, err = recs(home.root, "benchmark", "pipeline", *SIZES, "--runs", "2", "--json")
    assert code == 0, err
    printed = json.loads(out)
    (path,) = (home.reports / "benchmarks").iterdir()
    cost = PipelineCost.from_json(json.loads(path.read_text()))
    assert cost.to_json() == {name: value for name, value in printed.items() if name not in {"compared_with", "slower"}}
    assert (printed["compared_with"], printed["slower"]) == (None, [])
    assert sorted(path.name for path in home.root.iterdir()) == ["reports"], "the user's home takes no part"

    first, unchanged = cost.runs
    steps = {step.step: step for step in first.steps}
    assert {"raw", STEP, "ranking.training_set", "scored_candidates", "releases.release"} <= set(steps)
    assert (steps["features.item_vectors"].rows, steps["recommendations"].floor) == (100, "copy")
    assert 0 < first.step_seconds <= first.dagster_seconds <= first.seconds
    assert all(0 < (step.peak_bytes or 0) <= first.peak_bytes for step in first.steps)
    assert 0 < sum(step.cpu_seconds for step in first.steps) <= first.cpu_seconds
    assert set(first.ndcg) == {"final", "popularity"}
    assert "scored_candidates" not in {step.step for step in unchanged.steps}, "nothing changed: nothing is built"

    was_fast = replace(steps[STEP], seconds=10.0)
    slow = replace(steps[STEP], seconds=12.0)
    before, after = (
        replace(cost, measured_at=at, runs=[replace(first, steps=[step])])
        for at, step in (("2024-01-01T00:00", was_fast), ("2999-01-01T00:00", slow))
    )
    save(home, after)
    assert last_saved(home, cost.sizes, cost.machine) == after
    assert last_saved(home, replace(cost.sizes, days=26), cost.machine) is None
    ((title, step, times),) = slower(after, before)
    assert (title, step, times) == (first.title, STEP, 12.0 / 10.0)
    put_cost(after, before)
    output = capsys.readouterr()
    assert WHOLE in output.out
    assert output.err.startswith(f"slower: {first.title}, {STEP}: 1.20 times the last run")


def test_a_damaged_result_and_a_folder_in_use_are_named(recs: CommandLine, tmp_path: Path) -> None:
    code, _, err = recs(tmp_path / "home", "benchmark", "pipeline", *SIZES, "--keep", str(Path(__file__).parent))
    assert (code, "is there already and not an empty folder" in err) == (2, True)
    home = Home(tmp_path / "home")
    cost = PipelineCost.from_json(_smallest())
    save(home, cost).write_text("{}")
    with pytest.raises(UsageError, match=r"pipeline-1-1-1-1d-1t-20240101T000000\.json is no saved benchmark"):
        last_saved(home, cost.sizes, cost.machine)


def _smallest() -> dict[str, object]:
    return {
        "measured_at": "2024-01-01T00:00:00+00:00",
        "sizes": {"events": 1, "users": 1, "items": 1, "days": 1},
        "machine": {"cores": 1, "threads": 1, "memory_limit_gb": 1.0, "load": 0.0},
        "floors": {"copied_bytes": 1.0, "flops": 1.0, "scanned_rows": 1.0},
        "runs": [],
    }


def test_the_log_is_cut_at_midnight_before_its_last_day(tmp_path: Path) -> None:
    history, last_day = tmp_path / "history", tmp_path / "last_day"
    midnight = write_log_by_day(history, last_day, events=8_000, users=50, items=100, days=20)
    assert f"{midnight:%Y-%m-%d %H:%M}" == "2024-01-21 00:00"
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        found = [
            con.execute(
                f"select count(*), count(distinct event_id), min(occurred_at)::date, max(occurred_at)::date "
                f"from '{folder / 'events.parquet'}'"
            ).fetchone()
            for folder in (history, last_day)
        ]
    assert [str(day) for row in found for day in (row or ())[2:]] == [
        "2024-01-01", "2024-01-20", "2024-01-21", "2024-01-21",
    ]  # fmt: skip
    assert all(row and row[0] == row[1] for row in found)
    assert abs((found[0] or (0,))[0] - 8_000) < 200
