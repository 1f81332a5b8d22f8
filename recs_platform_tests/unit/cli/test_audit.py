"""The audit trail: every command is thought of, every entry is whole, and nobody is named."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer.main

from recs_platform.cli import app
from recs_platform.cli.audit import AUDITED, enter_command
from recs_platform.contracts.home import Home
from recs_platform.lake.audit import FIELDS, read_processing, record_processing

# They read and write nothing about people: settings, code, keys, numbers by as-of.
NOT_AUDITED = {
    "init", "config", "simulate", "status", "source", "plan", "benchmark", "lineage", "sql-test", "releases",
    "rankers", "as-of", "keys", "report", "ui",
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RECS_HOME", str(tmp_path))
    return Home(tmp_path)


def test_of_every_command_it_is_known_whether_it_is_entered() -> None:
    commands = set(typer.main.get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue]
    assert commands - NOT_AUDITED == set(AUDITED)


def test_a_command_is_entered_without_its_arguments(home: Home) -> None:
    for arguments in (["forget", "u42"], ["sql", "select 'u42'"], ["status"], [], ["run", "--help"]):
        enter_command(arguments)
    entries = read_processing(home)
    assert [(entry["action"], entry["purpose"]) for entry in entries] == [
        ("recs forget", "erasure"), ("recs sql", "analysis"),
    ]  # fmt: skip
    assert "u42" not in home.audit.read_text()
    assert home.audit.stat().st_mode & 0o777 == 0o600
    assert all(datetime.fromisoformat(entry["at"]).tzinfo == UTC for entry in entries)


def test_where_there_is_no_home_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_HOME", str(tmp_path / "nowhere"))
    enter_command(["run"])
    assert not (tmp_path / "nowhere").exists()


def test_a_trail_that_cannot_be_written_is_said_and_the_command_goes_on(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    home.audit.mkdir(parents=True)
    enter_command(["run"])
    assert "the audit trail could not be written" in capsys.readouterr().err


def test_a_line_that_was_cut_is_passed_over(home: Home) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    record_processing(home, at, "a", "b", ("c", "d"), actor="e", run_id="f")
    with home.audit.open("a") as file:
        file.write('{"at": "2020')
    (entry,) = read_processing(home)
    assert tuple(entry) == FIELDS
    assert entry == json.loads(home.audit.read_text().splitlines()[0])
    assert entry["tables"] == "c, d"
    record_processing(home, at, "next", "b", ("c", "d"), actor="e")
    assert [entry["action"] for entry in read_processing(home)] == ["a", "next"]
