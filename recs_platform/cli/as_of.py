"""Commands about as-ofs: list them, and remove one with everything built for it."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from datetime import UTC, datetime
from typing import Annotated

import typer

from recs_platform.cli.house import find_dagster, find_platform, open_dagster
from recs_platform.cli.show import put_json, put_table, say

app = typer.Typer(
    help="List as-ofs, and remove one.", no_args_is_help=True, rich_markup_mode=None, suggest_commands=False
)


@app.command("list")
def list_all(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Every as-of in order of time: its release, and any problem with it.

    Example: recs as-of list
    """
    platform = find_platform()
    from recs_platform.defs.withdrawal import list_as_ofs

    with find_dagster(platform) as instance:
        rows = list_as_ofs(platform, instance, datetime.now(UTC))
    if as_json:
        put_json({"as_ofs": rows})
    elif rows:
        put_table([*rows[0]], [[*row.values()] for row in rows])
    else:
        say("there is no as-of yet; `recs run` makes the first")


@app.command("remove")
def remove(date: Annotated[str, typer.Argument(help="The as-of, as `recs as-of list` shows it.")]) -> None:
    """Remove an as-of: its releases are withdrawn, its rows and pages deleted, and the published file is rebuilt.

    Example: recs as-of remove 2031-02-20
    """
    platform = find_platform()
    from recs_platform.defs.in_force import report_in_force
    from recs_platform.defs.withdrawal import remove_as_of

    with open_dagster(platform) as instance:
        removed = remove_as_of(platform, instance, date, say)
        report_in_force(platform, instance)
    for release_id in removed.releases:
        typer.echo(f"withdrawn: {release_id}")
    typer.echo(f"removed: as-of {date}, with its rows in {len(removed.tables)} tables")
