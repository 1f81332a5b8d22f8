"""Commands about data: init, simulate, land, ingest, status, forget."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recs_platform.cli.format import human
from recs_platform.cli.house import find_platform, make_home, open_dagster, open_platform
from recs_platform.cli.progress import Progress
from recs_platform.cli.show import put_json, put_table, say
from recs_platform.contracts.counted import counted
from recs_platform.contracts.errors import UsageError
from recs_platform.settings import read_settings

if TYPE_CHECKING:
    from recs_platform.pipeline.forgetting.receipts import Receipt
    from recs_platform.pipeline.ingestion.summary import IngestionSummary


def init() -> None:
    """Create the home: folders, a commented recs.toml, the Dagster instance. Safe to repeat.

    Example: recs init
    """
    home = read_settings().paths
    is_new = make_home(home)
    open_dagster(open_platform())
    typer.echo(f"{'created' if is_new else 'already there'}: {home.root}")


def simulate(
    users: Annotated[int | None, typer.Option(min=1, help="Number of users.", show_default="2000")] = None,
    items: Annotated[int | None, typer.Option(min=1, help="Number of items.", show_default="1000")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days of events.", show_default="60")] = None,
    events: Annotated[int | None, typer.Option(min=1, help="Number of events, about.", show_default="200000")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 7,
    preset: Annotated[
        str | None, typer.Option(help="A world of clicks without impressions: news, shop, video or courses.")
    ] = None,
) -> None:
    """Add files of a seeded synthetic world to landing.

    Its users belong to five groups, such as night-time mobile, that differ in hours, weekdays, devices and visits. A
    preset has sizes and rates of its own, the rates drawn by the seed; its files land as those of the source contract.

    Example: recs simulate --users 500 --days 30 --seed 1
    """
    sizes = {"users": users, "items": items, "days": days, "events": events}
    given = {name: size for name, size in sizes.items() if size is not None}
    landing = open_platform().home.landing
    with _no_such_world():
        folder, written = _simulate_clicks(landing, preset, seed, given) if preset else _simulate(landing, seed, given)
    typer.echo(f"{len(written)} files of the world {seed} are in {folder}")


def _simulate(landing: Path, seed: int, sizes: Mapping[str, int]) -> tuple[Path, list[Path]]:
    from recs_platform.world import WorldConfig, simulate, write_landing

    folder = landing / "world"
    return folder, write_landing(simulate(WorldConfig.model_validate({**sizes, "seed": seed})), folder)


def _simulate_clicks(landing: Path, preset: str, seed: int, sizes: Mapping[str, int]) -> tuple[Path, list[Path]]:
    from recs_platform.world.clicks import click_world_config, simulate_clicks, write_click_landing

    folder = landing / "contract"
    return folder, write_click_landing(simulate_clicks(click_world_config(preset, seed=seed, **sizes)), folder)


@contextmanager
def _no_such_world() -> Generator[None, None, None]:
    """Turn what a world's config refuses into a UsageError that names the field."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"no such world: {field} {first['msg']}".replace("  ", " ")) from None


def land(
    source: Annotated[str, typer.Argument(help="Name of the source; see `recs source list`.")],
    path: Annotated[Path, typer.Argument(help="A file, or a folder of files.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be copied.")] = False,
) -> None:
    """Copy a raw data set into landing, as it is; the source's SQL reads it at ingestion.

    Example: recs land movielens ml-latest-small
    """
    platform = open_platform()
    from recs_platform.stages.events import land
    from recs_platform.stages.events.landing import known_contents
    from recs_platform.stages.events.profiling.fit_check import misfit

    ledger = known_contents(platform.lake)
    report = land(platform.home, platform.sources[source], path, dry_run=dry_run, look=misfit, ledger=ledger)
    verb = "would copy" if dry_run else "copied"
    typer.echo(f"{verb} {counted(len(report.copied), 'file')}, {len(report.already_there)} already there")
    for name in report.ingested:
        say(f"not copied: {name}: its content was ingested before")
    for name in report.to_replay:
        say(f"{name} was ingested before, with rejected rows: `recs quarantine replay --file {name}` reads it again")
    for name, reason in report.ignored:
        say(f"left out: {name}: {reason}")
    if report.others:
        say(f"`recs source new NAME {path}` writes a source for files with other names or columns")
    if report.markers:
        say(f"left out: {len(report.markers)} marker or hidden files, such as {report.markers[0]}")


