"""Commands about sources: write one for your own files, check it on them, list all."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recs_platform.cli.house import find_platform, open_platform
from recs_platform.cli.options import AsJson
from recs_platform.cli.show import put_json, put_table, say
from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError

if TYPE_CHECKING:
    from recs_platform.pipeline.platform import Platform
    from recs_platform.stages.events.profiling.proposal import Proposal
    from recs_platform.stages.events.profiling.trial import Trial

COUNTED = [c.SOURCE_FILE, c.CONTRACT_TABLE, c.ROWS_READ, c.ROWS_ACCEPTED, c.ROWS_QUARANTINED, c.ROWS_DUPLICATE]
FILES_SHOWN = 20

app = typer.Typer(
    help="Sources: write one for your own files, check it, list them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    suggest_commands=False,
)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name of the source: lower-case letters, digits and _.")],
    folder: Annotated[Path, typer.Argument(help="A file, a zip, or a folder of the files.")],
    time_zone: Annotated[
        str, typer.Option("--time-zone", help="Zone of timestamps without one, such as Europe/Berlin.")
    ] = "UTC",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the source of that name in the home.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a source for files of your own into the home, from their headers and first rows, and check it on them.

    Names, times, numbers and event names are guessed; every guess is reported, and marked in the SQL.

    Example: recs source new shop exports --time-zone Europe/Berlin
    """
    if not name.isidentifier() or name != name.lower() or name.startswith("_"):
        raise UsageError(f"{name!r} is not a source name; use lower-case letters, digits and _, such as my_shop")
    platform = open_platform()
    from recs_platform.stages.events.profiling.proposal import propose, write_source

    if name in platform.sources and not (platform.home.sources / name).exists():
        raise UsageError(f"the platform has a source {name!r} already; choose another name")
    proposal = propose(name, folder, time_zone)
    target = platform.home.sources / name
    write_source(proposal, target, force=force)
    trial = _try(platform, name, folder)
    if as_json:
        put_json({"source": name, "folder": str(target), **_proposal_json(proposal), **_trial_json(trial)})
        return
    for file in proposal.files:
        typer.echo(str(target / file))
    _put_proposal(proposal)
    _put_trial(trial)
    say(f"edit {target} where a guess is wrong, then check it: `recs source check {name} {folder}`")
    say(f"then `recs land {name} {folder}` and `recs run`")


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="Name of the source.")],
    folder: Annotated[Path | None, typer.Argument(help="Its files; those in landing when absent.")] = None,
    as_json: AsJson = False,
) -> None:
    """Dry run of a source's files: rows accepted and rejected, by reason with an example. Stores nothing.

    Example: recs source check shop exports
    """
    platform = find_platform()
    landed = platform.home.landing / name
    if folder is None and name in platform.sources and not landed.is_dir():
        raise UsageError(f"no file of {name} lies in landing yet; name a folder: recs source check {name} FOLDER")
    trial = _try(platform, name, folder or landed)
    if as_json:
        put_json({"source": name, **_trial_json(trial)})
    else:
        _put_trial(trial)


@app.command("list")
def list_sources(as_json: AsJson = False) -> None:
    """All sources with the files they read and the tables they feed; invalid ones with the reason.

    Example: recs source list
    """
    sources = find_platform().sources
    rows = [
        {"source": each.name, "reads": each.expected, "fills": ", ".join(each.sql), "folder": str(each.folder)}
        for each in sources.values()
    ]
    if as_json:
        put_json({"sources": rows, "left_out": dict(sources.broken)})
        return
    put_table(["source", "reads", "fills", "folder"], [list(row.values()) for row in rows])
    for name, fault in sources.broken.items():
        say(f"left out: {name}: {fault}")


def _try(platform: "Platform", name: str, folder: Path) -> "Trial":
    from recs_platform.stages.events.profiling.trial import try_source

    # Read again: the source may have been written a moment ago.
    source = platform.read_sources()[name]
    with platform.connection() as con:
        return try_source(source, folder, con, now=datetime.now(UTC), temporary=platform.home.temporary)


def _put_proposal(proposal: "Proposal") -> None:
    rows = [
        [
            each.group.match,
            len(each.group.files),
            fed.table,
            f"{', '.join(selected.fields) or selected.sql} → {selected.column}",
        ]
        for each in proposal.understood
        for fed in each.fed
        for selected in fed.columns
        if selected.column != c.ATTRIBUTES
    ]
    put_table(["files", "parts", "table", "column"], rows)
    for guess in proposal.guesses:
        say(f"guess: {guess}")
    for each in proposal.understood:
        if each.fed and each.unused:
            say(f"not used: {each.group.match}: {', '.join(each.unused)}")
    for name, reason in proposal.left_out:
        say(f"left out: {name}: {reason}")


def _put_trial(trial: "Trial") -> None:
    put_table(COUNTED, [[getattr(file, name) for name in COUNTED] for file in trial.files[:FILES_SHOWN]])
    if len(trial.files) > FILES_SHOWN:
        typer.echo(f"… and {len(trial.files) - FILES_SHOWN} more")
    typer.echo(f"{trial.accepted:,} rows would be accepted, {trial.rejected:,} rejected")
    for each in trial.rejections:
        typer.echo(each.sentence)
    for name, reason in trial.left_out:
        say(f"left out: {name}: {reason}")


def _proposal_json(proposal: "Proposal") -> dict[str, Any]:
    return {
        "files": [
            {
                "match": each.group.match,
                "files": list(each.group.files),
                "tables": {
                    fed.table: {one.column: ", ".join(one.fields) or one.sql for one in fed.columns} for fed in each.fed
                },
                "not_used": list(each.unused),
            }
            for each in proposal.understood
        ],
        "guesses": proposal.guesses,
        "left_out": dict(proposal.left_out),
    }


def _trial_json(trial: "Trial") -> dict[str, Any]:
    return {
        "accepted": trial.accepted,
        "refused": trial.rejected,
        "counts": [{name: getattr(file, name) for name in COUNTED} for file in trial.files],
        "refusals": [
            {
                "contract_table": each.contract_table,
                "reason_code": each.reason_code,
                "reason": each.reason,
                "rows": each.rows,
                "example": each.place,
                "hint": each.hint,
            }
            for each in trial.rejections
        ],
        "not_landed": dict(trial.left_out),
    }
