"""The commands of releases: list, show, diff, rollback, pin, withdraw."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recs_platform.cli.format import human, share
from recs_platform.cli.house import find_platform, open_dagster, start_apart
from recs_platform.cli.options import AsJson
from recs_platform.cli.show import put_json, put_table, say
from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError

if TYPE_CHECKING:
    from recs_platform.pipeline.platform import Platform

ReleaseId = Annotated[str, typer.Argument(help="The release, as `recs releases list` names it.")]

app = typer.Typer(
    help="List, show, compare, roll back and withdraw releases.",
    no_args_is_help=True,
    rich_markup_mode=None,
    suggest_commands=False,
)


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Every sealed release, newest as-of first.

    Example: recs releases list
    """
    platform = find_platform()
    from recs_platform.stages.releases import list_releases, why_stale

    found = list_releases(platform.home).sort(c.AS_OF, c.SEALED_AT, descending=True)
    if as_json:
        put_json({"releases": found.to_dicts()})
    else:
        rows = found.drop(c.CONTENT_HASH, c.KNOWN_AT, c.PREVIOUS_RELEASE_ID)
        put_table(rows.columns, [[human(value) for value in row] for row in rows.rows()])
        stale = rows.filter(c.IS_STALE)[c.RELEASE_ID].to_list()
        if stale:
            typer.echo(why_stale(platform.home, stale[0]))
        if len(stale) > 1:
            typer.echo(f"{len(stale) - 1:,} more are stale likewise: rebuild them oldest first")


@app.command("show")
def show(release_id: ReleaseId) -> None:
    """A release's manifest, as one JSON object.

    Example: recs releases show 2017-02-20-1a2b3c4d5e6f
    """
    platform = find_platform()
    from recs_platform.stages.releases import find_release

    put_json(find_release(platform.home, release_id).model_dump(mode="json"))


@app.command("diff")
def diff(
    a: Annotated[str, typer.Argument(help="The earlier release.")],
    b: Annotated[str, typer.Argument(help="The later release.")],
    as_json: AsJson = False,
) -> None:
    """What changed from release A to release B.

    Example: recs releases diff 2017-02-19-0a1b2c3d4e5f 2017-02-20-1a2b3c4d5e6f
    """
    platform = find_platform()
    from recs_platform.pipeline.questions.show import compare_releases

    found = compare_releases(platform, a, b).summary()
    if as_json:
        put_json(found)
    else:
        _put_diff(platform, found)


def _put_diff(platform: "Platform", found: dict[str, Any]) -> None:
    """Counts and shares, then the items that came into or went out of most lists."""
    from recs_platform.pipeline.questions.show import item_titles

    movers, exposure = found.pop("movers"), found.pop("exposure")
    for name in ("changed_share", "mean_overlap"):
        found[name] = share(found[name])
    put_table(["what", "value"], [[name, human(value)] for name, value in found.items()])
    if exposure:
        typer.echo("\nexposure that shifted most:")
        put_table(
            [*exposure[0]], [[*list(row.values())[:2], *(share(x) for x in list(row.values())[2:])] for row in exposure]
        )
    if not movers:
        typer.echo("no item is in more or fewer lists than before")
        return
    titles = item_titles(platform, [row[c.ITEM_ID] for row in movers])
    typer.echo("\nitems whose number of lists changed most:")
    rows = [[titles.get(row[c.ITEM_ID]), *row.values()] for row in movers]
    put_table([c.TITLE, *movers[0]], rows)


@app.command("rollback")
def rollback(
    release_id: Annotated[str, typer.Argument(help="A release, or `latest` to remove the pin.")],
) -> None:
    """Pin a release as the current one; `latest` removes the pin.

    Example: recs releases rollback 2017-02-19-0a1b2c3d4e5f
    """
    platform = find_platform()
    from recs_platform.pipeline.rollback import LATEST, roll_back
    from recs_platform.stages.releases import pinned_release

    typer.echo(f"current release: {roll_back(platform, release_id, say).version}")
    pinned = pinned_release(platform.home)
    if pinned != (None if release_id == LATEST else release_id):
        now = "no release is pinned" if pinned is None else f"{pinned} is pinned"
        say(f"another command changed that meanwhile: {now}")
    elif pinned is not None:
        say("it is pinned: what is built from now on does not replace it, until `recs releases rollback latest`")
    say_replaced(platform, typer.echo)
    tell_ui_later(platform)


@app.command("pin")
def pin(
    release_id: Annotated[str | None, typer.Argument(help="A release; without it, the one in force now.")] = None,
) -> None:
    """Keep a release in force, whatever is built from now on, until `recs releases rollback latest`.

    Examples: recs releases pin
    and: recs releases pin 2017-02-19-0a1b2c3d4e5f
    """
    from recs_platform.pipeline.rollback import LATEST
    from recs_platform.stages.releases import current_release

    if release_id == LATEST:
        raise UsageError(
            "`latest` is no release: `recs releases pin` keeps the one in force, `recs releases rollback latest` "
            "removes the pin"
        )
    rollback(current_release(find_platform().home).version if release_id is None else release_id)


@app.command("withdraw")
def withdraw(release_id: ReleaseId) -> None:
    """Withdraw a release for good; the release of the latest remaining as-of becomes current.

    Example: recs releases withdraw 2017-02-20-1a2b3c4d5e6f
    """
    platform = find_platform()
    from recs_platform.defs.withdrawal import withdraw

    current = withdraw(platform, release_id, say)
    typer.echo(f"withdrawn: {release_id}")
    typer.echo(f"current release: {'none' if current is None else current.version}")
    _report_in_force(platform)


def tell_ui_later(platform: "Platform") -> None:
    """Show the UI which release is in force, within seconds: whoever rolls back need not wait for Dagster's import.

    What becomes of it is written to `logs/in_force.log`.
    """
    start_apart(platform, "recs_platform.defs.tell_in_force", log="in_force.log")


def say_replaced(platform: "Platform", put: Callable[[str], None]) -> None:
    """Say what of the release in force is not served as it was sealed, where anything is not."""
    from recs_platform.pipeline.served import replaced_in_force

    sentence = replaced_in_force(platform)
    if sentence is not None:
        put(sentence)


def _report_in_force(platform: "Platform") -> None:
    """Say what is not served of it, and show the UI which it is: lists are switched before Dagster is imported."""
    say_replaced(platform, typer.echo)
    from recs_platform.defs.in_force import report_in_force

    with open_dagster(platform) as instance:
        report_in_force(platform, instance)
