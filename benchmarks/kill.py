"""SIGKILL at seeded random times, then `recs run` again: the same lists as undisturbed, in hardly more time.

`python -m benchmarks.kill [--kills 20] [--seed 7] [--users 2000] [--events 200000]`; lists that differ, or a second run
that fails, end it with exit code 1.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.homes import copy_landed, kept_or_temporary, lay_world, lists_hash, must, print_table, recs, start_recs
from recs_platform.contracts.home import Home

SLOWER_MAX = 1.2
SPREAD = (0.02, 0.98)
COLUMNS = ["kill", "at s", "killed after", "windows sealed", "again s", "of T", "same lists", "left over"]


@dataclass(frozen=True)
class Trial:
    """One kill: where it struck, what the second run took, and whether its lists are the undisturbed ones."""

    delay: float
    struck: str
    windows: int
    seconds: float
    same: bool
    left_over: int
    error: str = ""


def delays(kills: int, seed: int, total: float) -> list[float]:
    """One random instant in each of `kills` equal parts of the run, in order."""
    rng = random.Random(seed)  # noqa: S311 - a seeded trial, not a secret
    low, high = SPREAD
    return [(low + (high - low) * (number + rng.random()) / kills) * total for number in range(kills)]


def kill_at(home: Path, delay: float, log: Path) -> str:
    """Start a run, kill its process group after `delay` seconds; says which step had ended last."""
    with log.open("w") as output:
        process = start_recs(home, "run", output=output.fileno())
        try:
            process.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    done = [line.split(" done in")[0] for line in log.read_text().splitlines() if " done in" in line]
    last = done[-1] if done else "the start"
    return last if code == -signal.SIGKILL else f"not killed: it had ended ({code})"


def sealed_windows(home: Path) -> int:
    return len(list((Home(home).artifacts / "windows").glob("*/manifest.json")))


def left_over(home: Path) -> int:
    """Unfinished files and folders that the second run did not clear away."""
    roots = (Home(home).batches, Home(home).artifacts, Home(home).published)
    return sum(1 for root in roots if root.exists() for path in root.rglob("*") if ".tmp" in path.name)


def trial(landed: Path, home: Path, delay: float, expected: str) -> Trial:
    copy_landed(landed, home)
    struck = kill_at(home, delay, home / "killed.log")
    windows = sealed_windows(home)
    again = recs(home, "run")
    if again.code != 0:
        return Trial(
            delay, struck, windows, again.seconds, same=False, left_over=left_over(home), error=again.last_line
        )
    return Trial(delay, struck, windows, again.seconds, lists_hash(home) == expected, left_over(home))


def row(number: int, tried: Trial, total: float) -> list[object]:
    share = f"{tried.seconds / total:.2f}{' SLOW' if tried.seconds > SLOWER_MAX * total else ''}"
    verdict = "yes" if tried.same else f"NO {tried.error}".strip()
    return [
        number,
        f"{tried.delay:.1f}",
        tried.struck,
        tried.windows,
        f"{tried.seconds:.1f}",
        share,
        verdict,
        tried.left_over,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill runs at random times and compare what a second run makes.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--keep", type=Path, metavar="HOME_PARENT", help="make the homes here and leave them")
    options = parser.parse_args()
    started = time.monotonic()
    with kept_or_temporary(options.keep) as parent:
        landed = parent / "landed"
        lay_world(landed, users=options.users, events=options.events)
        undisturbed = copy_landed(landed, parent / "undisturbed")
        total = must(recs(undisturbed, "run"), "the undisturbed run").seconds
        expected = lists_hash(undisturbed)
        print(f"undisturbed: T = {total:.1f} s, {sealed_windows(undisturbed)} windows, lists {expected}", flush=True)
        tried: list[Trial] = []
        for number, delay in enumerate(delays(options.kills, options.seed, total), start=1):
            home = parent / f"kill-{number}"
            tried.append(trial(landed, home, delay, expected))
            print("  ".join(map(str, row(number, tried[-1], total))), flush=True)
            if options.keep is None:
                shutil.rmtree(home, ignore_errors=True)
    print()
    print_table(COLUMNS, [row(number, each, total) for number, each in enumerate(tried, start=1)])
    wrong = sum(not each.same for each in tried)
    slow = sum(each.seconds > SLOWER_MAX * total for each in tried)
    resumed = sum(each.windows > 0 for each in tried)
    print(f"\n{resumed} of {len(tried)} second runs found windows sealed before the kill and did not build them again")
    print(f"{slow} took more than {SLOWER_MAX} x T" + (": TOO SLOW" if slow else ""))
    print(f"{len(tried) - wrong} passed, {wrong} failed ({time.monotonic() - started:.0f} s in all)", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
