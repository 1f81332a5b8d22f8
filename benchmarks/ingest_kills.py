# The tests it calls are untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Ingestion killed at random times, again and again: in the end the lake is what an independent reference says.

`python -m benchmarks.ingest_kills [--trials 20] [--kills 12] [--seed 7]`; a difference, or a ledger that does not
balance after any kill, ends it with exit code 1 and leaves the home of that trial.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.homes import print_table
from recs_platform_tests.ingestion.children import nursery
from recs_platform_tests.ingestion.trials import PHASES, Tally, try_kills

_FAULTS_SHOWN = 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Kill ingestions at random times and compare the lake with a reference."
    )
    parser.add_argument("--trials", type=int, default=20, help="homes, each with its own random landings")
    parser.add_argument("--kills", type=int, default=12, help="SIGKILLs that must hit a child at work, a trial")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rows", type=int, default=40, help="rows of the longest files")
    options = parser.parse_args()
    tally, started = Tally(), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="recs-kills-", dir=os.environ.get("TMPDIR")))
    with nursery(folder / "nursery") as parent:
        for number in range(options.trials):
            try_kills(parent, folder, options.seed * 1000 + number, options.kills, tally, options.rows)
            print(f"trial {number + 1}: {tally.killed} killed so far, {len(tally.faults)} faults", flush=True)
    print_table(["killed", "times"], [[name, tally.kills[name]] for name in PHASES])
    print(
        f"\n{tally.trials} trials, {tally.attempts} ingestions started, {tally.at_once} times two at once; "
        f"{tally.killed} children killed at work; {tally.rows} events in the end; {len(tally.faults)} faults; "
        f"{time.monotonic() - started:.0f} s"
    )
    for fault in tally.faults[:_FAULTS_SHOWN]:
        print(f"  {fault}")
    if tally.faults:
        print(f"homes left in {folder}")
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