def ingest() -> None:
    """Ingest every new file in landing, without building anything.

    Example: recs ingest
    """
    platform = open_platform()
    from recs_platform.defs import launch
    from recs_platform.pipeline.ingestion.summary import ledger_keys, summarize_since

    before, progress = ledger_keys(platform), Progress("ingest")
    try:
        with open_dagster(platform) as instance, progress.following():
            outcome = launch.ingest(platform, instance, progress.watch)
    finally:
        _put_ingestion(summarize_since(platform, before))
    for warning in outcome.warnings:
        say(warning)


def _put_ingestion(summary: "IngestionSummary") -> None:
    """What this ingestion brought: counts by file and table, then rejections by reason."""
    from recs_platform.contracts import columns as c

    shown = [c.SOURCE_FILE, c.CONTRACT_TABLE, c.ROWS_READ, c.ROWS_ACCEPTED, c.ROWS_QUARANTINED, c.ROWS_DUPLICATE]
    if summary.files.is_empty():
        typer.echo("no new file in landing")
    else:
        put_table(shown, summary.files.select(shown).rows())
    for each in summary.rejections:
        typer.echo(each.sentence)
    for line in summary.left_alone:
        say(line)


def status(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Home, versions, disk, last release, files waiting in landing, stuck runs.

    Example: recs status
    """
    platform = find_platform()
    from recs_platform.pipeline.questions.status import read_status

    def read_stuck_runs() -> list[str]:
        from recs_platform.defs.instance import describe_stuck_runs

        return describe_stuck_runs(platform.home)

    found = read_status(platform, read_stuck_runs)
    if as_json:
        put_json(found.exact())
        return
    put_table(["what", "value"], [[name, human(value)] for name, value in found.facts.items()])
    for line in found.lines:
        typer.echo(line)


def forget(
    users: Annotated[
        list[str] | None,
        typer.Argument(metavar="[USER]...", help="Ids of users, or anonymous ids that only they used."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would go; change nothing.")] = False,
    pending: Annotated[bool, typer.Option("--pending", help="Forget everybody who was asked for over HTTP.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Erase users everywhere under the home, and let no row of them in again. It cannot be undone.

    Several are erased in one pass, with one receipt. A forgetting that was killed is finished by the same command. The
    next run trains without them.

    Example: recs forget u42 --dry-run
    """
    platform = find_platform()
    if (not users) != pending or (pending and dry_run):
        raise UsageError("name a user, or give --pending alone, as in: recs forget u42")
    from recs_platform.pipeline.forgetting import forget as work

    now = datetime.now(UTC)
    if not users:
        receipts, unknown = work.forget_waiting(platform, now=now, say=say)
        for sentence in unknown:
            say(sentence)
        if as_json:
            put_json({"receipts": [each.model_dump(mode="json") for each in receipts], "unknown": len(unknown)})
            return
        typer.echo(f"{sum(len(each.ids) for each in receipts)} ids forgotten, {len(unknown)} users unknown")
    elif dry_run:
        _put_counts(work.forget_dry_run(platform, *users, now=now, say=say), as_json=as_json)
    else:
        _put_receipt(work.forget(platform, *users, now=now, say=say), now, as_json=as_json)


def _put_counts(counts: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        put_json({"would_remove": dict(counts)})
    else:
        put_table(["where", "would remove"], list(counts.items()))


def _put_receipt(receipt: "Receipt", now: datetime, *, as_json: bool) -> None:
    if as_json:
        put_json(receipt.model_dump(mode="json"))
        return
    was_before = receipt.finished_at is not None and receipt.finished_at < now
    if was_before:
        typer.echo(
            f"forgotten before, at {receipt.finished_at:%Y-%m-%d %H:%M} UTC; nothing of them came since, and nothing "
            "was changed now. What was removed then:"
        )
    put_table(
        ["where", "removed then" if was_before else "removed"], [(x, y.count) for x, y in receipt.removed.items()]
    )
    if was_before:
        return
    typer.echo(receipt.fate_of_rankers)
    for sentence in receipt.left:
        say(sentence)


def add_commands(app: typer.Typer) -> None:
    """Put this module's commands on the app."""
    for command in (init, simulate, land, ingest, status, forget):
        app.command()(command)
