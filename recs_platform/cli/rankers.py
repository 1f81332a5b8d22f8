"""Commands about sealed rankers: list, show, compare, pin, retire."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from recs_platform.cli.house import find_platform, nothing_else_builds
from recs_platform.cli.options import AsJson
from recs_platform.cli.show import put_frame, put_json, say
from recs_platform.contracts import columns as c
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.home import Lock
from recs_platform.contracts.time import parse_instant

app = typer.Typer(
    help="Rankers: list, show, compare, pin and retire them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    suggest_commands=False,
)
Version = Annotated[str, typer.Argument(help="The ranker, or the beginning of its version; see `recs rankers list`.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; it must be given, and is kept.")]
FEATURES_SHOWN = 15
LINES_SHOWN = [c.LINE, c.SEGMENT, c.METRIC, c.CHALLENGER_VALUE, c.OPPONENT_VALUE, c.CI_LOW, c.CI_HIGH, c.IS_PASSED]


@app.command("list")
def list_all(
    every: Annotated[bool, typer.Option("--all", help="Those made for tests at past cutoffs too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Rankers that served, the newest, and those pinned or retired.

    Example: recs rankers list --all
    """
    from recs_platform.pipeline.questions.rankers import list_rankers

    found = list_rankers(find_platform(), every=every)
    if as_json:
        put_json({"rankers": found.to_dicts()})
    elif found.is_empty():
        say("no ranker yet: `recs run` trains one")
    else:
        put_frame(found, "table")


@app.command("show")
def show(version: Version, as_json: AsJson = False) -> None:
    """What a ranker was made from, and what its trees split on.

    Example: recs rankers show 3845ff528540067a
    """
    platform = find_platform()
    from recs_platform.pipeline.questions.rankers import importance, sealed_ranker

    manifest = sealed_ranker(platform, version)
    features = importance(platform, manifest)
    if as_json:
        put_json({**manifest.model_dump(mode="json"), "importance": features.to_dicts()})
        return
    shown = manifest.model_dump(mode="json", exclude={"parameters", "metrics", "libraries", "inputs"})
    for name, value in {**shown, **manifest.parameters, **manifest.metrics, **manifest.libraries}.items():
        typer.echo(f"{name}: {value}")
    typer.echo("")
    put_frame(features.head(FEATURES_SHOWN), "table")


@app.command("compare")
def compare(
    a: Version,
    b: Version,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Cutoffs are those before it; by default midnight after the last event."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold ranker A against B at past cutoffs, by the lines of the gate; nothing is changed.

    Example: recs rankers compare 3845ff52 90ab12cd
    """
    platform = find_platform()
    from recs_platform.pipeline.event_span import default_as_of
    from recs_platform.pipeline.questions.rankers import compare_rankers, sealed_ranker

    first, second = (sealed_ranker(platform, version) for version in (a, b))
    instant = default_as_of(platform) if as_of is None else parse_instant(as_of)
    with nothing_else_builds(platform):
        found = compare_rankers(platform, first, second, instant, datetime.now(UTC), say)
    if as_json:
        put_json({"passes": found.passes, "user_windows": found.n_pairs, "lines": found.lines.to_dicts()})
        return
    put_frame(found.lines.select(LINES_SHOWN), "table")
    verdict = "would pass the gate" if found.passes else "would not pass the gate"
    typer.echo(f"{first.version} {verdict} against {second.version}, over {found.n_pairs} user windows")


@app.command("pin")
def pin(version: Version, reason: Reason = None) -> None:
    """Let a ranker serve from the next run on, whatever the gate says; until it is unpinned.

    Example: recs rankers pin 3845ff52 --reason "the campaign needs last week's order"
    """
    _write("pin", version, reason)


@app.command("unpin")
def unpin(reason: Reason = None) -> None:
    """Let the gate decide again.

    Example: recs rankers unpin --reason "the campaign is over"
    """
    _write("unpin", None, reason)


@app.command("retire")
def retire(version: Version, reason: Reason = None) -> None:
    """Never let a ranker serve again, from the next run on; it stays to look at.

    Example: recs rankers retire 3845ff52 --reason "trained on a week of broken clicks"
    """
    _write("retire", version, reason)


@app.command("restore")
def restore(version: Version, reason: Reason = None) -> None:
    """Take a retirement back.

    Example: recs rankers restore 3845ff52 --reason "the clicks were right"
    """
    _write("restore", version, reason)


def _write(action: Literal["pin", "unpin", "retire", "restore"], version: str | None, reason: str | None) -> None:
    """Write it down while no as-of is built: a build has one champion from its first step to its last."""
    platform = find_platform()
    if not reason:
        raise UsageError(f"say why, for those who look at it later: recs rankers {action} … --reason TEXT")
    from recs_platform.lake.locks import exclusive
    from recs_platform.pipeline.questions.rankers import sealed_ranker
    from recs_platform.stages.ranking import Override, read_overrides, write_override

    named = None if version is None else sealed_ranker(platform, version).version
    override: Override = Override(action=action, version=named, reason=reason, at=datetime.now(UTC))
    with exclusive(platform.home.lock(Lock.AS_OF), on_wait=say):
        before = read_overrides(platform.home.artifacts)
        retired = before.retired.get(named or "") if action == "pin" else None
        if retired is not None:
            raise UsageError(
                f"{named} was retired: {retired.reason}; `recs rankers restore {named}` first, or pin another"
            )
        write_override(platform.home.artifacts, override)
    say(f"{action} {named or ''}".strip() + ": the next run follows it")
    if action == "retire" and before.pinned is not None and before.pinned.version == named:
        say(f"{named} is pinned too, and will not serve: the gate decides until another is pinned")
