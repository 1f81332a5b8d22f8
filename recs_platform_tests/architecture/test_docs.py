"""What the documents tell people to type is what there is: commands, their options, make targets, files linked to."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import dropwhile, groupby
from pathlib import Path

import click
import pytest
import typer

from recs_platform.cli import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
    if path.is_file()
]
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
SHELLS = {"", "sh", "bash", "console", "shell", "text"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
ENDS = {"|", "||", "&&", ";", ">", ">>", "<", "&", "2>", "2>&1"}


@cache
def _text(document: Path) -> str:
    return document.read_text()


def _lines(document: str) -> Iterator[str]:
    for language, block in FENCE.findall(_text(ROOT / document)):
        if language in SHELLS:
            yield from block.replace("\\\n", " ").splitlines()


def _commands(document: str, program: str) -> Iterator[list[str]]:
    """Arguments after each `program` at the head of a command in the code blocks."""
    for line in _lines(document):
        for command in _simple_commands(line.strip().removeprefix("$ ")):
            words = list(dropwhile(lambda word: "=" in word or word in {"time", "exec"}, command))
            if words and words[0].rsplit("/", 1)[-1] == program:
                yield words[1:]


def _simple_commands(line: str) -> Iterator[list[str]]:
    """Words of each command of a line, which pipes, redirections and `&&` end."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        words = line.split()
    for is_end, group in groupby(words, key=lambda word: word in ENDS):
        if not is_end:
            yield list(group)


def _is_synopsis(arguments: list[str]) -> bool:
    return any(re.search(r"^\[|\]$|\.\.\.|…|^<.*>$", word) for word in arguments)


def _fault(arguments: list[str]) -> str | None:
    """What is wrong with the arguments of a `recs`."""
    command: click.Command = typer.main.get_command(app)
    path = ["recs"]
    rest = list(arguments)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.commands.get(rest[0])
        if found is None:
            return f"there is no command `{' '.join([*path, rest[0]])}`"
        command = found
        path.append(rest.pop(0))
    if isinstance(command, click.Group) or _is_synopsis(rest) or {"--help", "-h"} & set(rest):
        return None
    try:
        command.make_context(" ".join(path), rest)
    except click.UsageError as error:
        return f"`recs {shlex.join(arguments)}`: {error.format_message()}"
    return None


def test_every_recs_command_is_one_that_parses() -> None:
    faults = [(name, fault) for name in NAMES for line in _commands(name, "recs") if (fault := _fault(line))]
    assert faults == []


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        (name, word)
        for name in NAMES
        for line in _commands(name, "make")
        for word in line
        if re.fullmatch("[a-z]+", word)
    }
    assert named
    assert [pair for pair in sorted(named) if pair[1] not in targets] == []


def test_every_relative_link_leads_to_a_file() -> None:
    links = [(document, target) for document in DOCUMENTS for target in LINK.findall(FENCE.sub("", _text(document)))]
    assert links
    assert [(document.name, target) for document, target in links if not (document.parent / target).exists()] == []


@pytest.mark.parametrize(
    "line", ["recs no-such-command", "recs run --no-such-option", "recs recommend", "recs releases drop x"]
)
def test_a_wrong_command_would_be_found(line: str) -> None:
    assert _fault(shlex.split(line)[1:])
