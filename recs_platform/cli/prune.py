"""`recs prune`: remove what has grown old."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from recs_platform.cli.house import find_platform, open_dagster
from recs_platform.cli.show import put_json, say


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go; change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Remove as-ofs beyond the newest, artifacts that nothing names, and old records of runs.

    Limits are in recs.toml under `retention`. Example: recs prune --dry-run
    """
    platform = find_platform()
    from recs_platform.defs.in_force import report_in_force
    from recs_platform.defs.pruning import prune as remove

    with open_dagster(platform) as instance:
        pruned = remove(platform, instance, datetime.now(UTC), dry_run=dry_run, say=say)
        if pruned.as_ofs and not dry_run:
            report_in_force(platform, instance)
    if as_json:
        put_json({"dry_run": dry_run, **asdict(pruned)})
        return
    verb = "would remove" if dry_run else "removed"
    if pruned.is_nothing:
        typer.echo("nothing has grown old")
        return
    if pruned.as_ofs:
        typer.echo(f"{verb} {len(pruned.as_ofs)} as-ofs: {', '.join(pruned.as_ofs)}")
    for name, count in pruned.artifacts.items():
        typer.echo(f"{verb} {count} of {name}")
    typer.echo(f"{verb} {pruned.artifact_bytes / 1e6:.1f} MB of artifacts and the records of {pruned.runs} runs")


def add_commands(app: typer.Typer) -> None:
    """Put this module's command on the app."""
    app.command()(prune)
