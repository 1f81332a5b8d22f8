"""How commands print: results on stdout, progress and errors on stderr. Decides nothing."""

import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from recs_platform.cli.values import csv_line, json_text, shown

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.defs.launch import Outcome


def say(message: str) -> None:
    """A line for the person at the terminal."""
    typer.echo(message, err=True)


def say_error(message: str) -> None:
    """What went wrong, in one line."""
    typer.echo(f"recs: {message}", err=True)


def put_json(value: Mapping[str, Any]) -> None:
    """One JSON object on stdout, in one line."""
    typer.echo(json_text(value))


def put_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligned columns on stdout, plain text in a pipe as in a terminal."""
    cells = [[shown(value) for value in row] for row in rows]
    names = [shown(name) for name in columns]
    widths = [max([len(name), *(len(row[at]) for row in cells)]) for at, name in enumerate(names)]
    for line in [names, ["-" * width for width in widths], *cells]:
        typer.echo("  ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)).rstrip())


def put_rows(columns: Sequence[str], rows: Sequence[Sequence[object]], form: str) -> None:
    """Rows as `table`, `csv` or `json` (one object with its rows); names are unique."""
    if form == "csv":
        for line in (columns, *rows):
            typer.echo(csv_line(line))
    elif form == "json":
        put_json({"columns": columns, "rows": [dict(zip(columns, row, strict=True)) for row in rows]})
    else:
        put_table(columns, rows)


def put_frame(frame: "pl.DataFrame", form: str) -> None:
    """A frame as `table`, `csv` or `json`."""
    put_rows(frame.columns, frame.rows(), form)


class Progress:
    """Follows a run: a bar for people, plain lines where there is no terminal."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._started: dict[str, float] = {}
        self._bar: Any = None
        self._task: Any = None

    @contextmanager
    def following(self) -> Generator["Progress", None, None]:
        if not sys.stderr.isatty():
            yield self
            return
        from rich.console import Console
        from rich.progress import Progress as Bar
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            self._bar, self._task = bar, bar.add_task(self.title)
            yield self

    def watch(self, kind: str, text: str) -> None:
        """What `defs.launch` tells: an event of a step, or a log line."""
        if kind == "STEP_START":
            self._started[text] = time.monotonic()
            self._show(f"{self.title}: {_step(text)}")
        elif kind in {"STEP_SUCCESS", "STEP_FAILURE"}:
            seconds = time.monotonic() - self._started.get(text, time.monotonic())
            mark = "done" if kind == "STEP_SUCCESS" else "FAILED"
            if self._bar is None:
                say(f"{self.title}: {_step(text)} {mark} in {seconds:.1f} s")
        elif kind == "LOG" and self._bar is not None:
            self._show(f"{self.title}: {text.splitlines()[0] if text else ''}")
        elif kind == "LOG" and "waiting" in text:
            say(f"{self.title}: {text}")

    def _show(self, text: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, description=text)


def say_seconds(title: str, outcome: "Outcome", wall_seconds: float) -> None:
    """Seconds per asset, slowest first."""
    say(f"{title}: {wall_seconds:.1f} s in all, run {outcome.run_id[:8]}")
    for step in sorted(outcome.steps, key=lambda step: -step.seconds):
        say(f"  {step.seconds:7.2f} s  {_step(step.name)}")


def _step(name: str) -> str:
    return name.replace("__", ".")
