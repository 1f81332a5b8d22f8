"""Readers of the published file while `recs run` replaces it: neither side may see an error.

`python -m benchmarks.readers [--home HOME]`; one process holds a connection all the time, another opens one a query.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from benchmarks.homes import kept_or_temporary, lay_world, must, print_table, recs
from recs_platform.contracts.home import Home

QUERIES = (
    "select count(*), count(distinct user_id), max(rank) from recommendations.current",
    "select event_type, count(*) from raw.events group by event_type",
    "select model, value from reports.offline_metrics where segment = 'all' and metric = 'ndcg'",
    """
    select s.segment_name, avg(f.event_count) from segments.user_segments as s
    join features.user_features as f using (as_of, user_id) group by s.segment_name
    """,
)
PAUSE_SECONDS = 0.02
READERS = {"holds one connection": True, "opens one a query": False}


def read_until_told(file: Path, *, hold: bool) -> None:
    """Query in a loop until stdin ends; then print one JSON object with counts."""
    import threading

    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    held = duckdb.connect(str(file), read_only=True) if hold else None
    queries, slowest, errors, seen = 0, 0.0, list[str](), set[object]()
    while not done.is_set():
        started = time.monotonic()
        try:
            con = held or duckdb.connect(str(file), read_only=True)
            con.execute(QUERIES[queries % len(QUERIES)]).fetchall()
            seen.add(file.stat().st_ino)
            if held is None:
                con.close()
        except (duckdb.Error, OSError) as error:
            errors.append(str(error).splitlines()[0])
        queries, slowest = queries + 1, max(slowest, time.monotonic() - started)
        time.sleep(PAUSE_SECONDS)
    print(json.dumps({"queries": queries, "slowest": slowest, "files": len(seen), "errors": errors}))


def start_reader(file: Path, *, hold: bool) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.readers", "--read", str(file), *(["--hold"] if hold else [])]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def try_readers(home: Path, runs: int) -> int:
    """Number of failures on either side."""
    readers = {name: start_reader(Home(home).analytics, hold=hold) for name, hold in READERS.items()}
    failed = 0
    for number in range(1, runs + 1):
        done = recs(home, "run", "--force")
        failed += done.code != 0
        print(f"run {number}: exit code {done.code}, {done.seconds:.1f} s, {done.last_line}", flush=True)
    rows: list[list[object]] = []
    for name, process in readers.items():
        output, _ = process.communicate("")
        found = json.loads(output) if process.returncode == 0 else {"errors": [f"exit code {process.returncode}"]}
        failed += bool(found["errors"]) or not found["queries"]
        slowest = f"{1000 * found.get('slowest', 0):.0f} ms"
        rows.append([name, found.get("queries"), slowest, found.get("files"), len(found["errors"])])
        for error in sorted(set(found["errors"])):
            print(f"  {name}: {error}")
    print_table(["reader", "queries", "slowest", "published files met", "errors"], rows)
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description="Query analytics.duckdb in a loop while `recs run` replaces it.")
    parser.add_argument("--home", type=Path, help="a home with a release; a small world is run when absent")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--hold", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read_until_told(options.read, hold=options.hold)
        return
    with kept_or_temporary(None) as parent:
        home = options.home.absolute() if options.home else parent / "home"
        if options.home is None:
            lay_world(home, users=300, events=20_000)
            must(recs(home, "run", "--force"), "the first run")
        failed = try_readers(home, options.runs)
    sides = options.runs + len(READERS)
    print(f"{sides - failed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
