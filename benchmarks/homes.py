"""Homes to try things in: the real CLI as a subprocess, its output, its published file. Nothing is judged here."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from recs_platform.contracts.home import Home
from recs_platform.warehouse.hashing import content_hash

RECS = Path(sys.executable).with_name("recs")
_STEP = re.compile(r"^ +(?P<seconds>[\d.]+) s  (?P<step>\S+)$")
_TOTAL = re.compile(r"^(?P<title>.+): (?P<seconds>[\d.]+) s in all, run ")


@dataclass
class Finished:
    """One command: its exit code, seconds on the wall, and the lines it printed (both streams)."""

    code: int
    seconds: float
    lines: list[str] = field(default_factory=list)

    @property
    def last_line(self) -> str:
        return next((line for line in reversed(self.lines) if line.strip()), "no output")

    def step_seconds(self) -> dict[str, float]:
        """Seconds of each step, from the summary that `recs run` prints."""
        found = [_STEP.match(line) for line in self.lines]
        return {match["step"]: float(match["seconds"]) for match in found if match}

    def run_seconds(self) -> dict[str, float]:
        """Seconds of each Dagster run on the wall, by its title."""
        found = [_TOTAL.match(line) for line in self.lines]
        return {match["title"]: float(match["seconds"]) for match in found if match}


def recs(home: Path, *arguments: str, follow: Callable[[str], None] | None = None) -> Finished:
    """Run `recs …` on a home and wait for it; `follow` is told each line as it comes."""
    started = time.monotonic()
    with start_recs(home, *arguments) as process:
        lines: list[str] = []
        for line in process.stdout or ():
            lines.append(line.rstrip("\n"))
            if follow is not None:
                follow(lines[-1])
        code = process.wait()
    return Finished(code, time.monotonic() - started, lines)


def start_recs(home: Path, *arguments: str, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start `recs …` in a process group of its own, both streams in `output`."""
    return subprocess.Popen(
        [str(RECS), *arguments],
        env=_environment(home),
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@dataclass(frozen=True)
class Measured:
    """One command: seconds on the wall, peak memory of its process, and what it wrote to stdout."""

    seconds: float
    peak_gib: float
    output: str


def measured_recs(home: Path, *arguments: str) -> Measured:
    """Run `recs …`, its progress shown, and leave when it failed. A child's peak is never below that of its parent."""
    started = time.monotonic()
    with subprocess.Popen(
        [str(RECS), *arguments], env=_environment(home), stdout=subprocess.PIPE, text=True
    ) as process:
        output = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"recs {arguments[0]} left with exit code {process.returncode}")
    in_bytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Measured(time.monotonic() - started, in_bytes / 2**30, output)


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "RECS_HOME": str(home), "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}


def must(finished: Finished, what: str) -> Finished:
    """Leave with the command's last line when it failed."""
    if finished.code != 0:
        sys.exit(f"{what} left with exit code {finished.code}: {finished.last_line}")
    return finished


def lay_world(home: Path, *, users: int, events: int) -> None:
    """A home with a simulated world in landing and nothing else done."""
    must(recs(home, "init"), "recs init")
    must(recs(home, "simulate", "--users", str(users), "--events", str(events)), "recs simulate")


def copy_landed(home: Path, target: Path) -> Path:
    """A fresh home with the same landing and settings, and nothing taken in."""
    target.mkdir(parents=True)
    shutil.copytree(Home(home).landing, Home(target).landing)
    shutil.copyfile(Home(home).settings_file, Home(target).settings_file)
    return target


@contextmanager
def reading(home: Path) -> Generator[duckdb.DuckDBPyConnection]:
    """The published file, read-only, in UTC."""
    with duckdb.connect(str(Home(home).analytics), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        yield con


def lists_hash(home: Path) -> str:
    """Content of `recommendations.current` without the release's id."""
    with reading(home) as con:
        return content_hash(con, "recommendations.current", exclude=["release_id"])


@contextmanager
def kept_or_temporary(keep: Path | None) -> Generator[Path]:
    """The folder to make homes in: `keep`, created, or one that is removed at the end."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="recs-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def print_table(columns: list[str], rows: list[list[object]]) -> None:
    """A Markdown table whose columns line up."""
    cells = [columns, *([_text(value) for value in row] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    for number, row in enumerate(cells):
        print("| " + " | ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    sys.stdout.flush()


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
