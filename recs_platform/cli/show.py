"""How commands print: results on stdout, progress and errors on stderr. Values are formatted in `values`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from recs_platform.cli.values import csv_line, json_text, shown

if TYPE_CHECKING:
    import polars as pl

    from recs_platform.defs.running import Outcome


def say(message: str) -> None:
    """A line for the person at the terminal."""
    typer.echo(message, err=True)


def say_error(message: str) -> None:
    """An error in one line."""
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


def say_seconds(title: str, outcome: "Outcome", wall_seconds: float) -> None:
    """Seconds per asset, slowest first."""
    say(f"{title}: {wall_seconds:.1f} s in all, run {outcome.run_id[:8]}")
    for step in sorted(outcome.steps, key=lambda step: -step.seconds):
        say(f"  {step.seconds:7.2f} s  {step_name(step.name)}")


def step_name(name: str) -> str:
    """A step as its asset is called."""
    return name.replace("__", ".")
