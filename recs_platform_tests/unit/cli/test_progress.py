"""The line that follows a run names the step, its seconds and what remains, and lives to the end of the run."""

import json
import os
import pty
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recs_platform.cli.progress import BAR_CELLS, SILENT_SECONDS, Followed, Progress
from recs_platform_tests.homes import CommandLine
from recs_platform_tests.worlds import tiny_world

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_the_line_says_where_the_run_is_and_what_remains() -> None:
    run = Followed(began=100.0, expected={"a__x": 4.0, "b": 10.0, "c": None, "d": 2.0})
    run.ended, run.step, run.step_began = {"a__x"}, "b", 105.0
    line = run.line("build 2017-02-20", now=108.0)
    assert line.startswith("build 2017-02-20  " + "█" * (BAR_CELLS // 4))
    assert line.endswith("2 of 4  b 3 s  8 s so far  3 left, about 9 s")
    run.step_began = 80.0
    assert run.line("t", now=108.0).endswith("3 left, about 2 s")


def test_a_first_run_has_no_seconds_to_go_by_and_an_unknown_plan_no_steps() -> None:
    run = Followed(began=0.0, expected={"a": None, "b": None}, step="a")
    assert run.line("t", now=1.0).endswith("1 of 2  a 1 s  1 s so far  2 left")
    assert Followed(began=0.0).line("t", now=2.0) == "t  2 s so far"
    run.ended = {"a", "b"}
    assert run.line("t", now=3.0).endswith("2 of 2  a 3 s  3 s so far")


def test_without_a_terminal_each_step_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    ticks = iter(range(100))
    progress = Progress("ingest", clock=lambda: float(next(ticks)))
    with progress.following():
        for kind, text in [
            ("PLAN", json.dumps({"raw": None, "flags": None, "late": None})), ("STEP_START", "raw"),
            ("LOG", "reads a file"), ("LOG", "waiting: ingest is held"), ("STEP_SUCCESS", "raw"),
            ("STEP_START", "flags"), ("STEP_FAILURE", "flags"), ("STEP_SKIPPED", "late"),
        ]:  # fmt: skip
            progress.watch(kind, text)
    said = capsys.readouterr().err
    assert re.sub(r"\d+\.\d", "#", said).splitlines() == [
        "ingest: waiting: ingest is held", "ingest: raw done in # s", "ingest: flags FAILED in # s",
    ]  # fmt: skip
    assert "\x1b" not in said


def test_without_a_terminal_a_step_that_was_silent_for_long_shows_what_it_logs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    progress = Progress("build", clock=lambda: now[0])
    with progress.following():
        progress.watch("STEP_START", "ranking__training_set")
        for at in (5, SILENT_SECONDS, SILENT_SECONDS + 5, 2 * SILENT_SECONDS):
            now[0] = float(at)
            progress.watch("LOG", f"window after {at} s: built\nand more")
    assert capsys.readouterr().err.splitlines() == [
        f"build: window after {at} s: built" for at in (SILENT_SECONDS, 2 * SILENT_SECONDS)
    ]


def test_at_a_terminal_the_line_lives_to_the_last_step(
    recs: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    tiny_world(home / "landing" / "world")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("recs_platform.cli.progress.FRAMES_A_SECOND", 50)  # each step is seen, however fast
    ours, theirs = pty.openpty()
    with ThreadPoolExecutor(1) as pool:
        shown = pool.submit(_read_to_the_end, ours)
        with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", terminal)
            code, _, _ = recs(home, "ingest")
        seen = shown.result(timeout=60)
    assert code == 0
    frames = [frame.strip() for frame in re.split(r"[\r\n]+", CONTROL.sub("", seen)) if "so far" in frame]
    numbers = [tuple(map(int, found.groups())) for frame in frames if (found := re.search(r"(\d+) of (\d+)", frame))]
    assert numbers == sorted(numbers)
    assert numbers[-1][0] == numbers[-1][1] > 2
    assert any(re.search(r"raw \d+ s  \d+ s so far  \d+ left", frame) for frame in frames)
    assert "%" not in seen, "another bar leaks in"


def _read_to_the_end(terminal: int) -> str:
    """What is written at the other end of a terminal until that is closed."""
    seen = b""
    while True:
        try:
            seen += os.read(terminal, 65536)
        except OSError:
            os.close(terminal)
            return seen.decode()
