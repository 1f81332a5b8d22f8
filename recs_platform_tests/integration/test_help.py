"""Help as people read it: sections, a word on every parameter, one suggestion; and odd ids at every command."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from recs_platform.cli import app
from recs_platform.cli.sections import SECTIONS
from recs_platform_tests.homes import Built, CommandLine, copy_home

ROOT = typer.main.get_command(app)


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from _commands(below, (*path, name))
    else:
        yield path, command


COMMANDS = dict(_commands(ROOT))
WITH_ARGUMENTS = {
    path: [param for param in command.params if isinstance(param, click.Argument)]
    for path, command in COMMANDS.items()
    if any(isinstance(param, click.Argument) for param in command.params)
}


def test_every_command_stands_in_one_section() -> None:
    placed = [name for names in SECTIONS.values() for name in names]
    assert isinstance(ROOT, click.Group)
    assert sorted(placed) == sorted(ROOT.commands)


def test_help_shows_the_sections_in_order(recs: CommandLine, built: Built) -> None:
    code, out, _ = recs(built.platform.home.root, "--help")
    assert code == 0
    titles = [line.rstrip(":") for line in out.splitlines() if re.fullmatch(r"[A-Z][a-z]+:", line)]
    assert titles == ["Options", *SECTIONS]
    assert "--install-completion" in out


def test_an_argument_is_described_once(recs: CommandLine, built: Built) -> None:
    for command in (("recommend",), ("rankers", "retire")):
        out = recs(built.platform.home.root, *command, "--help")[1]
        assert out.count("[required]") == 1
        assert "Positional" not in out


def _undescribed(path: tuple[str, ...], command: click.Command) -> Iterator[str]:
    """Parameters of a command of which its help says next to nothing."""
    ctx = click.Context(command, info_name=" ".join(path))
    for param in command.params:
        record = param.get_help_record(ctx)
        if record is None or len(re.sub(r"\[[^\]]*\]", "", record[1]).split()) <= 1:
            yield f"{' '.join(path)} {param.opts}"


def test_every_parameter_is_described() -> None:
    assert [found for path, command in COMMANDS.items() for found in _undescribed(path, command)] == []


@pytest.mark.parametrize(
    ("typed", "meant"), [(("rnu",), "run"), (("releases", "shwo", "a"), "show"), (("run", "--as-fo", "x"), "--as-of")]
)
def test_a_suggestion_is_made_once(recs: CommandLine, built: Built, typed: tuple[str, ...], meant: str) -> None:
    code, _, err = recs(built.platform.home.root, *typed)
    assert code == 2
    assert err.count("Did you mean") == 1
    assert err.splitlines()[-1].endswith(f"Did you mean {meant!r}?")


def test_an_id_that_begins_with_a_dash_is_written_after_two(recs: CommandLine, built: Built) -> None:
    home = built.platform.home.root
    code, _, err = recs(home, "recommend", "-x9")
    assert code == 2
    assert err.splitlines()[-1].endswith("an id that begins with - comes after --, as in: recs recommend -- -x")
    code, _, err = recs(home, "recommend", "--", "-x9")
    assert (code, err.startswith("recs: user '-x9' has no list")) == (1, True)
    code, _, err = recs(home, "run", "-x")
    assert (code, "begins with" in err) == (2, False)


def test_the_shell_can_ask_for_completions(recs: CommandLine, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_RECS_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "recs re")
    monkeypatch.setenv("COMP_CWORD", "1")
    code, out, _ = recs(built.platform.home.root)
    assert (code, out.split()) == (0, ["report", "recommend", "releases"])


@pytest.mark.parametrize(("argument", "what"), [("a\0b", "contains a NUL byte"), ("a\udcffb", "is not UTF-8")])
def test_what_no_id_can_be_is_refused_in_one_line(recs: CommandLine, built: Built, argument: str, what: str) -> None:
    for path, arguments in WITH_ARGUMENTS.items():
        code, out, err = recs(built.platform.home.root, *path, *(argument for _ in arguments))
        assert (code, out) == (2, ""), path
        assert what in err
        assert err.count("\n") == 1


ODD = ("", " ", "'; drop table raw.items; --", 'né🙂,"x"', "../..", "a" * 400, "line\nbreak")
# They take files in or write one, and what is typed is a path or a name of theirs.
TAKE_PATHS = {("land",), ("source", "new"), ("export",), ("quarantine", "export")}


def test_odd_ids_end_in_one_line_and_no_traceback(recs: CommandLine, built: Built, tmp_path: Path) -> None:
    home = copy_home(built.platform, tmp_path / "home", without=("windows",)).home.root
    for path in WITH_ARGUMENTS.keys() - TAKE_PATHS:
        for odd in ODD:
            code, _, err = recs(home, *path, "--", *(odd for _ in WITH_ARGUMENTS[path]))
            assert code in {1, 2}, (path, odd)
            assert "Traceback" not in err
            assert len([line for line in err.splitlines() if line.startswith("recs: ")]) == 1, (path, odd, err)
            assert err.splitlines()[-1].startswith("recs: "), (path, odd, err)


@pytest.mark.parametrize("arguments", [("land", "contract"), ("export",), ("source", "new", "shop")], ids=" ".join)
def test_a_path_that_is_too_long_is_said_in_one_line(
    recs: CommandLine, new_home: Path, arguments: tuple[str, ...]
) -> None:
    code, _, err = recs(new_home, *arguments, "a" * 400)
    assert code in {1, 2}
    assert err.count("\n") == 1
    assert err.startswith("recs: ")
