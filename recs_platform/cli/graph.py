"""Commands that run the graph: run, backfill, evaluate, demo."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from recs_platform.cli.house import find_platform, nothing_else_builds, open_dagster, open_platform
from recs_platform.cli.progress import Progress
from recs_platform.cli.show import put_frame, put_json, say, say_seconds
from recs_platform.contracts.counted import counted
from recs_platform.contracts.errors import UsageError
from recs_platform.contracts.time import as_of_key, parse_instant

if TYPE_CHECKING:
    import dagster as dg
    import polars as pl

    from recs_platform.defs.running import Outcome
    from recs_platform.pipeline.platform import Platform

    Watch = Callable[[str, str], None]

_LEFT_MAX = 5
AsOf = Annotated[str | None, typer.Option("--as-of", help="A date (midnight UTC) or 2017-02-20T15.")]
Force = Annotated[
    bool,
    typer.Option("--force", help="Also build what is up to date, after now, or long after the last event."),
]


def run(as_of: AsOf = None, force: Force = False) -> None:
    """Ingest landing, then build one as-of: features to released recommendations.

    The default as-of is midnight after the last event. A build whose inputs did not change is skipped;
    `recs plan` shows it beforehand. Example: recs run --as-of 2017-02-20
    """
    instant = None if as_of is None else read_as_of(as_of, force=force)
    platform = open_platform()
    from recs_platform.defs.instance import fail_stuck_runs
    from recs_platform.pipeline.event_gap import far_events
    from recs_platform.pipeline.event_span import default_as_of

    with open_dagster(platform) as instance:
        for stuck in fail_stuck_runs(instance):
            say(f"run {stuck.run_id[:8]} ({stuck.job}) is marked as failed: {stuck.reason}")
        _ingest(platform, instance)
        at = default_as_of(platform) if instant is None else instant
        caution = far_events(platform, datetime.now(UTC)) if instant is None else None
        if caution is not None:
            say(caution)
        _build(platform, instance, at, force=force)
    say_release(platform, at)


def _ingest(platform: "Platform", instance: "dg.DagsterInstance") -> None:
    """Take in what is in landing, and say what is left there."""
    from recs_platform.defs import launch
    from recs_platform.pipeline.ingestion.summary import left_alone

    _step("ingest", partial(launch.ingest, platform, instance))
    left = left_alone(platform)
    for line in left[:_LEFT_MAX]:
        say(line)
    if len(left) > _LEFT_MAX:
        say(f"{len(left) - _LEFT_MAX:,} more files are left in landing: `recs status` names them")


def read_as_of(text: str, *, force: bool) -> datetime:
    """An as-of that was typed. Raises UsageError for what is no date, or lies after now unless it is forced."""
    from recs_platform.pipeline.event_span import require_not_after

    instant = parse_instant(text)
    if not force:
        require_not_after(instant, datetime.now(UTC))
    return instant


def _build(platform: "Platform", instance: "dg.DagsterInstance", at: datetime, *, force: bool) -> None:
    """Build an as-of where there is a reason to, and say what it is."""
    from recs_platform.defs import launch
    from recs_platform.pipeline.event_span import require_possible
    from recs_platform.pipeline.plans import plan_build

    now = datetime.now(UTC)
    require_possible(platform, at, now, forced=force)
    plan = plan_build(platform, at, now)
    if plan.runs or force:
        say(plan.verdict if plan.runs else f"{plan.verdict}; built again (--force)")
        _step(f"build {as_of_key(at)}", partial(launch.build, platform, instance, at, forced=force, plan=plan))
    else:
        typer.echo(f"{as_of_key(at)} is {plan.verdict}; --force builds it again")


def _step(title: str, action: "Callable[[Watch], Outcome]") -> None:
    """Run one job with progress, then say its seconds."""
    progress = Progress(title)
    started = time.monotonic()
    with progress.following():
        outcome = action(progress.watch)
    say_seconds(title, outcome, time.monotonic() - started)


def say_release(platform: "Platform", at: datetime) -> None:
    """The release that was built as of an instant, and the one in force where that is another."""
    from recs_platform.pipeline.questions.release_summary import summarize_release, users_without_items
    from recs_platform.stages.releases import built_release, current_release, pinned_release

    current = current_release(platform.home)
    built = built_release(platform.home, at) or current
    users, without = int(built.metrics.get("n_users", 0)), users_without_items(platform, built)
    typer.echo(f"release {built.version} as of {as_of_key(built.as_of)}: lists for {counted(users, 'user')}")
    if without:
        have = "has" if without == 1 else "have"
        typer.echo(f"{counted(without, 'user')} {have} an empty list; recommendations.short_lists has the reasons")
    for line in summarize_release(platform, built).lines:
        typer.echo(line)
    if built.version != current.version:
        why = "it is pinned" if pinned_release(platform.home) == current.version else "its as-of is later"
        typer.echo(f"in force stays release {current.version} as of {as_of_key(current.as_of)}: {why}")
    typer.echo(f"analysts' file: {platform.home.analytics}")


def backfill(
    start: Annotated[str, typer.Option("--from", help="First as-of.")],
    end: Annotated[str, typer.Option("--to", help="Last as-of, included.")],
    every: Annotated[str, typer.Option(help="Step: 1d, 7d, 12h.")] = "1d",
    force: Force = False,
) -> None:
    """Build several as-ofs in order, except those up to date; the release of the latest as-of is the current one.

    Example: recs backfill --from 2017-02-14 --to 2017-02-20 --every 1d
    """
    first, last, step = parse_instant(start), read_as_of(end, force=force), _parse_step(every)
    if last < first:
        raise UsageError(f"--to {end} lies before --from {start}")
    platform = open_platform()
    from recs_platform.defs.instance import fail_stuck_runs
    from recs_platform.pipeline.event_span import require_possible

    with open_dagster(platform) as instance:
        fail_stuck_runs(instance)
        _ingest(platform, instance)
        for instant in (first, last):
            require_possible(platform, instant, datetime.now(UTC), forced=force)
        instants = [first + number * step for number in range((last - first) // step + 1)]
        for instant in instants:
            _build(platform, instance, instant, force=force)
    say_release(platform, instants[-1])


def _parse_step(text: str) -> timedelta:
    units = {"d": "days", "h": "hours"}
    if len(text) < 2 or text[-1] not in units or not text[:-1].isdigit() or int(text[:-1]) < 1:  # noqa: PLR2004
        raise UsageError(f"not a step: {text!r}; write 1d, 7d or 12h")
    return timedelta(**{units[text[-1]]: int(text[:-1])})


def evaluate(
    as_of: Annotated[str, typer.Option("--as-of", help="Candidates and ranker are rebuilt from events before it.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also after now, or long after the last event.")] = False,
) -> None:
    """Rebuild candidates and ranker from events before the as-of and score them on the horizon after it.

    Example: recs evaluate --as-of 2017-02-06
    """
    instant = read_as_of(as_of, force=force)
    platform = find_platform()
    from recs_platform.pipeline.event_span import require_possible
    from recs_platform.pipeline.training.backtest import evaluate_once

    require_possible(platform, instant, datetime.now(UTC), forced=force)
    with nothing_else_builds(platform):
        metrics = evaluate_once(platform, instant, say)
    if as_json:
        put_json({"as_of": as_of_key(instant), "metrics": metrics.to_dicts()})
    else:
        put_frame(metrics, "table")


def backtest(
    start: Annotated[str, typer.Option("--from", help="First as-of.")],
    end: Annotated[str, typer.Option("--to", help="Last as-of, included.")],
    every: Annotated[str, typer.Option(help="Step: 1d, 7d, 12h.")] = "7d",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Evaluate at several as-ofs in the past, everything rebuilt at each; a table, and a page with a chart.

    Example: recs backtest --from 2017-01-02 --to 2017-02-06 --every 7d
    """
    first, last, step = parse_instant(start), read_as_of(end, force=False), _parse_step(every)
    if last < first:
        raise UsageError(f"--to {end} lies before --from {start}")
    platform = find_platform()
    from recs_platform.pipeline.event_span import require_possible
    from recs_platform.pipeline.training.backtest import run_backtest, write_backtest

    for instant in (first, last):
        require_possible(platform, instant, datetime.now(UTC))
    instants = [first + number * step for number in range((last - first) // step + 1)]
    with nothing_else_builds(platform):
        found = run_backtest(platform, instants, say)
    page = write_backtest(platform, found)
    if as_json:
        summary, rows = found.summary.to_dicts(), found.rows.with_columns(as_of=_as_of_text()).to_dicts()
        put_json({"summary": summary, "rows": rows, "page": page.as_posix()})
    else:
        put_frame(found.table, "table")
        typer.echo("")
        put_frame(found.summary, "table")
        typer.echo(f"page: {platform.home.root / page}")


def tradeoff(
    as_of: AsOf = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """What variety of lists costs: recall and NDCG against diversity, coverage and novelty, at settings of `diversity`.

    Example: recs tradeoff --as-of 2017-02-20
    """
    instant = None if as_of is None else read_as_of(as_of, force=False)
    platform = find_platform()
    from recs_platform.pipeline.event_span import default_as_of, require_possible
    from recs_platform.pipeline.training.tradeoff import trade_off, write_trade_off

    at, known = default_as_of(platform) if instant is None else instant, datetime.now(UTC)
    require_possible(platform, at, known)
    with nothing_else_builds(platform):
        rows = trade_off(platform, at, known, say)
    page = write_trade_off(platform, at, rows)
    if as_json:
        put_json({"as_of": as_of_key(at), "rows": rows.to_dicts(), "page": page.as_posix()})
    else:
        put_frame(rows, "table")
        typer.echo(f"page: {platform.home.root / page}")


def _as_of_text() -> "pl.Expr":
    import polars as pl

    return pl.col("as_of").map_elements(as_of_key, return_dtype=pl.String)


def demo() -> None:
    """What `make run` does: a synthetic world if landing is empty, the whole graph, lists for three users.

    Example: recs demo
    """
    from recs_platform.cli.data import simulate

    platform = open_platform()
    if not any(path.is_file() for path in platform.home.landing.rglob("*")):
        simulate()
    run(None)
    from recs_platform.cli.results import show_three_users

    show_three_users(platform)
    typer.echo(
        "\nnext:\n"
        "  .venv/bin/recs report                     quality, drift and bias: a page for each report\n"
        "  .venv/bin/recs serve                      the lists over HTTP on http://127.0.0.1:8080/docs\n"
        "  make ui                                   the Dagster UI on http://127.0.0.1:3000\n"
        "  .venv/bin/recs sql \"select * from reports.offline_metrics where segment = 'all'\"\n"
        "  .venv/bin/recs land contract FOLDER       your own data, then: .venv/bin/recs run"
    )


def add_commands(app: typer.Typer) -> None:
    """Put this module's commands on the app."""
    for command in (run, backfill, evaluate, backtest, tradeoff, demo):
        app.command()(command)
