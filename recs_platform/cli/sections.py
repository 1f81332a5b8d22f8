"""Sections of `recs --help`, and hints in the parser's errors. Each command is described where it is defined."""

import inspect
from typing import Any

import click
from typer.core import TyperArgument, TyperGroup
from typer.models import ArgumentInfo

SECTIONS: dict[str, tuple[str, ...]] = {
    "Start": ("demo", "init", "config", "simulate", "status"),
    "Data": ("land", "ingest", "source", "quarantine", "forget"),
    "Run": ("plan", "run", "backfill", "evaluate", "backtest", "tradeoff", "ope", "tune", "benchmark"),
    "Results": ("recommend", "explain", "report", "experiments", "sql", "lineage", "sql-test", "publish", "export"),
    "Operate": ("releases", "rankers", "as-of", "prune", "serve", "keys", "ui"),
}
_HINT = "an id that begins with - comes after --, as in: "


class SectionedGroup(TyperGroup):
    """The root command: its commands in sections, and a hint where an id was taken for an option."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - what typer passes on
        super().__init__(**attributes)
        for command in self.commands.values():
            _describe_arguments(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One list a section, in the order of SECTIONS; a command of none comes last."""
        del ctx
        listed = {name for names in SECTIONS.values() for name in names}
        others = tuple(name for name in self.commands if name not in listed)
        for title, names in (*SECTIONS.items(), ("Other", others)):
            rows = [(name, _first_sentence(self.commands[name])) for name in names if name in self.commands]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; its parser's error about an option may be about an id."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            message = error.message.rstrip(".") + _hint(error)
            raise click.NoSuchOption(error.option_name, message, error.possibilities, error.ctx) from None


def _describe_arguments(command: click.Command) -> None:
    """Put the help of arguments back: click 8.5 has such an attribute of its own, and typer 0.25 loses what it set."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _describe_arguments(below)
        return
    setattr(command, "format_arguments", _left_to_typer)  # noqa: B010 - it is a method
    if command.callback is None:
        return
    declared = inspect.signature(command.callback).parameters
    for param in command.params:
        if isinstance(param, TyperArgument) and param.name in declared:
            annotation: object = declared[param.name].annotation
            about: tuple[object, ...] = getattr(annotation, "__metadata__", ())
            param.help = next((each.help for each in about if isinstance(each, ArgumentInfo)), param.help)


def _left_to_typer(_ctx: click.Context, _formatter: click.HelpFormatter) -> None:
    """Arguments are told by typer among the options; click 8.5 tells them too."""


def _hint(error: click.NoSuchOption) -> str:
    """How to write what was typed as an argument, where the command takes one and the option looks like none of its."""
    ctx = error.ctx
    takes_ids = ctx is not None and any(isinstance(param, click.Argument) for param in ctx.command.params)
    if ctx is None or not takes_ids or error.possibilities:
        return "."
    return f"; {_HINT}{ctx.command_path} -- {error.option_name}"


def _first_sentence(command: click.Command) -> str:
    """The first sentence of the help, whole."""
    return " ".join((command.help or "").split("\n\n")[0].split()).split(". ")[0].rstrip(".") + "."
