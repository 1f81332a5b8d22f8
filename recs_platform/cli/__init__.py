"""The `recs` command: parses, calls the layers below, prints. Heavy libraries are imported inside commands."""
# typer leaves the callbacks of its options untyped.
# pyright: reportUnknownMemberType=false

import errno
import os
import sys
from typing import Annotated

import typer

from recs_platform.cli import (
    as_of,
    benchmark,
    config,
    data,
    experiments,
    graph,
    keys,
    ope,
    plan,
    prune,
    quarantine,
    rankers,
    releases,
    report,
    results,
    serve,
    source,
    sql_models,
    tune,
    ui,
)
from recs_platform.cli.audit import enter_command
from recs_platform.cli.machine_faults import machine_fault
from recs_platform.cli.sections import SectionedGroup
from recs_platform.cli.show import say_error
from recs_platform.cli.stopping import QuickEnd, heed_interrupts
from recs_platform.contracts.errors import RecsError, UsageError

_NAME_SHOWN = 40

app = typer.Typer(
    name="recs",
    help="From raw events to released recommendations, on one machine.",
    no_args_is_help=True,
    cls=SectionedGroup,
    # click suggests as well, and so `run` was offered twice.
    suggest_commands=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for room in (data, graph, ope, plan, prune, report, results, serve, sql_models, ui):
    room.add_commands(app)
app.add_typer(config.app, name="config")
app.add_typer(keys.app, name="keys")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(source.app, name="source")
app.add_typer(rankers.app, name="rankers")
app.add_typer(experiments.app, name="experiments")
app.add_typer(releases.app, name="releases")
app.add_typer(as_of.app, name="as-of")
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(tune.app, name="tune")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """From raw events to released recommendations, on one machine."""
    if version:
        from recs_platform import __version__

        typer.echo(f"recs_platform {__version__}")
        raise typer.Exit


def _require_text(arguments: list[str]) -> None:
    """Raise UsageError for an argument that no id, path or query can be: bytes that are not UTF-8, or NUL."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(f"the argument {argument!a} is not UTF-8") from None
        if "\0" in argument:
            raise UsageError(f"the argument {argument!a} contains a NUL byte, which no id, path or query may have")


def command() -> None:
    """What the script `recs` calls: `main`, in a process of its own that ends quickly."""
    end = QuickEnd()
    try:
        main()
    except SystemExit as left:
        end.code = left.code if isinstance(left.code, int) else None
        raise


def main() -> None:
    """Entry point: an error raised on purpose is one line on stderr and its exit code, never a traceback."""
    # OpenMP threads that spin while they wait slow each other down tenfold on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Events and lists are about people: files are their owner's alone.
    os.umask(0o077)
    heed_interrupts()
    try:
        _require_text(sys.argv[1:])
        enter_command(sys.argv[1:])
        app()
    except RecsError as error:
        say_error(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            say_error(f"{str(error.filename)[:_NAME_SHOWN]!r}… is too long for a file name; use a shorter path")
            sys.exit(UsageError.exit_code)
        fault = machine_fault(error)
        if fault is None:
            raise
        say_error(fault)
        sys.exit(RecsError.exit_code)
