"""Commands about rejected rows: list them with the reasons, and replay files once they or the SQL are repaired."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recs_platform.cli.house import find_platform, open_dagster
from recs_platform.cli.options import AsJson
from recs_platform.cli.progress import Progress
from recs_platform.cli.show import put_json, put_table, say
from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recs_platform.pipeline.ingestion.quarantine import QuarantineFilter
    from recs_platform.pipeline.platform import Platform
    from recs_platform.stages.events import FileCounts

File = Annotated[str | None, typer.Option("--file", help="Path of the file below landing, or the end of it.")]
Reason = Annotated[str | None, typer.Option("--reason", help="A reason_code, such as bad_occurred_at.")]
Table = Annotated[str | None, typer.Option("--table", help="The contract table, such as events.")]
PAYLOAD_SHOWN = 80
LISTED = [c.SOURCE_FILE, c.LINE_NUMBER, c.CONTRACT_TABLE, c.REASON_CODE, c.REASON, c.PAYLOAD]
COUNTED = [c.SOURCE_FILE, c.CONTRACT_TABLE, c.ROWS_READ, c.ROWS_ACCEPTED, c.ROWS_QUARANTINED, c.ROWS_DUPLICATE]

app = typer.Typer(
    help="Rows that were rejected: count, list, export and replay them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    suggest_commands=False,
)


@app.command("summary")
def summary(as_json: AsJson = False) -> None:
    """Rejected rows by source, table and reason, with an example of each.

    Example: recs quarantine summary --json
    """
    platform = find_platform()
    from recs_platform.pipeline.ingestion.quarantine import summary

    found = summary(platform)
    if as_json:
        put_json({"reasons": found.to_dicts()})
        return
    put_table(found.columns, found.rows())
    say(f"{found['rows'].sum():,} rows in quarantine")


@app.command("list")
def list_rows(
    file: File = None,
    reason: Reason = None,
    table: Table = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Rejected rows with file, line, reason and payload, by file and line.

    Example: recs quarantine list --reason bad_occurred_at --limit 5
    """
    platform = find_platform()
    from recs_platform.pipeline.ingestion import quarantine as quarantining

    which = quarantining.QuarantineFilter(file=file, reason=reason, table=table)
    found, total = quarantining.rows(platform, which, limit), quarantining.count(platform, which)
    if as_json:
        put_json({"total": total, "rows": found.to_dicts()})
        return
    put_table(LISTED, [[*row[:-1], _cut(row[-1])] for row in found.select(LISTED).rows()])
    say(f"{found.height:,} of {total:,} rows; `recs quarantine export FILE` writes all of them")


def _cut(payload: str | None) -> str | None:
    one_line = None if payload is None else " ".join(payload.split())
    return one_line if one_line is None or len(one_line) <= PAYLOAD_SHOWN else f"{one_line[: PAYLOAD_SHOWN - 1]}…"


@app.command("export")
def export(
    target: Annotated[Path, typer.Argument(help="The .csv, .jsonl or .parquet file to write.")],
    file: File = None,
    reason: Reason = None,
    table: Table = None,
) -> None:
    """Write rejected rows, whole, into a .csv, .jsonl or .parquet file.

    Example: recs quarantine export rejected.csv --table events
    """
    platform = find_platform()
    from recs_platform.pipeline.ingestion import quarantine as quarantining

    rows = quarantining.export(platform, quarantining.QuarantineFilter(file=file, reason=reason, table=table), target)
    say(f"{rows:,} rows")
    typer.echo(str(target))


@app.command("replay")
def replay(
    file: File = None,
    source: Annotated[str | None, typer.Option("--source", help="All files of one source.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Validate every row, store nothing.")] = False,
) -> None:
    """Replay files with rejected rows, with today's source SQL and what the files in landing hold today.

    Repair the SQL in the folder that `recs source list` names, or the file itself, then replay.

    Example: recs quarantine replay --source world --dry-run
    """
    if file is not None and source is not None:
        raise UsageError("give --file or --source, not both")
    platform = find_platform()
    from recs_platform.pipeline.ingestion.quarantine import QuarantineFilter, files_to_replay

    which = QuarantineFilter(file=file, source=source)
    found = files_to_replay(platform, which)
    for name in found.filter(~found["in_landing"])[c.SOURCE_FILE]:
        say(f"no longer in landing, land it again to replay it: {name}")
    if found.is_empty() or not found["in_landing"].any():
        typer.echo("nothing to replay")
    elif dry_run:
        _put_counts(_tried(platform, which))
    else:
        _replay(platform, which)


def _tried(platform: "Platform", which: "QuarantineFilter") -> "Sequence[FileCounts]":
    from recs_platform.pipeline.ingestion import ingest as ingestion

    with platform.connection() as con:
        return ingestion.replay_files(platform, con, which, now=datetime.now(UTC), progress=say, dry_run=True).after


def _replay(platform: "Platform", which: "QuarantineFilter") -> None:
    from recs_platform.defs import launch
    from recs_platform.pipeline.ingestion.quarantine import count

    before, progress = count(platform, which), Progress("replay")
    with open_dagster(platform) as instance, progress.following():
        launch.replay(platform, instance, which, progress.watch)
    typer.echo(f"{before:,} rows were in quarantine, {count(platform, which):,} are now; `recs run` builds with them")


def _put_counts(files: "Sequence[FileCounts]") -> None:
    put_table(COUNTED, [[getattr(file, name) for name in COUNTED] for file in files])
