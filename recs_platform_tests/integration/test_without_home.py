"""Where there is no home: commands that read say so and make nothing, those that take data in make one."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from recs_platform.cli import app
from recs_platform_tests.homes import CommandLine

MAKE_A_HOME = {"init", "simulate", "source new", "land", "ingest", "run", "backfill", "demo", "ui"}
NEED_NO_HOME = {"benchmark pipeline", "benchmark retrieval"}


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from _commands(below, (*path, name))
    elif " ".join(path) not in MAKE_A_HOME | NEED_NO_HOME:
        yield path, command


def _required(command: click.Command) -> Iterator[str]:
    """Something for each parameter that must be given."""
    for param in command.params:
        if isinstance(param, click.Argument) and (param.required or param.name == "query"):
            yield "select 1"
        elif param.required:
            yield from (param.opts[0], "2024-01-01")


READING = [(*path, *_required(command)) for path, command in _commands(typer.main.get_command(app))]


def test_commands_that_need_a_home_say_so_and_make_nothing(
    recs: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    said = f"recs: no home at {tmp_path / 'home'}; run `recs init` (or set RECS_HOME)\n"
    for arguments in READING:
        assert recs(tmp_path / "home", *arguments) == (1, "", said), arguments
        assert [path.name for path in tmp_path.rglob("*")] == ["here"], arguments


def test_an_empty_folder_is_no_home_and_stays_empty(recs: CommandLine, tmp_path: Path) -> None:
    code, _, err = recs(tmp_path, "status")
    assert code == 1
    assert f"no home at {tmp_path}" in err
    assert list(tmp_path.iterdir()) == []


def test_reading_a_home_that_only_landed_makes_no_dagster_files(recs: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id,event_type,occurred_at\nu1,i1,click,2024-01-01T00:00:00Z\n")
    home = tmp_path / "home"
    assert recs(home, "land", "contract", str(tmp_path / "events.csv"))[0] == 0
    for command in (("status",), ("plan",), ("as-of", "list"), ("releases", "list")):
        code, _, err = recs(home, *command)
        assert code == 0, err
    assert not (home / "dagster").exists()
