"""The command `recs benchmark pipeline`: sizes in, a table or one JSON object out, saved for the next time."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from recs_platform.cli.show import put_json, say
from recs_platform.contracts.errors import UsageError

EVENTS_A_USER, EVENTS_AN_ITEM = 100, 200
USERS_MIN, ITEMS_MIN = 50, 100


def pipeline(
    events: Annotated[int, typer.Option(min=1_000, help="Events of the made-up log.")] = 1_000_000,
    users: Annotated[int | None, typer.Option(min=USERS_MIN, help="Its users; one to 100 events when absent.")] = None,
    items: Annotated[int | None, typer.Option(min=ITEMS_MIN, help="Its items; one to 200 events when absent.")] = None,
    days: Annotated[int, typer.Option(min=20, max=600, help="Days it covers.")] = 60,
    runs: Annotated[
        int, typer.Option(min=1, max=3, help="1: the first build; 2: also an unchanged run; 3: also one more day.")
    ] = 3,
    keep: Annotated[
        Path | None, typer.Option(help="New folder to work in and leave; a temporary one when absent.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """The whole graph on a made-up log, in a home of its own: seconds, rows and memory of each step beside floors.

    Each run is a process of its own. Threads and memory limit are those of the settings. The result is saved in the
    home's reports/benchmarks and compared with the last one of the same sizes: 15 % slower is said.
    Example: recs benchmark pipeline --events 1000000 --json
    """
    from recs_platform.cli.pipeline_benchmark.results import Sizes
    from recs_platform.cli.pipeline_benchmark.runs import measure_pipeline
    from recs_platform.cli.pipeline_benchmark.saved import last_saved, save, slower
    from recs_platform.cli.pipeline_benchmark.table import put_cost
    from recs_platform.settings import read_settings

    settings = read_settings()
    sizes = Sizes(
        events,
        users or max(USERS_MIN, events // EVENTS_A_USER),
        items or max(ITEMS_MIN, events // EVENTS_AN_ITEM),
        days,
    )
    with _folder(keep) as folder:
        cost = measure_pipeline(folder, sizes, settings, runs)
    last = last_saved(settings.paths, sizes, cost.machine)
    saved = save(settings.paths, cost)
    if as_json:
        worse = [{"run": run, "step": step, "times": times} for run, step, times in slower(cost, last)]
        put_json({**cost.to_json(), "compared_with": None if last is None else last.measured_at, "slower": worse})
    else:
        put_cost(cost, last)
    say(f"saved as {saved}")


@contextmanager
def _folder(keep: Path | None) -> Generator[Path]:
    """The folder to work in. Raises UsageError where `keep` holds something."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="recs-benchmark-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UsageError(f"--keep {keep} is there already and not an empty folder; name a new one")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.absolute()
